"""What a person sees: strace-like text, tables, JSON. Knows no kernel, only batches and summaries."""

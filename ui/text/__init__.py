"""Text and JSON: pure functions from rows and summaries to strings."""

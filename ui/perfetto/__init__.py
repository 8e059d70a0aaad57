"""A recording as a trace for ui.perfetto.dev: `trace.write_trace`. Needs the package `perfetto`."""

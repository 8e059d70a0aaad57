"""The command line: one module per subcommand, dispatched by `uringtrace.cli.main`."""

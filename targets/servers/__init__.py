"""One module for each architecture: `serve(options, house)` until told to stop."""

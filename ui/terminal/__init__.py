"""The terminal application: pictures of a capture on screens, with keys."""

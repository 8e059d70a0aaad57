"""Green threads: code that looks blocking, on one thread of the kernel."""

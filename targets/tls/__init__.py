"""TLS 1.3 in user space, for the reference server `uring-ktls`: no input or output anywhere."""

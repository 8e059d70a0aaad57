"""What runs in the kernel, and the code that compiles, attaches and reads it."""

"""What is known of system calls before one is seen: numbers, classes, signatures."""

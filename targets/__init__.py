"""Programs to trace: the ground truth, the NOP loop and the demo server, in C."""

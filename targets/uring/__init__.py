"""io_uring without a library: the ring's shared memory from Python.

`ring` sets a ring up and reads and writes its queues, `buffers` is the ring of provided
buffers, `memory` what the kernel reads and writes for us, `messages` the structures that
operations point to, `constants` the numbers of include/uapi/linux/io_uring.h, `refusals`
what a kernel's refusal means. x86-64 only: see `ring`.
"""

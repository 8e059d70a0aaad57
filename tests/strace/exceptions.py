"""Where two runs, or strace and uringtrace, may differ, each with the reason."""

from __future__ import annotations

from collections.abc import Mapping

from tests.strace.shape import Place

CHANGES: Mapping[Place, str] = {
    ("sysinfo", 0): "load and free memory of the machine",
    ("statfs", 1): "free space",
    ("fstatfs", 1): "free space",
    ("getcpu", 0): "the processor it happens to run on",
    ("waitid", 2): "strace prints fields that the kernel does not fill",
}
"""What two runs of one program under strace may differ in."""

LESS: Mapping[Place, str] = {
    ("io_uring_setup", 1): "offsets are left out; strace 6.1 lacks names of newer features",
    ("clone3", 0): "what the kernel writes back is not read: the result says it",
    ("rt_sigreturn", 0): "it has no argument; strace reads the frame on the signal's stack",
}
"""What uringtrace decodes in part."""

_TIMES = "two times of a file: rarely of interest"
_MACHINE = "tells about the machine, not about input and output"
_SIGNALS = "signal handling is no input or output"
_MANY = "as many messages as the call takes: only the first level of pointers is followed"

NOT_DECODED: Mapping[Place, str] = {
    ("execve", 1): "arguments may hold secrets, and are as many as the caller likes",
    ("statx", 4): "the descriptor's file says what is of interest",
    ("statfs", 1): _MACHINE,
    ("fstatfs", 1): _MACHINE,
    ("utime", 1): _TIMES,
    ("utimes", 1): _TIMES,
    ("futimesat", 2): _TIMES,
    ("utimensat", 2): _TIMES,
    ("fcntl", 2): "struct flock: what is behind the pointer depends on the command",
    ("io_uring_register", 2): "what is behind the pointer depends on the operation",
    ("io_uring_setup", 1): "the parameters of a call that failed are not read",
    ("sendmmsg", 1): _MANY,
    ("recvmmsg", 1): _MANY,
    ("recvmsg", 1): "the message of a call that failed is not read",
    ("pselect6", 5): "a signal mask behind two pointers",
    ("rt_sigaction", 1): _SIGNALS,
    ("sigaltstack", 1): _SIGNALS,
    ("waitid", 2): _SIGNALS,
    ("prctl", 1): "what the argument is depends on the option",
    ("sched_getaffinity", 2): _MACHINE,
    ("sysinfo", 0): _MACHINE,
    ("uname", 0): _MACHINE,
    ("getcpu", 0): _MACHINE,
    ("mincore", 2): _MACHINE,
}
"""What strace decodes and uringtrace shows as the pointer it is."""

"""Which kind of work an operation is, by its name: what colour stands for on the timeline."""

from __future__ import annotations

import re

from uringtrace.tracer.report.model import FAMILIES

_PATTERNS = (
    ("wait", r"epoll_p?wait2?|p?poll|p?select6?|futex\w*|(clock_)?nanosleep|pause|rt_sig(timedwait|suspend)|"
             r"wait(4|id)|io_uring_enter|io_getevents|timeout\w*|link_timeout|poll_add|poll_remove|"
             r"epoll_wait|futex_wait\w*|waitid"),
    ("connect", r"accept4?|connect|socket(pair)?|bind|listen|shutdown|[gs]etsockopt|get(sock|peer)name"),
    ("read", r"p?read(64|v2?)?|preadv2?|readv?_fixed|read_multishot|recv(from|m?msg|_zc)?"),
    ("write", r"p?write(64|v2?)?|pwritev2?|writev?_fixed|send(to|m?msg|msg_zc|_zc)?|sendfile(64)?|splice|"
              r"tee|vmsplice|copy_file_range|f(data)?sync|sync(_file_range)?|msync|syncfs"),
    ("file", r"open(at2?)?|creat|close(_range)?|(new)?(f|l)?stat(at|x)?|newfstatat|statx|f?truncate|"
             r"fallocate|lseek|dup[23]?|pipe2?|fcntl|ioctl|access|faccessat2?|unlink(at)?|rename(at2?)?|"
             r"mkdir(at)?|rmdir|getdents(64)?|readlink(at)?|f?chmod|fchown|chdir|fadvise(64)?|statfs|fstatfs|"
             r"eventfd2?|epoll_create1?|epoll_ctl|timerfd_\w+|files_update|\w*xattr|symlinkat|linkat|"
             r"fixed_fd_install"),
)  # fmt: skip
_COMPILED = tuple((FAMILIES.index(family), re.compile(pattern)) for family, pattern in _PATTERNS)


def family_of(name: str) -> int:
    """Index into FAMILIES of an operation, whichever interface it is of."""
    lower = name.lower()
    for family, pattern in _COMPILED:
        if pattern.fullmatch(lower):
            return family
    return FAMILIES.index("other")

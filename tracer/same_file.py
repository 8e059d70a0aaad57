"""Which descriptors of a process are one open file: kcmp(2).

An io_uring instance often has several, since mapping its memory may duplicate the
descriptor (Python's mmap does), and nothing in /proc tells them apart.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Iterable
from functools import cmp_to_key

_NUMBERS = {"x86_64": 312, "aarch64": 272, "riscv64": 272}
_FILE = 0  # KCMP_FILE
_EQUAL, _LESS, _GREATER = 0, 1, 2

Compare = Callable[[int, int, int], int]


def distinct_files(pid: int, descriptors: Iterable[int], compare: Compare | None = None) -> tuple[int, ...]:
    """The lowest descriptor of each open file, ascending; all of them where the kernel does not tell.

    `compare(pid, a, b)` is kcmp(2) of two of the process's descriptors: 0 the same file, 1 less,
    2 greater in an order of the kernel's, anything else not known.
    """
    ascending = sorted(descriptors)
    if len(ascending) < 2:
        return tuple(ascending)
    ask = compare or _kcmp

    def order(one: int, other: int) -> int:
        answer = ask(pid, one, other)
        if answer not in _SIGNS:
            raise _NotToldError
        return _SIGNS[answer]

    try:
        by_file = sorted(ascending, key=cmp_to_key(order))
        kept = [
            each
            for before, each in zip([None, *by_file], by_file, strict=False)
            if before is None or order(before, each)
        ]
    except _NotToldError:
        return tuple(ascending)
    return tuple(sorted(kept))


_SIGNS = {_EQUAL: 0, _LESS: -1, _GREATER: 1}


class _NotToldError(Exception):
    pass


def _kcmp(pid: int, one: int, other: int) -> int:
    number = _NUMBERS.get(os.uname().machine)
    if number is None:
        return -1
    answer: int = _syscall(number, pid, pid, _FILE, one, other)
    return answer


_syscall = ctypes.CDLL(None, use_errno=True).syscall
_syscall.argtypes = [ctypes.c_long] * 6
_syscall.restype = ctypes.c_long

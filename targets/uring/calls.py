"""The three system calls of io_uring, which no C library wraps (io_uring_setup(2) and others).

Each returns what the kernel returned: a result, or minus an errno.
"""

from __future__ import annotations

import ctypes

_SETUP, _ENTER, _REGISTER = 425, 426, 427  # the same on every architecture

_syscall = ctypes.CDLL(None, use_errno=True).syscall
_syscall.argtypes = [ctypes.c_long] * 7  # whole registers: an int would leave half of each undefined
_syscall.restype = ctypes.c_long


def setup(entries: int, params: int) -> int:
    """io_uring_setup(2); `params` is the address of a struct io_uring_params."""
    return _outcome(_syscall(_SETUP, entries, params, 0, 0, 0, 0))


def enter(
    fd: int, to_submit: int, min_complete: int, flags: int, argument: int = 0, argument_size: int = 0
) -> int:
    """io_uring_enter(2); `argument` is the address of a struct io_uring_getevents_arg."""
    return _outcome(_syscall(_ENTER, fd, to_submit, min_complete, flags, argument, argument_size))


def register(fd: int, opcode: int, address: int, count: int) -> int:
    """io_uring_register(2)."""
    return _outcome(_syscall(_REGISTER, fd, opcode, address, count, 0, 0))


def _outcome(returned: int) -> int:
    return returned if returned >= 0 else -ctypes.get_errno()

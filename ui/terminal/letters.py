"""One letter for each operation: a capital for its kind, else its own initial, small."""

from __future__ import annotations

from functools import lru_cache

KINDS = {
    "R": ("read", "recv", "pread"),
    "W": ("write", "send", "pwrite"),
    "A": ("accept",),
    "C": ("connect",),
    "X": ("close", "shutdown"),
    "O": ("open", "socket", "pipe"),
    "F": ("fsync", "fdatasync", "sync"),
    "T": ("timeout", "link_timeout", "nanosleep", "clock_nanosleep", "timer"),
    "P": ("poll", "ppoll", "epoll_wait", "epoll_pwait", "select", "pselect"),
    "L": ("futex",),
    "N": ("nop",),
    "E": ("io_uring_enter",),
    "S": ("splice", "sendfile", "tee", "copy_file_range"),
}
"""Letter → how the names of its operations begin, of both interfaces; the longest beginning counts."""
WORDS = {
    "R": "read",
    "W": "write",
    "A": "accept",
    "C": "connect",
    "X": "close",
    "O": "open",
    "F": "sync",
    "T": "timer",
    "P": "poll",
    "L": "futex",
    "N": "nop",
    "E": "enter",
    "S": "splice",
}
_BEGINNINGS = sorted(
    ((beginning, letter) for letter, beginnings in KINDS.items() for beginning in beginnings),
    key=lambda each: -len(each[0]),
)


@lru_cache(maxsize=2048)
def letter_of(name: str) -> str:
    """The letter of the operation with this name."""
    small = name.lower()
    for beginning, letter in _BEGINNINGS:
        if small.startswith(beginning):
            return letter
    return small[:1] if small[:1].isascii() and small[:1].isalnum() else "?"

"""Which operations move data over a socket, in which direction, and how much.

Both interfaces come out as the same arrays. The facts are those of io_uring_enter(2),
recv(2), splice(2), sendfile(2) and sendmmsg(2).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntFlag

import numpy as np
from numpy.typing import NDArray

from uringtrace.tracer.connections.columns import Columns
from uringtrace.tracer.record import (
    CQE_F_NOTIF,
    CQE_F_SOCK_NONEMPTY,
    OPCODES,
    SQE_BUFFER_SELECT,
    Kind,
)

IN, OUT = 1, 2

_IN = """
read readv preadv2 recvfrom recvmsg recvmmsg splice
READ READV READ_FIXED READV_FIXED READ_MULTISHOT RECV RECVMSG RECV_ZC
"""
_OUT = """
write writev pwritev2 sendto sendmsg sendmmsg sendfile
WRITE WRITEV WRITE_FIXED WRITEV_FIXED SEND SENDMSG SEND_ZC SENDMSG_ZC SPLICE
"""


class _Trait(IntFlag):
    """What is particular to an operation."""

    COUNTS_MESSAGES = 1
    LENGTH_IN_ARG2 = 2
    LENGTH_IN_ARG4 = 4
    LENGTH_IN_SQE = 8
    FLAGS_IN_ARG2 = 16
    FLAGS_IN_ARG3 = 32
    FLAGS_IN_SQE = 64
    MAY_BE_MULTISHOT = 128
    """A multishot RECVMSG returns its header with the data."""
    TELLS_LEFT = 256


_HAVE = {
    _Trait.COUNTS_MESSAGES: ("recvmmsg", "sendmmsg"),
    _Trait.LENGTH_IN_ARG2: ("read", "recvfrom"),
    _Trait.LENGTH_IN_ARG4: ("splice",),
    _Trait.LENGTH_IN_SQE: ("READ", "READ_FIXED", "RECV", "READ_MULTISHOT"),
    _Trait.FLAGS_IN_ARG2: ("recvmsg",),
    _Trait.FLAGS_IN_ARG3: ("recvfrom", "recvmmsg"),
    _Trait.FLAGS_IN_SQE: ("RECV", "RECVMSG"),
    _Trait.MAY_BE_MULTISHOT: ("RECVMSG",),
    _Trait.TELLS_LEFT: ("RECV", "RECVMSG"),
}

_LOOKS = 0x2 | 0x2000
"""MSG_PEEK and MSG_ERRQUEUE."""
_RECV_MULTISHOT = 1 << 1
"""IORING_RECV_MULTISHOT in `ioprio`."""


@dataclass(frozen=True, slots=True)
class Moves:
    """Operations that had to do with data, or would have; all arrays of shape (n,)."""

    row: NDArray[np.intp]
    """Index into the batch."""
    second: NDArray[np.bool_]
    """The socket is the operation's second file."""
    direction: NDArray[np.uint8]
    """IN or OUT"""
    data: NDArray[np.bool_]
    """At least one byte was moved."""
    bytes: NDArray[np.int64]
    """How many; 0 where not `exact`."""
    exact: NDArray[np.bool_]
    end: NDArray[np.bool_]
    """A read that told the end of the stream."""
    left: NDArray[np.bool_]
    """After this read there may have been more to read."""


class MoveRules:
    """Looks the operations up by name, since a kernel's opcode numbers are its own."""

    def __init__(self, operation_names: Mapping[int, str]) -> None:
        opcodes = {name: opcode for opcode, name in operation_names.items()}
        self._first = np.zeros(OPCODES, np.uint8)
        self._second = np.zeros(OPCODES, np.uint8)

        def mask(names: Iterable[str]) -> NDArray[np.bool_]:
            found = np.zeros(OPCODES, bool)
            found[[opcodes[name] for name in names if name in opcodes]] = True
            return found

        self._first[mask(_IN.split())] = IN
        self._first[mask(_OUT.split())] = OUT
        self._second[mask(["splice"])] = OUT
        self._second[mask(["SPLICE"])] = IN
        self._traits = np.zeros(OPCODES, np.uint16)
        for trait, having in _HAVE.items():
            self._traits[mask(having)] |= np.uint16(trait)

    def direction(self, opcodes: NDArray[np.uint16]) -> NDArray[np.uint8]:
        """Where operations move the data of their first file: IN, OUT, or 0 for nowhere; same shape."""
        return self._first[opcodes]

    def moves(self, batch: Columns) -> Moves:
        """The moves among `batch`, those of the first file before those of the second.

        Zero-copy notifications, reads that only look (MSG_PEEK) and reads of the error
        queue are none. A completion that was suppressed (SILENT) moved an unknown number.
        """
        kind = batch["kind"]
        counted = (kind == Kind.COMPLETION) & (batch["cqe_flags"] & CQE_F_NOTIF == 0)
        counted |= kind == Kind.SILENT
        opcode = batch["opcode"]
        first, second = self._first[opcode], self._second[opcode]
        row = np.flatnonzero(counted & (first > 0))
        of_first, direction = len(row), first[row]
        if second.any():
            of_second = np.flatnonzero(counted & (second > 0) & (batch["second_file"] > 0))
            row = np.concatenate([row, of_second])
            direction = np.concatenate([direction, second[of_second]])
        traits = self._traits[opcode[row]]
        second_file = np.arange(len(row)) >= of_first
        looks = self._looks_only(batch, row, traits)
        if looks is not None and looks.any():
            row, direction, traits = row[~looks], direction[~looks], traits[~looks]
            second_file = second_file[~looks]

        result = batch["result"][row]
        silent = kind[row] == Kind.SILENT
        exact = ~silent
        if _has(traits, _Trait.COUNTS_MESSAGES | _Trait.MAY_BE_MULTISHOT):
            multishot = batch["ioprio"][row] & _RECV_MULTISHOT != 0
            exact &= ~((traits & _Trait.MAY_BE_MULTISHOT != 0) & multishot)
            exact &= traits & _Trait.COUNTS_MESSAGES == 0
        data = (result > 0) | silent
        asked, known = self._asked(batch, row, traits)
        incoming = direction == IN
        return Moves(
            row=row,
            second=second_file,
            direction=direction,
            data=data,
            bytes=np.where(exact & data, result, 0),
            exact=exact | ~data,
            end=incoming & (result == 0) & exact & ~(known & (asked == 0)),
            left=incoming & _left(batch, row, traits, result, asked, known),
        )

    def _looks_only(
        self, batch: Columns, row: NDArray[np.intp], traits: NDArray[np.uint16]
    ) -> NDArray[np.bool_] | None:
        """None: nobody could have said so."""
        found = None
        for trait, name in _FLAGS.items():
            if _has(traits, trait):
                looks = (batch[name][row] & _LOOKS != 0) & (traits & trait != 0)
                found = looks if found is None else found | looks
        return found

    def _asked(
        self, batch: Columns, row: NDArray[np.intp], traits: NDArray[np.uint16]
    ) -> tuple[NDArray[np.uint64], NDArray[np.bool_]]:
        """How many bytes were asked for, and whether that is known."""
        asked, known = np.zeros(len(row), np.uint64), np.zeros(len(row), bool)
        for trait, name in _LENGTHS.items():
            if _has(traits, trait):
                of_this = traits & trait != 0
                length = batch[name][row]
                if trait is _Trait.LENGTH_IN_SQE:
                    # The kernel takes a chosen buffer's own length.
                    of_this &= (length > 0) | (batch["sqe_flags"][row] & SQE_BUFFER_SELECT == 0)
                asked = np.where(of_this, length, asked)
                known |= of_this
        return asked, known & batch["has_arguments"][row]


_FLAGS = {
    _Trait.FLAGS_IN_ARG2: "arg2",
    _Trait.FLAGS_IN_ARG3: "arg3",
    _Trait.FLAGS_IN_SQE: "op_flags",
}
_LENGTHS = {
    _Trait.LENGTH_IN_ARG2: "arg2",
    _Trait.LENGTH_IN_ARG4: "arg4",
    _Trait.LENGTH_IN_SQE: "len",
}
"""Where the flags and the length of an operation are."""


def _has(traits: NDArray[np.uint16], trait: int) -> bool:
    """Any row has any of these traits."""
    return bool(int(np.bitwise_or.reduce(traits, initial=0)) & trait)


def _left(
    batch: Columns,
    row: NDArray[np.intp],
    traits: NDArray[np.uint16],
    result: NDArray[np.int64],
    asked: NDArray[np.uint64],
    known: NDArray[np.bool_],
) -> NDArray[np.bool_]:
    """io_uring says it; else a read that got less than it asked for has emptied the socket."""
    left = ~(known & (result < asked.astype(np.int64)))
    if not _has(traits, _Trait.TELLS_LEFT):
        return left
    return np.where(traits & _Trait.TELLS_LEFT != 0, batch["cqe_flags"][row] & CQE_F_SOCK_NONEMPTY != 0, left)

"""Which operations move data over a socket, in which direction, and how much.

Both interfaces come out as the same arrays. The facts are those of io_uring_enter(2),
recv(2), splice(2), sendfile(2) and sendmmsg(2).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from uringtrace.tracer.record import (
    CQE_F_NOTIF,
    CQE_F_SOCK_NONEMPTY,
    OPCODES,
    SQE_BUFFER_SELECT,
    Batch,
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
_COUNTS_MESSAGES = ("recvmmsg", "sendmmsg")
_LENGTH_IN_ARG2 = ("read", "recvfrom")
_LENGTH_IN_SQE = ("READ", "READ_FIXED", "RECV", "READ_MULTISHOT")
_FLAGS_IN_ARG3 = ("recvfrom", "recvmmsg")
_FLAGS_IN_ARG2 = ("recvmsg",)
_FLAGS_IN_SQE = ("RECV", "RECVMSG")

_MSG_PEEK, _MSG_ERRQUEUE = 0x2, 0x2000
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
        self._counts_messages = mask(_COUNTS_MESSAGES)
        self._length_in_arg2 = mask(_LENGTH_IN_ARG2)
        self._length_in_sqe = mask(_LENGTH_IN_SQE)
        self._flags_in_arg2 = mask(_FLAGS_IN_ARG2)
        self._flags_in_arg3 = mask(_FLAGS_IN_ARG3)
        self._flags_in_sqe = mask(_FLAGS_IN_SQE)
        self._recvmsg = mask(["RECVMSG"])
        self._tells_left = mask(["RECV", "RECVMSG"])
        self._splices = mask(["splice"])

    def direction(self, opcodes: NDArray[np.uint16]) -> NDArray[np.uint8]:
        """Where operations move the data of their first file: IN, OUT, or 0 for nowhere; same shape."""
        return self._first[opcodes]

    def moves(self, batch: Batch) -> Moves:
        """The moves among `batch`, those of the first file before those of the second.

        Zero-copy notifications, reads that only look (MSG_PEEK) and reads of the error
        queue are none. A completion that was suppressed (SILENT) moved an unknown number.
        """
        kind = batch["kind"]
        counted = (kind == Kind.COMPLETION) & (batch["cqe_flags"] & CQE_F_NOTIF == 0)
        counted |= kind == Kind.SILENT
        opcode = batch["opcode"]
        first, second = self._first[opcode], self._second[opcode]
        of_first = np.flatnonzero(counted & (first > 0))
        of_second = np.flatnonzero(counted & (second > 0) & (batch["second_file"] > 0))
        row = np.concatenate([of_first, of_second])
        direction = np.concatenate([first[of_first], second[of_second]])
        chosen = batch[row]
        real = ~self._looks_only(chosen)
        if not real.all():
            row, direction, chosen = row[real], direction[real], chosen[real]

        opcode, result = chosen["opcode"], chosen["result"]
        multishot_message = self._recvmsg[opcode] & (chosen["ioprio"] & _RECV_MULTISHOT != 0)
        silent = chosen["kind"] == Kind.SILENT
        exact = ~(self._counts_messages[opcode] | multishot_message | silent)
        data = (result > 0) | silent
        asked, known = self._asked(chosen)
        incoming = direction == IN
        return Moves(
            row=row,
            second=np.arange(len(real))[real] >= len(of_first),
            direction=direction,
            data=data,
            bytes=np.where(exact & data, result, 0),
            exact=exact | ~data,
            end=incoming & (result == 0) & exact & ~(known & (asked == 0)),
            left=incoming & self._left(chosen, asked, known),
        )

    def _looks_only(self, rows: Batch) -> NDArray[np.bool_]:
        opcode = rows["opcode"]
        flags = np.where(self._flags_in_arg2[opcode], rows["arg2"], np.uint64(0))
        flags = np.where(self._flags_in_arg3[opcode], rows["arg3"], flags)
        flags = np.where(self._flags_in_sqe[opcode], rows["op_flags"], flags)
        mask: NDArray[np.bool_] = flags & np.uint64(_MSG_PEEK | _MSG_ERRQUEUE) != 0
        return mask

    def _asked(self, rows: Batch) -> tuple[NDArray[np.uint64], NDArray[np.bool_]]:
        """How many bytes were asked for, and whether that is known."""
        opcode = rows["opcode"]
        plain = self._length_in_arg2[opcode]
        spliced = self._splices[opcode]
        chosen_buffer = rows["sqe_flags"] & SQE_BUFFER_SELECT != 0
        of_sqe = self._length_in_sqe[opcode] & ~(chosen_buffer & (rows["len"] == 0))
        asked = np.where(plain, rows["arg2"], np.uint64(0))
        asked = np.where(spliced, rows["arg4"], asked)
        asked = np.where(of_sqe, rows["len"], asked)
        return asked, (plain | spliced | of_sqe) & rows["has_arguments"]

    def _left(self, rows: Batch, asked: NDArray[np.uint64], known: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """io_uring says it; else a read that got less than it asked for has emptied the socket."""
        short = known & (rows["result"] < asked.astype(np.int64))
        told = self._tells_left[rows["opcode"]]
        return np.where(told, rows["cqe_flags"] & CQE_F_SOCK_NONEMPTY != 0, ~short)

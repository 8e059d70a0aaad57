"""The few operations that change what a socket is: accept, connect, close, shutdown, dup, …

They are found with one mask over a stretch of operations and then taken one by one, with
the changes of TCP states, in the order of time: a small number for each connection, however
much it moves.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from errno import EALREADY, EINPROGRESS, EINTR, EISCONN

import numpy as np
from numpy.typing import NDArray

from uringtrace.tracer.connections.columns import Columns, Fields
from uringtrace.tracer.record import OPCODES, Kind


class Turn(IntEnum):
    """What an operation does to a socket, or to what stands for it."""

    NONE = 0
    ACCEPT = 1
    CONNECT = 2
    CLOSE = 3
    SHUTDOWN = 4
    REPLACE = 5
    """dup2, dup3: the second descriptor is closed first."""
    OPTION = 6
    COMMAND = 7
    """URING_CMD, which can set an option."""
    EXIT = 8
    CLOSE_RANGE = 9
    SEND = 10
    """sendto, which with MSG_FASTOPEN connects."""


_TURNS = {
    "accept": Turn.ACCEPT,
    "accept4": Turn.ACCEPT,
    "ACCEPT": Turn.ACCEPT,
    "connect": Turn.CONNECT,
    "CONNECT": Turn.CONNECT,
    "close": Turn.CLOSE,
    "CLOSE": Turn.CLOSE,
    "shutdown": Turn.SHUTDOWN,
    "SHUTDOWN": Turn.SHUTDOWN,
    "dup2": Turn.REPLACE,
    "dup3": Turn.REPLACE,
    "setsockopt": Turn.OPTION,
    "URING_CMD": Turn.COMMAND,
    "exit_group": Turn.EXIT,
    "close_range": Turn.CLOSE_RANGE,
    "sendto": Turn.SEND,
}

GOES_ON = frozenset({0, EINPROGRESS, EALREADY, EISCONN, EINTR, *range(512, 517)})
"""Results of connect, negated, with which the socket is connected or going to be."""

SOL_TCP, TCP_ULP, SOL_TLS = 6, 31, 282
_SOCKET_URING_OP_SETSOCKOPT = 3
_MSG_FASTOPEN = 0x2000_0000
_LOW = np.uint64(0xFFFF_FFFF)
_HIGH = np.uint64(32)


class TurningPoints:
    """Finds them; looks the operations up by name, since a kernel's opcode numbers are its own."""

    def __init__(self, operation_names: Mapping[int, str]) -> None:
        self._turn = np.zeros(OPCODES, np.uint8)
        for opcode, name in operation_names.items():
            self._turn[opcode] = _TURNS.get(name, Turn.NONE)

    def without_file(self, batch: Fields) -> NDArray[np.bool_]:
        """Rows that matter although they name no file: the end of a process, CLOSE, close_range."""
        turn = self._turn[batch["opcode"]]
        ends = turn == Turn.CLOSE
        mask: NDArray[np.bool_] = (turn == Turn.EXIT) | (turn == Turn.CLOSE_RANGE)
        return mask | (ends & (batch["file"] == 0)) if ends.any() else mask

    def possible(self, batch: Fields) -> NDArray[np.bool_]:
        """All rows that `find` may find, and more."""
        mask: NDArray[np.bool_] = self._turn[batch["opcode"]] != Turn.NONE
        mask |= batch["result_file"] != 0
        return mask

    def find(
        self,
        batch: Columns,
        slot: NDArray[np.int64],
        second_slot: NDArray[np.int64],
        result_slot: NDArray[np.int64],
    ) -> tuple[NDArray[np.intp], NDArray[np.uint8]]:
        """Their rows and what they do; NONE stands for a new descriptor of a known socket.

        The slots are those of each row's first, second and resulting file, -1 for none.
        """
        every = self._turn[batch["opcode"]]
        # Few rows can be any: the rest is not looked at.
        row = np.flatnonzero((every != Turn.NONE) | (result_slot >= 0))
        if not len(row):
            return row, every[row]
        rows = batch.take(row)
        turn, result, kind = every[row], rows["result"], rows["kind"]
        ended = (kind == Kind.COMPLETION) | (kind == Kind.SILENT)
        done = ended & (result >= 0)
        is_socket = slot[row] >= 0
        ulp, tls = self._options(rows, turn)
        chosen = done & is_socket & ((turn == Turn.SHUTDOWN) | ulp | tls)
        chosen |= (done & (result_slot[row] >= 0)) | ((turn == Turn.REPLACE) & done & (second_slot[row] >= 0))
        chosen |= (turn == Turn.CONNECT) & is_socket
        # A close that fails has closed the descriptor all the same (close(2)).
        chosen |= (turn == Turn.CLOSE) & ended & is_socket
        chosen |= done & self.without_file(rows)
        fast_open = rows["arg3"] & np.uint64(_MSG_FASTOPEN) != 0
        chosen |= (turn == Turn.SEND) & is_socket & fast_open
        return row[chosen], turn[chosen]

    def options(self, batch: Fields) -> NDArray[np.bool_]:
        """Rows that give a socket its upper-layer protocol, or set it up."""
        ulp, tls = self._options(batch, self._turn[batch["opcode"]])
        return ulp | tls

    def connects(self, batch: Fields) -> NDArray[np.bool_]:
        mask: NDArray[np.bool_] = self._turn[batch["opcode"]] == Turn.CONNECT
        return mask

    def _options(self, batch: Fields, turn: NDArray[np.uint8]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        ulp, tls = np.zeros(len(batch), bool), np.zeros(len(batch), bool)
        command = (turn == Turn.COMMAND) & (batch["off"] & _LOW == _SOCKET_URING_OP_SETSOCKOPT)
        sets = np.flatnonzero((turn == Turn.OPTION) | command)
        if len(sets):
            call, addr = turn[sets] == Turn.OPTION, batch["addr"][sets]
            # struct io_uring_sqe: level and optname share their place with addr.
            level = np.where(call, batch["arg1"][sets], addr) & _LOW
            option = np.where(call, batch["arg2"][sets], addr >> _HIGH) & _LOW
            ulp[sets] = (level == SOL_TCP) & (option == TCP_ULP)
            tls[sets] = level == SOL_TLS
        return ulp, tls

"""HTTP over a ring: what `uring` and `uring-sqpoll` have in common.

Each connection is a generator, `_converse`, that reads like a blocking server: it pushes an
operation, yields, and is resumed with the result. `dispatch` is the whole event loop's
body: one CQE in, the conversation that waits for it goes on. When SQEs reach the kernel and
who waits for CQEs is the caller's, and all the difference between the two servers.

Three multishot operations bring what comes from outside: ACCEPT connections, RECV bytes in
provided buffers, and POLL_ADD a signal, so that one that arrives just before the server
goes to sleep wakes it. `user_data` is the opcode and the slot.

Invariant: while a connection is answered it has one operation in flight, beside its RECV. What a
client sends ahead of its answers is kept: there is no bound but its patience.
"""

from __future__ import annotations

import errno
import os
import select
import signal
import socket
import time
from collections.abc import Mapping

from uringtrace.errors import KernelError
from uringtrace.targets.http.exchange import Exchange
from uringtrace.targets.http.service import Service
from uringtrace.targets.serving import House
from uringtrace.targets.uring import constants as c
from uringtrace.targets.uring.answers import Answering
from uringtrace.targets.uring.buffers import Buffers
from uringtrace.targets.uring.connections import SLOTS, Connection, Connections, Steps
from uringtrace.targets.uring.descriptors import Descriptors, register_slots
from uringtrace.targets.uring.ring import Completion, Ring

GRACE_SECONDS = 5
"""How long a server that was told to stop waits for answers that are under way."""
NOBODY = 0xFFFFFFFF
"""In place of a slot: an operation of no connection."""
NEEDED = (
    c.OP_ACCEPT, c.OP_RECV, c.OP_SEND, c.OP_ASYNC_CANCEL, c.OP_CLOSE, c.OP_TIMEOUT, c.OP_POLL_ADD,
    c.OP_OPENAT, c.OP_READ,
)  # fmt: skip
"""The operations of such a server."""

_LISTENER = 0  # of the registered files
_NO_LISTENER = (-errno.EBADF, -errno.EINVAL, -errno.ENOTSOCK, -errno.EOPNOTSUPP)
_OUT_OF_RESOURCES = (-errno.EMFILE, -errno.ENFILE, -errno.ENOBUFS, -errno.ENOMEM)


class RingServer(Answering):
    """One HTTP server on one ring, in one thread."""

    def __init__(
        self, ring: Ring, buffers: Buffers, service: Service, house: House, descriptors: Descriptors
    ) -> None:
        self._connections = Connections()
        super().__init__(ring, self._connections.memory, descriptors, house.truth.tally())
        self._buffers = buffers
        self._service = service
        self._house = house
        self._accepting = False
        self._watching = False
        self._deadline = 0.0
        self.completed = [0] * len(c.OPERATION_NAMES)
        """CQEs by opcode."""

    def start(self, listener: socket.socket) -> None:
        """Arm what brings connections and signals; the caller submits it."""
        self._listener = listener.fileno()
        if self._descriptors.direct:
            register_slots(self._ring, 1 + 2 * SLOTS)  # the listener; a connection and a file for each slot
            self._ring.update_files(_LISTENER, [self._listener])
            self._listener = _LISTENER
        self._accept()
        self._watch_signals()

    @property
    def ended(self) -> bool:
        """The server was told to stop, and nothing is in flight any more, or the grace is over."""
        if not self._deadline:
            return False
        idle = not self._accepting and not self._watching and not len(self._connections)
        return idle or time.monotonic() > self._deadline

    def end(self) -> None:
        """Begin to end: connections close when what was asked of them is answered."""
        if not self._deadline:
            self._deadline = time.monotonic() + GRACE_SECONDS
            for connection in self._connections.resting():
                self._resume(connection, 0)

    def close(self) -> None:
        """Signals wake nobody any more."""
        os.close(signal.set_wakeup_fd(-1))
        os.close(self._signals)

    def operations(self) -> Mapping[str, int]:
        """CQEs that were taken, by the operation's name; each one of a multishot operation counts."""
        return {name: count for name, count in zip(c.OPERATION_NAMES, self.completed, strict=True) if count}

    def dispatch(self, completion: Completion) -> None:
        """Carry on with what waited for this CQE."""
        user_data, result, flags = completion
        opcode, slot = user_data >> 32, user_data & 0xFFFFFFFF
        self.completed[opcode] += 1
        if opcode == c.OP_RECV:
            self._received(self._connections[slot], result, flags)
        elif opcode == c.OP_ACCEPT:
            self._accepted(result, flags)
        elif opcode == c.OP_POLL_ADD:
            self._watching = False
        elif slot == NOBODY:
            self._tally.closed()
        else:
            self._resume(self._connections[slot], result)

    # What comes from outside.

    def _accept(self) -> None:
        self._accepting = True
        user_data = c.OP_ACCEPT << 32 | NOBODY
        self._ring.push(
            c.OP_ACCEPT, user_data, self._listener, flags=self._file_flags, ioprio=c.ACCEPT_MULTISHOT,
            op_flags=self._descriptors.accept_flags, file_index=self._descriptors.new,
        )  # fmt: skip

    def _accepted(self, result: int, flags: int) -> None:
        self._accepting = bool(flags & c.CQE_F_MORE)
        if result >= 0:
            self._tally.accepted()
            connection = None
            if not self._deadline:
                connection = self._connections.open(result, Exchange(self._service))
            if connection is None:
                self._push_close(c.OP_CLOSE << 32 | NOBODY, result)
            else:
                self._receive(connection)
                connection.conversation = self._converse(connection)
                next(connection.conversation)
        elif result in _NO_LISTENER and not self._house.stop.requested:
            raise KernelError(f"the listener accepts no more: {os.strerror(-result)}")
        if result not in _OUT_OF_RESOURCES:
            self._accept_again()

    def _accept_again(self) -> None:
        if not self._accepting and not self._house.stop.requested:
            self._accept()

    def _watch_signals(self) -> None:
        self._signals = self._house.stop.wakeup()
        self._watching = True
        self._ring.push(c.OP_POLL_ADD, c.OP_POLL_ADD << 32 | NOBODY, self._signals, op_flags=select.POLLIN)

    def _receive(self, connection: Connection) -> None:
        connection.receiving = True
        self._ring.push(
            c.OP_RECV, c.OP_RECV << 32 | connection.slot, connection.descriptor,
            flags=self._file_flags | c.SQE_BUFFER_SELECT, ioprio=c.RECV_MULTISHOT, buffer=self._buffers.group,
        )  # fmt: skip

    def _received(self, connection: Connection, result: int, flags: int) -> None:
        if flags & c.CQE_F_BUFFER:
            data = self._buffers.take(flags, result)
            self._tally.received(result)
            connection.exchange.receive(data)
        if not flags & c.CQE_F_MORE:
            connection.receiving = False
            if result > 0 or result == -errno.ENOBUFS:
                self._interrupted(connection, result)
            else:
                connection.ended = True
        if connection.resting:
            self._resume(connection, 0)

    def _interrupted(self, connection: Connection, result: int) -> None:
        """A multishot RECV ended, but not the connection: no buffer was free, or no room for its CQE."""
        if not connection.leaving:
            self._receive(connection)

    # One connection.

    def _resume(self, connection: Connection, result: int) -> None:
        try:
            connection.conversation.send(result)
        except StopIteration:
            connection.exchange.release()
            self._connections.release(connection)
            self._tally.closed()
            self._accept_again()

    def _converse(self, connection: Connection) -> Steps:
        exchange = connection.exchange
        whole = True
        while whole:
            answer = exchange.next()
            if answer is not None:
                whole = yield from self._answer(connection, answer)
            elif connection.ended or exchange.closing or self._deadline:
                break
            else:
                yield from _rest(connection)
        yield from self._leave(connection)

    def _leave(self, connection: Connection) -> Steps:
        """Close the connection and wait for the last of its completions."""
        connection.leaving = True
        cancelling = connection.receiving
        if cancelling:
            # An armed RECV holds the socket open beyond CLOSE. SHUTDOWN would end it as well, but
            # always in a worker thread (io_uring/net.c, io_shutdown_prep).
            user_data = c.OP_ASYNC_CANCEL << 32 | connection.slot
            self._ring.push(c.OP_ASYNC_CANCEL, user_data, address=c.OP_RECV << 32 | connection.slot)
        self._push_close(c.OP_CLOSE << 32 | connection.slot, connection.descriptor)
        if cancelling:
            yield
        yield
        while connection.receiving:
            yield from _rest(connection)


def _rest(connection: Connection) -> Steps:
    """Wait for RECV, or for the server's end."""
    connection.resting = True
    yield
    connection.resting = False

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
from collections.abc import Generator, Mapping
from dataclasses import dataclass

from uringtrace.targets.http.exchange import Exchange
from uringtrace.targets.http.service import Answer, Document, Service
from uringtrace.targets.serving import House
from uringtrace.targets.uring import constants as c
from uringtrace.targets.uring.buffers import Buffers
from uringtrace.targets.uring.connections import PIECE, SLOTS, Connection, Connections, Steps
from uringtrace.targets.uring.messages import write_timespec
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
_AT_FDCWD = -100
_OUT_OF_RESOURCES = (-errno.EMFILE, -errno.ENFILE, -errno.ENOBUFS, -errno.ENOMEM)


@dataclass(frozen=True, slots=True)
class Descriptors:
    """Real file descriptors, or direct ones: slots of the ring's registered files.

    Direct ones are opened, used and closed without ever being in the process's table.
    """

    direct: bool

    @property
    def sqe_flags(self) -> int:
        """Of an SQE that uses one."""
        return c.SQE_FIXED_FILE if self.direct else 0

    @property
    def new(self) -> int:
        """`file_index` of an SQE that opens one."""
        return c.FILE_INDEX_ALLOC if self.direct else 0

    @property
    def open_flags(self) -> int:
        """Of OPENAT; a direct descriptor is in no table that execve(2) would keep."""
        return os.O_RDONLY if self.direct else os.O_RDONLY | os.O_CLOEXEC


class RingServer:
    """One HTTP server on one ring, in one thread."""

    def __init__(
        self, ring: Ring, buffers: Buffers, service: Service, house: House, descriptors: Descriptors
    ) -> None:
        self._ring = ring
        self._buffers = buffers
        self._service = service
        self._house = house
        self._descriptors = descriptors
        self._file_flags = descriptors.sqe_flags
        self._tally = house.truth.tally()
        self._connections = Connections()
        self._memory = self._connections.memory
        self._accepting = False
        self._watching = False
        self._deadline = 0.0
        self.completed = [0] * len(c.OPERATION_NAMES)
        """CQEs by opcode."""

    def start(self, listener: socket.socket) -> None:
        """Arm what brings connections and signals; the caller submits it."""
        self._listener = listener.fileno()
        if self._descriptors.direct:
            self._ring.register_files(1 + 2 * SLOTS)  # the listener; a connection and a file for each slot
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
            op_flags=0 if self._descriptors.direct else socket.SOCK_CLOEXEC, file_index=self._descriptors.new,
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
        if not self._accepting and not self._house.stop.requested and result not in _OUT_OF_RESOURCES:
            self._accept()

    def _watch_signals(self) -> None:
        # Python's handler of a signal writes to this socket before the server could sleep again.
        self._signals, written = socket.socketpair()
        self._signals_written = written
        written.setblocking(False)
        signal.set_wakeup_fd(written.fileno(), warn_on_full_buffer=False)
        self._watching = True
        self._ring.push(
            c.OP_POLL_ADD, c.OP_POLL_ADD << 32 | NOBODY, self._signals.fileno(), op_flags=select.POLLIN
        )

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
            if not self._accepting and not self._house.stop.requested:
                self._accept()

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

    def _answer(self, connection: Connection, answer: Answer) -> Generator[None, int, bool]:
        """Send one answer; False when it could not be sent whole."""
        if answer.delay_ms:
            duration = write_timespec(self._memory, connection.offset, answer.delay_ms * 1_000_000)
            user_data = c.OP_TIMEOUT << 32 | connection.slot
            self._ring.push(c.OP_TIMEOUT, user_data, address=duration, length=1)
            yield
        head, body = answer.head, answer.body
        if answer.document is not None:
            whole = yield from self._send_document(connection, head, answer.document)
        elif len(body) < PIECE:
            whole = yield from self._send_bytes(connection, head + body)
        else:
            whole = yield from self._send_bytes(connection, head)
            whole = whole and (yield from self._send_bytes(connection, body))
        if whole:
            self._tally.answered(answer.status)
        return whole

    def _send_bytes(self, connection: Connection, data: bytes) -> Generator[None, int, bool]:
        rest = memoryview(data)
        while rest:
            piece = rest[:PIECE]
            self._memory.write(connection.offset, piece)
            if not (yield from self._send(connection, len(piece))):
                return False
            rest = rest[PIECE:]
        return True

    def _send_document(
        self, connection: Connection, head: bytes, document: Document
    ) -> Generator[None, int, bool]:
        path = self._memory.write(connection.offset, os.fsencode(document.path) + b"\0")
        self._ring.push(
            c.OP_OPENAT, c.OP_OPENAT << 32 | connection.slot, _AT_FDCWD, path,
            op_flags=self._descriptors.open_flags, file_index=self._descriptors.new,
        )  # fmt: skip
        file = yield
        if file < 0:
            return False
        self._memory.write(connection.offset, head)
        filled, position, whole = len(head), 0, True
        while whole and (filled or position < document.size):
            wanted = min(document.size - position, PIECE - filled)
            if wanted:
                address = self._memory.address + connection.offset + filled
                user_data = c.OP_READ << 32 | connection.slot
                self._ring.push(
                    c.OP_READ, user_data, file, address, wanted, flags=self._file_flags, offset=position
                )
                read = yield
                if read <= 0:  # it became shorter: what was promised cannot be sent
                    whole = False
                    break
                position += read
                filled += read
            whole = yield from self._send(connection, filled)
            filled = 0
        self._push_close(c.OP_CLOSE << 32 | connection.slot, file)
        yield
        return whole

    def _send(self, connection: Connection, length: int) -> Generator[None, int, bool]:
        """Send what the slot holds; the kernel may take less than it was given."""
        sent = 0
        while sent < length:
            address = self._memory.address + connection.offset + sent
            result = yield from self._do(
                connection, c.OP_SEND, address, length - sent, op_flags=socket.MSG_NOSIGNAL
            )
            if result <= 0:
                return False
            self._tally.sent(result)
            sent += result
        return True

    def _do(
        self, connection: Connection, opcode: int, address: int = 0, length: int = 0, *, op_flags: int = 0
    ) -> Generator[None, int, int]:
        """One operation on the connection, and its result."""
        user_data = opcode << 32 | connection.slot
        self._ring.push(
            opcode,
            user_data,
            connection.descriptor,
            address,
            length,
            flags=self._file_flags,
            op_flags=op_flags,
        )
        return (yield)

    def _push_close(self, user_data: int, descriptor: int) -> None:
        if self._descriptors.direct:
            self._ring.push(c.OP_CLOSE, user_data, 0, file_index=descriptor + 1)
        else:
            self._ring.push(c.OP_CLOSE, user_data, descriptor)


def _rest(connection: Connection) -> Steps:
    """Wait for RECV, or for the server's end."""
    connection.resting = True
    yield
    connection.resting = False

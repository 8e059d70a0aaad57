"""Sending an answer by operations on a ring: TIMEOUT, OPENAT, READ, SEND, CLOSE.

Generators: each pushes an operation, yields while it is in flight, and is resumed with its
result. What an operation reads or writes lies in the connection's slot. Invariant: a
connection has one of these operations in flight at a time.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Generator

from uringtrace.targets.http.service import Answer, Document
from uringtrace.targets.truth import Tally
from uringtrace.targets.uring import constants as c
from uringtrace.targets.uring.connections import PIECE, Connection
from uringtrace.targets.uring.descriptors import Descriptors
from uringtrace.targets.uring.memory import Memory
from uringtrace.targets.uring.messages import write_timespec
from uringtrace.targets.uring.ring import Ring

Sending = Generator[None, int, bool]
"""Returns whether all of it was sent."""

_AT_FDCWD = -100  # fcntl.h: the path is absolute anyway


class Answering:
    """A server's half that sends; a subclass may send in another way by overriding `_send`."""

    def __init__(self, ring: Ring, memory: Memory, descriptors: Descriptors, tally: Tally) -> None:
        self._ring = ring
        self._memory = memory
        self._descriptors = descriptors
        self._file_flags = descriptors.sqe_flags
        self._tally = tally

    def _answer(self, connection: Connection, answer: Answer) -> Sending:
        """Wait as long as the answer says, then send it and count it."""
        if answer.delay_ms:
            duration = write_timespec(self._memory, connection.offset, answer.delay_ms * 1_000_000)
            self._ring.push(c.OP_TIMEOUT, c.OP_TIMEOUT << 32 | connection.slot, address=duration, length=1)
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

    def _send_bytes(self, connection: Connection, data: bytes) -> Sending:
        rest = memoryview(data)
        while rest:
            piece = rest[:PIECE]
            self._memory.write(connection.offset, piece)
            if not (yield from self._send(connection, len(piece))):
                return False
            rest = rest[PIECE:]
        return True

    def _send_document(self, connection: Connection, head: bytes, document: Document) -> Sending:
        path = self._memory.write(connection.offset, os.fsencode(document.path) + b"\0")
        self._ring.push(
            c.OP_OPENAT, c.OP_OPENAT << 32 | connection.slot, _AT_FDCWD, path,
            op_flags=self._descriptors.open_flags, file_index=self._descriptors.new,
        )  # fmt: skip
        file = yield
        if file < 0:
            return False
        whole = yield from self._send_contents(connection, head, file, document.size)
        self._push_close(c.OP_CLOSE << 32 | connection.slot, file)
        yield
        return whole

    def _send_contents(self, connection: Connection, head: bytes, file: int, size: int) -> Sending:
        """The head and what is read behind it go out together."""
        self._memory.write(connection.offset, head)
        filled, position = len(head), 0
        while filled or position < size:
            wanted = min(size - position, PIECE - filled)
            if wanted:
                address = self._memory.address + connection.offset + filled
                self._ring.push(
                    c.OP_READ, c.OP_READ << 32 | connection.slot, file, address, wanted,
                    flags=self._file_flags, offset=position,
                )  # fmt: skip
                read = yield
                if read <= 0:  # it became shorter: what the head promised cannot be sent
                    return False
                position += read
                filled += read
            if not (yield from self._send(connection, filled)):
                return False
            filled = 0
        return True

    def _send(self, connection: Connection, length: int) -> Sending:
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
        self._ring.push(
            opcode, opcode << 32 | connection.slot, connection.descriptor, address, length,
            flags=self._file_flags, op_flags=op_flags,
        )  # fmt: skip
        return (yield)

    def _push_close(self, user_data: int, descriptor: int) -> None:
        self._descriptors.push_close(self._ring, user_data, descriptor)

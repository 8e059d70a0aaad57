"""One nonblocking connection: what it does when its socket may be read or written.

It never waits. A turn goes on until it would have to wait, or until it has had its share:
then it says so and lets the others have theirs. Invariant: nothing is read while an answer
is under way, so that a client which does not read costs one piece of memory, not more with
each request.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from enum import Enum, auto

from uringtrace.targets.http.exchange import Exchange
from uringtrace.targets.http.service import Answer, Document, refusal
from uringtrace.targets.readiness.output import Output
from uringtrace.targets.truth import Tally

PIECE = 64 << 10
"""Bytes asked of one recv, of one read of a file, and gathered for one send."""
SHARE_OF_BYTES = 256 << 10
SHARE_OF_ANSWERS = 64
"""What one turn may move and answer at most, but for one piece."""

_UNREAD_INPUT = (400, 413, 431)
"""Refusals that do not wait for the end of what they refuse."""


class Want(Enum):
    """Why a turn ended."""

    INPUT = auto()
    OUTPUT = auto()
    DELAY = auto()
    """`delay_ms` has to pass; then `delay_is_over`."""
    TURN = auto()
    """There is more to do at once, after the others."""
    LEAVE = auto()
    """All is sent; only the peer's last bytes have to be thrown away."""
    END = auto()
    """To be closed."""


class Connection:
    """A client's socket, its HTTP, and what is due."""

    __slots__ = (
        "_answered",
        "_delayed",
        "_drain",
        "_exchange",
        "_file",
        "_file_left",
        "_file_status",
        "_in_request",
        "_last_status",
        "_leaving",
        "_moved",
        "_output",
        "_tally",
        "broken",
        "ended_by_peer",
        "readable",
        "socket",
        "want",
        "watched",
    )

    def __init__(
        self,
        connection: socket.socket,
        exchange: Exchange,
        tally: Tally,
        *,
        drain: bool,
        in_request: Callable[[], None] | None = None,
        output: type[Output] = Output,
    ) -> None:
        """`drain`: readiness is told once (edge-triggered), so that reading has to go on until
        EAGAIN; else one recv for each. `in_request` is called for every request."""
        self.socket = connection
        self.want = Want.INPUT
        self.readable = False
        """The kernel has said so, and no recv has said otherwise."""
        self.broken = False
        """The kernel has reported an error or a hang-up."""
        self.ended_by_peer = False
        """The peer sends no more; it may still wait for answers."""
        self.watched = 0
        """For what the loop has registered it."""
        self._exchange = exchange
        self._tally = tally
        self._drain = drain
        self._in_request = in_request
        self._output = output(connection, tally)
        self._delayed: Answer | None = None
        self._file: int | None = None
        self._file_left = 0
        self._file_status = 0
        self._last_status: int | None = None
        self._leaving = False
        self._moved = 0
        self._answered = 0

    @property
    def delay_ms(self) -> int:
        """How long the answer that is due has to wait."""
        return self._delayed.delay_ms if self._delayed else 0

    def delay_is_over(self) -> None:
        """The answer that waited is to be sent now."""
        if self._delayed:
            delayed, self._delayed = self._delayed, None
            self._queue(delayed)

    def turn(self) -> Want:
        """Go on until there is nothing left to do at once; raises OSError when the peer is gone."""
        self._moved = self._answered = 0
        while (want := self._step()) is None:
            # Not between taking answers and sending them.
            if not self._output.size and self._share_is_used_up():
                want = Want.TURN
                break
        self.want = want
        return want

    def close(self) -> None:
        """Close the socket, and the file if one is being sent."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
        self.socket.close()
        self._tally.closed()

    def _share_is_used_up(self) -> bool:
        return self._moved >= SHARE_OF_BYTES or self._answered >= SHARE_OF_ANSWERS

    def _step(self) -> Want | None:
        if self._output.size:
            waiting = self._output.size
            sent = self._output.send()
            self._moved += sent
            return None if sent == waiting else Want.OUTPUT
        if self._file is not None:
            self._read_file()
            return None
        if self._delayed:
            return Want.DELAY
        if self._last_status is not None:
            return self._leave()
        if self._take_answers():
            return None
        if self.ended_by_peer:
            return Want.END
        return self._receive(Want.INPUT)

    def _take_answers(self) -> bool:
        """Put as many answers together as one send may take; False when none is due."""
        before = self._answered
        while self._output.size < PIECE and self._answered < SHARE_OF_ANSWERS:
            answer = self._exchange.next()
            if answer is None:
                break
            self._answered += 1
            if self._in_request:
                self._in_request()
            if answer.delay_ms:
                self._delayed = answer
                break
            self._queue(answer)
            if answer.close or self._file is not None:
                break
        return self._answered > before

    def _queue(self, answer: Answer) -> None:
        if answer.document is not None and answer.document.size:
            try:
                self._file = _open(answer.document)
            except OSError:
                answer = refusal(500)
        if answer.close:
            self._last_status = answer.status
        if self._file is not None and answer.document is not None:
            self._output.add(answer.head, None)
            self._file_left, self._file_status = answer.document.size, answer.status
            self._read_file()
        elif len(answer.body) < PIECE:
            self._output.add(answer.head + answer.body, answer.status)
        else:
            self._output.add(answer.head, None)
            self._output.add(answer.body, answer.status)

    def _read_file(self) -> None:
        assert self._file is not None
        data = os.read(self._file, min(PIECE, self._file_left))
        if not data:
            raise OSError("a file became shorter while it was sent")
        self._file_left -= len(data)
        if self._file_left:
            self._output.add(data, None)
            return
        self._output.add(data, self._file_status)
        os.close(self._file)
        self._file = None

    def _receive(self, otherwise: Want) -> Want | None:
        if not self.readable:
            return otherwise
        self.readable = self._drain
        try:
            data = self.socket.recv(PIECE)
        except BlockingIOError:
            self.readable = False
            return otherwise
        self._moved += len(data)
        self._tally.received(len(data))
        if not data:
            self.ended_by_peer = True
        elif not self._leaving:
            self._exchange.receive(data)
        return None

    def _leave(self) -> Want | None:
        """After the last answer. Closing with unread input would reset the connection and could
        take the answer with it."""
        if self.ended_by_peer or self._last_status not in _UNREAD_INPUT:
            return Want.END
        if not self._leaving:
            self._leaving = True
            self.socket.shutdown(socket.SHUT_WR)
        return self._receive(Want.LEAVE)


def _open(document: Document) -> int:
    return os.open(document.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)

"""From bytes to checked answers: where each ends, its status, and how long its body was.

Every head is parsed by httptools. A head whose very bytes were parsed before is not
parsed again, and the body it announced is counted, not looked at; a server answers the
same request with the same head for as long as its Date header does not change. All
that is not a whole head with a Content-Length (a head in pieces, chunks, a body up to
the end of the connection) goes through httptools byte by byte.
"""

from __future__ import annotations

from dataclasses import dataclass

import httptools

_LARGEST_MEMORY = 64
_END_OF_HEAD = b"\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Head:
    """What a head says about its answer."""

    status: int
    length: int
    """Bytes of the body that follow."""
    keeps_alive: bool


Answer = tuple[int, int, bool]
"""Status, bytes of the body, and whether the connection may be used further."""


class Framing:
    """The answers on one connection. `heads` is shared by all connections of a run."""

    __slots__ = ("_keeps_alive", "_length", "_remaining", "_status", "_stream", "broken", "heads")

    def __init__(self, heads: dict[bytes, Head | None]) -> None:
        self.heads = heads
        self.broken = ""
        """What was not HTTP, in words; nothing can be received after it."""
        self._stream: _Stream | None = None
        self._remaining = 0
        self._status = 0
        self._length = 0
        self._keeps_alive = True

    @property
    def within(self) -> bool:
        """Whether part of an answer has arrived, but not all of it."""
        return self._stream is not None or self._remaining > 0

    def receive(self, data: bytes) -> list[Answer]:
        """The answers that are complete with these bytes; sets `broken` where they end in nonsense."""
        answers: list[Answer] = []
        position = 0
        end = len(data)
        while position < end and not self.broken:
            if self._remaining:
                position += self._body(end - position, answers)
            elif self._stream is None and (head := self._head(data, position)) is not None:
                position = data.index(_END_OF_HEAD, position) + len(_END_OF_HEAD)
                if head.status >= 200:
                    self._status, self._length, self._keeps_alive = head.status, head.length, head.keeps_alive
                    self._remaining = head.length
                    if not head.length:
                        answers.append((head.status, 0, head.keeps_alive))
            else:
                self._feed(data[position:] if position else data, answers)
                break
        return answers

    def finish(self) -> list[Answer]:
        """The answer that the end of the connection completes, if there is one."""
        if self._stream is not None and not self.broken and (answer := self._stream.finish()):
            self._stream = None
            return [answer]
        return []

    def _body(self, available: int, answers: list[Answer]) -> int:
        taken = min(available, self._remaining)
        self._remaining -= taken
        if not self._remaining:
            answers.append((self._status, self._length, self._keeps_alive))
        return taken

    def _head(self, data: bytes, position: int) -> Head | None:
        """The head that begins here, if it is all there and announces its length."""
        end = data.find(_END_OF_HEAD, position)
        if end < 0:
            return None
        raw = data[position : end + len(_END_OF_HEAD)]
        try:
            return self.heads[raw]
        except KeyError:
            head = parse_head(raw)
            if len(self.heads) >= _LARGEST_MEMORY:
                self.heads.clear()
            self.heads[raw] = head
            return head

    def _feed(self, data: bytes, answers: list[Answer]) -> None:
        if self._stream is None:
            self._stream = _Stream()
        self.broken = self._stream.feed(data)
        answers += self._stream.answers
        self._stream.answers.clear()
        if not self._stream.within and not self.broken:
            self._stream = None


def parse_head(raw: bytes) -> Head | None:
    """What a whole head says; None where it is no head or does not give its body's length."""
    stream = _Stream()
    if not raw.startswith(b"HTTP/") or stream.feed(raw):
        return None
    if stream.interim:
        return Head(stream.interim, 0, True)
    if stream.answers:
        return Head(*stream.answers[0])
    if stream.announced is None:
        return None
    return Head(stream.status, stream.announced, stream.keeps_alive)


class _Stream:
    """Answers through httptools alone; the methods called `on_…` are its callbacks."""

    def __init__(self) -> None:
        self.parser = httptools.HttpResponseParser(self)
        self.answers: list[Answer] = []
        self.within = False
        """Bytes of an answer have arrived, but not all."""
        self.interim = 0
        """The last status below 200, of an answer that only precedes the answer."""
        self.announced: int | None = None
        self.status = 0
        self.length = 0
        self.keeps_alive = True
        self.head_complete = False
        self.chunked = False

    def feed(self, data: bytes) -> str:
        """Take bytes; returns what is wrong with them, or nothing."""
        self.within = True  # empty lines before an answer call nothing back
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            return "switched to another protocol, which nobody asked for"
        except httptools.HttpParserError as error:
            return str(error)
        return ""

    def finish(self) -> Answer | None:
        if self.head_complete and self.announced is None and not self.chunked:
            return (self.status, self.length, False)
        return None

    def on_message_begin(self) -> None:
        self.within = True
        self.announced = None
        self.length = 0
        self.head_complete = self.chunked = False

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        if name == b"content-length":
            self.announced = int(value)
        elif name == b"transfer-encoding":
            self.chunked = True

    def on_headers_complete(self) -> None:
        self.status = self.parser.get_status_code()
        self.keeps_alive = self.parser.should_keep_alive()
        self.head_complete = True

    def on_body(self, body: bytes) -> None:
        self.length += len(body)

    def on_message_complete(self) -> None:
        self.within = False
        if self.status < 200:
            self.interim = self.status
        else:
            self.answers.append((self.status, self.length, self.keeps_alive))

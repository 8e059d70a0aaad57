"""One connection's HTTP/1.1 without any input or output: bytes in, answers out in order.

httptools (llhttp) does the framing, so that all reference servers agree on what a request
is: split anywhere, pipelined, with or without a body, HTTP/1.0 or 1.1. Invariants: the
answers depend on the bytes alone, never on the pieces they arrived in; after an answer
with `close` there is none further, whatever else arrived.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import httptools

from uringtrace.targets.http.service import Answer, Service, refusal

LARGEST_HEADER = 16 << 10
"""Bytes of a request up to the end of its header; more is refused with 431."""
LARGEST_BODY = 1 << 20
"""Bytes of a request's body as it arrives, the framing of chunks included. It is read and
dropped; more is refused with 413."""

_END = b"\r\n\r\n"
"""Ends a header, and a chunked body (RFC 9112, sections 2.1 and 7.1)."""


@dataclass(frozen=True, slots=True)
class _Request:
    """What is needed to answer; `refused` is a status, 0 for a request that is none to refuse."""

    method: bytes = b""
    target: bytes = b""
    keep_alive: bool = False
    old: bool = False
    refused: int = 0


class Exchange:
    """The requests of one connection and the answers that are due."""

    __slots__ = (
        "_chunked",
        "_closing",
        "_due",
        "_ended",
        "_expects",
        "_in_body",
        "_left",
        "_length",
        "_parser",
        "_room",
        "_service",
        "_tail",
        "_target",
    )

    def __init__(self, service: Service) -> None:
        self._service = service
        self._due: deque[_Request] = deque()
        self._closing = False
        self._ended = False
        self._parser = httptools.HttpRequestParser(self)
        self._begin()

    def _begin(self) -> None:
        self._tail = b""
        self._room = LARGEST_HEADER
        self._in_body = False
        self._length = 0
        self._left = 0
        self._chunked = False
        self._expects = False
        self._target = b""

    @property
    def closing(self) -> bool:
        """An answer with `close` was taken: when it is sent, the connection is to be closed."""
        return self._closing

    @property
    def idle(self) -> bool:
        """Nothing is due: a server that stops may close the connection now."""
        return not self._due

    def release(self) -> None:
        """The connection is closed. Exchange and parser hold each other, and without this only
        the garbage collector, which a server may have switched off, would part them."""
        del self._parser

    def receive(self, data: bytes) -> None:
        """Take what arrived on the connection."""
        position = 0
        while position < len(data) and not self._ended:
            end = self._section_end(data, position)
            # The parser says neither where a request ends nor how much of a field it has
            # taken, so it gets no more at a time than one request's header or body.
            permitted = data[position : min(end, position + self._room)]
            too_much = end - position > self._room
            refusing = 413 if self._in_body else 431
            self._room -= len(permitted)
            self._feed(permitted)
            if too_much:
                self._refuse(refusing)
            position = end

    def next(self) -> Answer | None:
        """The next answer that is due; None when the next request is not complete."""
        if self._closing or not self._due:
            return None
        request = self._due.popleft()
        if request.refused:
            answer = refusal(request.refused)
        else:
            answer = self._service.answer(
                request.method, request.target, keep_alive=request.keep_alive, old=request.old
            )
        self._closing = answer.close
        return answer

    def _section_end(self, data: bytes, position: int) -> int:
        """How far the header or body that the parser is in reaches at most."""
        if self._left:
            end = min(len(data), position + self._left)
            self._left -= end - position
            return end
        seen = len(self._tail)
        if seen:
            found = (self._tail + data[position : position + 3]).find(_END)
            if found >= 0:
                self._tail = b""
                return position + found + len(_END) - seen
        found = data.find(_END, position)
        if found >= 0:
            self._tail = b""
            return found + len(_END)
        self._tail = (self._tail + data[max(position, len(data) - 3) :])[-3:]
        return len(data)

    def _feed(self, piece: bytes) -> None:
        try:
            self._parser.feed_data(piece)
        except httptools.HttpParserUpgrade:
            # An upgrade may be ignored (RFC 9110, 7.8); this parser would not go on.
            self._parser = httptools.HttpRequestParser(self)
        except httptools.HttpParserError:
            self._refuse(400)

    def _refuse(self, status: int) -> None:
        if not self._ended:
            self._ended = True
            self._due.append(_Request(refused=status))

    def on_url(self, url: bytes) -> None:
        """httptools: a part of the request's target."""
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """httptools: one field; of a header, or behind a chunked body."""
        if self._in_body:
            return
        name = name.lower()
        if name == b"content-length":
            self._length = int(value)
        elif name == b"transfer-encoding":
            self._chunked = True
        elif name == b"expect":
            self._expects = value.strip().lower() == b"100-continue"

    def on_headers_complete(self) -> None:
        """httptools: the empty line.

        A client that asks whether it shall send its body gets the final answer instead,
        and the connection ends, since nobody knows whether the body follows (RFC 9110, 10.1.1).
        """
        has_body = self._length > 0 or self._chunked
        if self._length > LARGEST_BODY:
            self._refuse(413)
        elif has_body and self._expects and self._parser.get_http_version() == "1.1":
            self._answer(keep_alive=False)
        elif has_body:
            self._in_body = True
            self._left = self._length
            self._room = LARGEST_BODY

    def on_message_complete(self) -> None:
        """httptools: the request is complete."""
        if not self._ended:
            parser = self._parser
            # What follows CONNECT may be meant for the tunnel that it did not get; and of an
            # upgrade the parser leaves the body to the other protocol.
            unclear = parser.should_upgrade() and (self._in_body or parser.get_method() == b"CONNECT")
            self._answer(keep_alive=parser.should_keep_alive() and not unclear)
            self._begin()

    def _answer(self, *, keep_alive: bool) -> None:
        parser = self._parser
        old = parser.get_http_version() == "1.0"
        self._due.append(_Request(parser.get_method(), self._target, keep_alive, old))
        self._ended = not keep_alive

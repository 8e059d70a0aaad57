"""One connection's HTTP/1.1 without any input or output: bytes in, answers out in order.

httptools (llhttp) does the framing, so that all reference servers agree on what a request
is: split anywhere, pipelined, with or without a body, HTTP/1.0 or 1.1. Invariant: after
an answer with `close` there is none further, whatever else arrived.
"""

from __future__ import annotations

from collections import deque

import httptools

from uringtrace.targets.http.service import Answer, Service, refusal

LARGEST_HEADER = 16 << 10
"""Bytes of request line and header fields together; more is refused with 431."""
LARGEST_BODY = 1 << 20
"""Bytes of a request's body, which is read and dropped; more is refused with 413."""


class Exchange:
    """The requests of one connection and the answers that are due."""

    __slots__ = (
        "_body",
        "_closing",
        "_completed",
        "_due",
        "_ended",
        "_header",
        "_in_header",
        "_parser",
        "_pending",
        "_service",
        "_url",
    )

    def __init__(self, service: Service) -> None:
        self._service = service
        self._parser = httptools.HttpRequestParser(self)
        self._due: deque[Answer] = deque()
        self._closing = False
        self._ended = False
        self._completed = False
        self._in_header = True
        self._pending = 0
        self._header = 0
        self._body = 0
        self._url = b""

    @property
    def closing(self) -> bool:
        """An answer with `close` was taken: when it is sent, the connection is to be closed."""
        return self._closing

    @property
    def idle(self) -> bool:
        """Nothing is due: a server that stops may close the connection now."""
        return not self._due

    def receive(self, data: bytes) -> None:
        """Take what arrived on the connection."""
        if self._ended:
            return
        self._completed = False
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserUpgrade, httptools.HttpParserError):
            self._refuse(400)
            return
        # No callback tells of a field that does not end.
        self._pending = self._pending + len(data) if self._in_header and not self._completed else 0
        if self._pending > LARGEST_HEADER:
            self._refuse(431)

    def next(self) -> Answer | None:
        """The next answer that is due; None when the next request is not complete."""
        if self._closing or not self._due:
            return None
        answer = self._due.popleft()
        self._closing = answer.close
        return answer

    def _refuse(self, status: int) -> None:
        if not self._ended:
            self._ended = True
            self._due.append(refusal(status))

    def on_url(self, url: bytes) -> None:
        """httptools: a part of the request's target."""
        self._url += url
        self._count_header(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        """httptools: one field."""
        self._count_header(len(name) + len(value) + 4)

    def _count_header(self, count: int) -> None:
        self._header += count
        if self._header > LARGEST_HEADER:
            self._refuse(431)

    def on_headers_complete(self) -> None:
        """httptools: the empty line."""
        self._in_header = False

    def on_body(self, body: bytes) -> None:
        """httptools: a part of the request's body, which nobody needs."""
        self._body += len(body)
        if self._body > LARGEST_BODY:
            self._refuse(413)

    def on_message_complete(self) -> None:
        """httptools: the request is complete."""
        if self._ended:
            return
        parser = self._parser
        old = parser.get_http_version() == "1.0"
        keep_alive = parser.should_keep_alive()
        answer = self._service.answer(parser.get_method(), self._url, keep_alive=keep_alive, old=old)
        self._due.append(answer)
        self._ended = answer.close
        self._completed = True
        self._in_header = True
        self._header = self._body = 0
        self._url = b""

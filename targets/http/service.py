"""What the reference servers answer: the same for all of them.

Pure: a request in, an `Answer` out. No file is opened here; a `Document` says what the
server has to send, by its own means.
"""

from __future__ import annotations

import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

LARGEST_BYTES = 16 << 20
LONGEST_SLEEP_MS = 60_000

_REASONS: Mapping[int, str] = {
    200: "OK",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    413: "Content Too Large",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
}
_PATTERN = bytes(range(256)) * 256
_GREETING = b"It works.\n"


@dataclass(frozen=True, slots=True)
class Document:
    """A file to send."""

    path: Path
    size: int
    """In bytes, as the Content-Length of the head says: exactly so many are to be sent."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer: `head`, then `body` or exactly the bytes of `document`."""

    status: int
    head: bytes
    body: bytes = b""
    document: Document | None = None
    delay_ms: int = 0
    """To be waited before anything is sent, in the way of the architecture."""
    close: bool = False
    """The connection ends with this answer."""


class Service:
    """The paths `/`, `/bytes/N`, `/sleep/MS` and `/file/NAME`."""

    def __init__(self, documents: Path) -> None:
        self._documents = documents

    def answer(self, method: bytes, target: bytes, *, keep_alive: bool, old: bool = False) -> Answer:
        """The answer to one well-formed request; `old` is HTTP/1.0, which is told that it may stay."""
        path = _path_of(target)
        route, _, argument = path.partition(b"/")
        status, body, document, delay_ms = 200, b"", None, 0
        if method not in (b"GET", b"HEAD"):
            status = 405
        elif not path:
            body = _GREETING
        elif route == b"bytes" and _is_number(argument) and int(argument) <= LARGEST_BYTES:
            body = pattern(int(argument))
        elif route == b"sleep" and _is_number(argument) and int(argument) <= LONGEST_SLEEP_MS:
            delay_ms, body = int(argument), b"Slept.\n"
        elif route == b"file" and (document := self._document(argument)) is not None:
            pass
        else:
            status = 404
        if status != 200:
            body = _text(status)
        length = document.size if document is not None else len(body)
        head = _head(status, length, keep_alive=keep_alive, old=old)
        if method == b"HEAD":
            body, document = b"", None
        return Answer(status, head, body, document, delay_ms, close=not keep_alive)

    def _document(self, name: bytes) -> Document | None:
        if not name or b"/" in name or b"\0" in name or b"%" in name or name.startswith(b"."):
            return None
        try:
            path = self._documents / name.decode("ascii")
            facts = path.lstat()
        except (OSError, UnicodeDecodeError):
            return None
        return Document(path, facts.st_size) if stat.S_ISREG(facts.st_mode) else None


def refusal(status: int) -> Answer:
    """The answer to what is no request at all; the connection ends with it."""
    body = _text(status)
    return Answer(status, _head(status, len(body), keep_alive=False, old=False), body, close=True)


def pattern(count: int) -> bytes:
    """The body of `/bytes/N`: 0 to 255 over and over, so that a wrong place shows."""
    times, rest = divmod(count, len(_PATTERN))
    return _PATTERN * times + _PATTERN[:rest]


def _path_of(target: bytes) -> bytes:
    """Without its first slash, authority and query; "*", which is no path, as it is (RFC 9112, 3.2)."""
    path = target.partition(b"?")[0]
    if path.lower().startswith((b"http://", b"https://")):
        path = path.partition(b"//")[2].partition(b"/")[2]
    return path.removeprefix(b"/")


def _is_number(text: bytes) -> bool:
    return text.isdigit() and len(text) <= 9


def _text(status: int) -> bytes:
    return f"{status} {_REASONS[status]}\n".encode()


def _head(status: int, length: int, *, keep_alive: bool, old: bool) -> bytes:
    lines = [f"HTTP/1.1 {status} {_REASONS[status]}", "Server: uringtrace", "Content-Type: text/plain"]
    lines.append(f"Content-Length: {length}")
    if status == 405:
        lines.append("Allow: GET, HEAD")
    if not keep_alive:
        lines.append("Connection: close")
    elif old:
        lines.append("Connection: keep-alive")
    return ("\r\n".join(lines) + "\r\n\r\n").encode()

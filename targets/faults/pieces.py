"""Answers in pieces: a call for each line of a head, and one for what follows it.

That is what a program does which prints to a socket without a buffer in between.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator

from uringtrace.targets.readiness.output import Output
from uringtrace.targets.truth import Tally


def lines_of(answer: bytes) -> Iterator[bytes]:
    """The lines of an answer's head, each with its end, and its body; a piece without a head as it is."""
    head, end, body = answer.partition(b"\r\n\r\n")
    yield from (head + end).splitlines(keepends=True) if end else (head,)
    if body:
        yield body


class TinyWrites(Output):
    """An `Output` that is given whole answers and takes them apart; counted: its writes that were taken."""

    __slots__ = ("_counts",)

    def __init__(self, connection: socket.socket, tally: Tally) -> None:
        super().__init__(connection, tally)
        self._counts = tally

    def add(self, data: bytes, status: int | None) -> None:
        pieces = list(lines_of(data))
        for piece in pieces[:-1]:
            super().add(piece, None)
        super().add(pieces[-1], status)

    def send(self) -> int:
        """One call for each piece."""
        total = 0
        while self.size:
            sent = self.send_first()
            total += sent
            if not sent:
                break
            self._counts.fault()
        return total

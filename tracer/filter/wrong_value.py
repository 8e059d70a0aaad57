"""What a value's reader raises; the parser knows where the value stands and marks it."""

from __future__ import annotations


class WrongValue(Exception):
    """A value that its word cannot have, with what to write instead."""

    def __init__(self, message: str, way_out: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.way_out = way_out

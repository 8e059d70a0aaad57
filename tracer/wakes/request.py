"""Which request a chain is asked for: `slowest`, `3`, or `3#7`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from uringtrace.errors import UsageError

SLOWEST = "slowest"
_NAME = re.compile(r"([1-9][0-9]{0,8})(?:#([1-9][0-9]{0,17}))?")


@dataclass(frozen=True, slots=True)
class RequestName:
    """None stands for any: then the slowest is meant."""

    connection: int | None = None
    request: int | None = None

    def __str__(self) -> str:
        if self.connection is None:
            return SLOWEST
        return f"{self.connection}" if self.request is None else f"{self.connection}#{self.request}"


def request_name(text: str) -> RequestName:
    """Raises UsageError where it names no request."""
    if text == SLOWEST:
        return RequestName()
    found = _NAME.fullmatch(text)
    if found is None:
        raise UsageError(
            f"no request is named {text!r}",
            "write `slowest`, a connection's number for its slowest request, or CONNECTION#REQUEST as in 3#7",
        )
    connection, request = found.groups()
    return RequestName(int(connection), int(request) if request else None)

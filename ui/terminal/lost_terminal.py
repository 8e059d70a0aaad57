"""A terminal that goes away while it is drawn on.

Textual writes from a thread of its own, which ends with the first error: from then on its queue
only fills, and whoever closes the application waits for room in it for ever. Invariant: writing
raises nothing once the terminal is gone, so that the application can end in order.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TextIO


class LostTerminal:
    """`file` as far as Textual's driver uses it; what cannot be written goes nowhere."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, text: str) -> int:
        with suppress(OSError):
            self._file.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            self._file.flush()

    def fileno(self) -> int:
        return self._file.fileno()

    def isatty(self) -> bool:
        return self._file.isatty()


@contextmanager
def terminal_may_go() -> Iterator[None]:
    """Within this Textual draws on such a file: its driver takes `sys.__stderr__` when it starts."""
    before = sys.__stderr__
    if before is not None:
        sys.__stderr__ = LostTerminal(before)  # type: ignore[misc, assignment]  # all that is used of it
    try:
        yield
    finally:
        sys.__stderr__ = before  # type: ignore[misc]  # as it was

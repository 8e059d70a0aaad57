"""A terminal that goes away while it is drawn on.

Textual writes from a thread of its own, which ends with the first error: from then on its queue
only fills, and whoever closes the application waits for room in it for ever. Invariants: writing
raises nothing once the terminal is gone, and nothing is started anew when it goes, so that the
application can end in order.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
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


def resume_only_what_was_suspended() -> None:
    """Show Textual a SIGCONT only after a SIGTSTP. For the main thread, when its driver is there.

    A terminal that is closed sends SIGCONT after SIGHUP (__tty_hangup, drivers/tty/tty_io.c). Textual
    takes every one for the end of a suspension and starts its threads, whether or not they run: then one
    that reads the terminal may never end.
    """
    suspend, resume = signal.getsignal(signal.SIGTSTP), signal.getsignal(signal.SIGCONT)
    if not callable(suspend) or not callable(resume):
        return
    suspended = False

    def on_suspend(number: int, frame: FrameType | None) -> None:
        nonlocal suspended
        suspended = True
        suspend(number, frame)

    def on_continue(number: int, frame: FrameType | None) -> None:
        nonlocal suspended
        if suspended:
            suspended = False
            resume(number, frame)

    signal.signal(signal.SIGTSTP, on_suspend)
    signal.signal(signal.SIGCONT, on_continue)

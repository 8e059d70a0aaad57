"""Signals: how a capture is ended by the user, and how a child's end is passed on.

The first signal asks for an orderly end, so that the report is still printed; a
second Ctrl-C gets the system's default and ends the process at once.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def stopping_on_signals(stop: Callable[[], None]) -> Iterator[None]:
    """Call `stop` at the first SIGINT, SIGTERM or SIGHUP, while the context lasts.

    `stop` runs in a signal handler: it must only note that the end was asked for.
    After the first signal SIGINT has its default action, also when the context is left:
    what is still to be written then may wait for a reader that does not read.
    A SIGHUP that was ignored at the start stays ignored, which is what nohup(1) asks
    for. To be used in the main thread.
    """

    stopped = False

    def first(number: int, frame: FrameType | None) -> None:
        nonlocal stopped
        stopped = True
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        stop()

    previous = {number: signal.getsignal(number) for number in STOPPING}
    for number in STOPPING:
        if number != signal.SIGHUP or previous[number] != signal.SIG_IGN:
            signal.signal(number, first)
    try:
        yield
    finally:
        for number, handler in previous.items():
            if stopped and number == signal.SIGINT:
                continue
            # None: installed by something that is not Python, which cannot be put back.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)


def pass_on(child_status: int | None) -> int:
    """The exit code for a launched command's `os.waitpid` status; 0 for None.

    Where a signal ended the child, this process ends by the same one, as strace does,
    so call it last: when the probes are detached and the report is written.
    """
    if child_status is None:
        return 0
    if not os.WIFSIGNALED(child_status):
        return os.waitstatus_to_exitcode(child_status)
    number = os.WTERMSIG(child_status)
    sys.stdout.flush()
    sys.stderr.flush()
    # The core dump, if any, is the child's: one of the tracer would replace it.
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    if number != signal.SIGKILL:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
    os.kill(os.getpid(), number)
    return 128 + number

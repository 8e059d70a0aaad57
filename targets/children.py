"""The child processes of a server that forks: counted, reaped, told to end.

Invariant: a child's row of counters has one writer, and the parent takes it back when it has
reaped the child.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import traceback
from collections.abc import Callable

from uringtrace.targets.open_connections import GRACE_SECONDS, raising_after
from uringtrace.targets.serving import House
from uringtrace.targets.truth import Tally

_SIGNAL_WITH_PARENT = 1
"""PR_SET_PDEATHSIG, prctl(2)"""
_LIBRARY = ctypes.CDLL(None)


class Children:
    """The children of this process. Main thread only."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._tallies: dict[int, Tally] = {}
        house.stop.on_request(self._pass_on)

    def start(self, work: Callable[[Tally], None]) -> int:
        """Fork; the child, whose id is returned, does `work` and exits, whatever happens in it."""
        tally = self._house.truth.tally()
        parent = os.getpid()
        child = os.fork()
        if child:
            self._tallies[child] = tally
            return child
        status = 1
        try:
            # A parent that is killed tells nobody.
            _LIBRARY.prctl(_SIGNAL_WITH_PARENT, signal.SIGKILL)
            if os.getppid() != parent:
                return 0
            self._house.stop.forget()
            work(tally)
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)

    def reap(self) -> None:
        """Take back what children that have ended were given; waits for none."""
        with contextlib.suppress(ChildProcessError):
            while (child := os.waitpid(-1, os.WNOHANG)[0]) != 0:
                self._take_back(child)

    def wait_for_one(self) -> tuple[int, int]:
        """Wait until a child has ended; its id, and its exit code or minus the signal that ended it."""
        child, status = os.wait()
        self._take_back(child)
        return child, os.waitstatus_to_exitcode(status)

    def end(self) -> None:
        """Tell all children to end and wait; those that are late are killed."""
        self._pass_on()
        try:
            # A child gives its connection GRACE_SECONDS by itself.
            with raising_after(GRACE_SECONDS + 1):
                while self._tallies:
                    self.wait_for_one()
        except TimeoutError:
            for child in self._tallies:
                os.kill(child, signal.SIGKILL)

    def _take_back(self, child: int) -> None:
        self._house.truth.give_back(self._tallies.pop(child))

    def _pass_on(self) -> None:
        for child in tuple(self._tallies):
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGTERM)

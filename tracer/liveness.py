"""Whether the target still runs: what decides that a capture has ended.

Process ids are reused, so processes that were named by the user are watched through
pid descriptors (pidfd_open(2)). Followed children are known from the kernel's facts.
"""

from __future__ import annotations

import os
import select
from collections.abc import Iterable

from uringtrace.errors import TargetError
from uringtrace.probes.facts import ExitFact, Fact, ForkFact
from uringtrace.tracer.launch import Launched


class Liveness:
    """The target's processes that are alive. Closing is left to `close`."""

    def __init__(self, pids: Iterable[int], launched: Launched | None, *, everything: bool) -> None:
        """Raises `TargetError` when one of `pids` does not exist."""
        self._everything = everything
        self._launched = launched
        self._watched: dict[int, int] = {}
        self._children: set[int] = set()
        for pid in pids:
            try:
                self._watched[pid] = os.pidfd_open(pid)
            except OSError as error:
                self.close()
                if isinstance(error, ProcessLookupError):
                    raise TargetError(f"no such process: {pid}") from error
                raise TargetError(f"cannot watch process {pid}: {error.strerror}") from error

    def note(self, fact: Fact) -> None:
        """Take in what the kernel told about a followed process."""
        if isinstance(fact, ForkFact):
            self._children.add(fact.pid)
        elif isinstance(fact, ExitFact):
            self._children.discard(fact.pid)

    @property
    def pids(self) -> frozenset[int]:
        """The processes known to be alive."""
        launched = {self._launched.pid} if self._launched and self._launched.status is None else set()
        return frozenset(self._watched) | self._children | launched

    def ended(self) -> bool:
        """Whether every process of the target has ended. Never true for the whole machine."""
        if self._everything:
            return False
        if self._launched is not None and not self._launched.ended():
            return False
        for pid, descriptor in list(self._watched.items()):
            if select.select([descriptor], [], [], 0)[0]:
                os.close(self._watched.pop(pid))
        # The exit fact of a child may have been lost: a process that is gone is gone.
        self._children = {pid for pid in self._children if _exists(pid)} if self._children else set()
        return not self._watched and not self._children

    def close(self) -> None:
        while self._watched:
            os.close(self._watched.popitem()[1])


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True

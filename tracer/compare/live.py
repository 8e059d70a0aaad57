"""The phases of a running comparison: what is done when, while the capture is drained.

`Schedule.step` is called at every drain and never waits, so that nothing is lost meanwhile.
Invariant: strace is gone before the capture ends, however it ends.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from uringtrace.tracer.compare.attached import Attached
from uringtrace.tracer.compare.phases import ALONE, STRACE, Span

_ATTACH_SECONDS = 20.0


class Stoppable(Protocol):
    """What the schedule needs of the capture."""

    @property
    def pids(self) -> frozenset[int] | None: ...

    def stop(self) -> None: ...


@dataclass(slots=True)
class Schedule:
    """Runs the phases one after the other."""

    capture: Stoppable
    log: Path
    seconds: float | None
    """Of each phase; None: until the target ends."""
    once: bool
    say: Callable[[str], None]
    strace: Attached | None = None
    """One that was attached before, for a command's first instruction."""
    spans: list[Span] = field(default_factory=list)
    window_ns: tuple[int, int] | None = None
    """When strace was attached to everything."""
    why_not: str = ""
    """Why strace could not be attached; then the phases are those without it."""
    _stopped: bool = False
    _began_ns: int = 0
    _cpu_s: float | None = None
    _observer_s: float | None = None
    _step: Callable[[int], None] | None = None

    def begin(self) -> None:
        """Start the first phase; the capture has begun."""
        self._mark()
        if self.strace is not None:
            self._step = self._attaching
            self._attaching(time.monotonic_ns())
        elif self.why_not:
            self._step = self._alone_only
        elif self.once:
            self._attach()
        else:
            self.say(f"phase 1 of 3: {ALONE} alone")
            self._step = self._first

    def step(self) -> None:
        """Do what is due now."""
        if self._step is not None:
            self._step(time.monotonic_ns())

    def stop(self) -> None:
        """End in order; may be called in a signal handler."""
        self._stopped = True

    def end(self) -> None:
        """Let go of strace, if it is still there, and close the phase that was under way."""
        if self.strace is not None:
            if self._step == self._attached and self.window_ns is None:
                self._close_strace(time.monotonic_ns())
            self.strace.let_go()
        elif self._step in (self._first, self._last, self._alone_only):
            self._close(ALONE, time.monotonic_ns())
        self._step = None

    def _over(self, now_ns: int) -> bool:
        return self._stopped or (self.seconds is not None and now_ns - self._began_ns >= self.seconds * 1e9)

    def _first(self, now_ns: int) -> None:
        if self._over(now_ns):
            self._close(ALONE, now_ns)
            if self._stopped:
                self._finish()
            else:
                self._attach()

    def _alone_only(self, now_ns: int) -> None:
        if self._over(now_ns):
            self._close(ALONE, now_ns)
            self._finish()

    def _attach(self) -> None:
        self.strace = Attached(sorted(self.capture.pids or ()), self.log)
        self._mark()
        self._step = self._attaching

    def _attaching(self, now_ns: int) -> None:
        assert self.strace is not None
        if self.strace.is_attached() and not self.strace.has_ended():
            self.say("strace is attached" if self.once else "phase 2 of 3: with strace")
            self._mark()
            self._step = self._attached
        elif self.strace.has_ended() or now_ns - self._began_ns > _ATTACH_SECONDS * 1e9:
            self.why_not = self.strace.why_not()
            self.strace.let_go()
            self.strace = None
            self.say(f"{self.why_not}; what uringtrace sees is shown alone")
            if self.once:
                self._mark()
                self._step = self._alone_only
            else:
                self._finish()
        elif self._stopped:
            self.strace.ask_to_let_go()
            self._step = self._letting_go

    def _attached(self, now_ns: int) -> None:
        assert self.strace is not None
        if self._over(now_ns) or self.strace.has_ended():
            self._close_strace(now_ns)
            self.strace.ask_to_let_go()
            self._step = self._letting_go

    def _close_strace(self, now_ns: int) -> None:
        self.window_ns = (self._began_ns, now_ns)
        self._close(STRACE, now_ns)

    def _letting_go(self, now_ns: int) -> None:
        assert self.strace is not None
        if not self.strace.has_ended():
            return
        self.strace = None
        if self.once or self._stopped or not self.capture.pids:
            self._finish()
        else:
            self.say(f"phase 3 of 3: {ALONE} alone")
            self._mark()
            self._step = self._last

    def _last(self, now_ns: int) -> None:
        if self._over(now_ns):
            self._close(ALONE, now_ns)
            self._finish()

    def _finish(self) -> None:
        self._step = None
        self.capture.stop()

    def _mark(self) -> None:
        self._cpu_s = cpu_seconds(self.capture.pids or ())
        self._observer_s = cpu_seconds((self.strace.pid,)) if self.strace else None
        self._began_ns = time.monotonic_ns()

    def _close(self, observers: str, now_ns: int) -> None:
        target_s = _added(self._cpu_s, cpu_seconds(self.capture.pids or ()))
        observer_s = _added(self._observer_s, cpu_seconds((self.strace.pid,))) if self.strace else None
        self.spans.append(Span(observers, self._began_ns, now_ns, target_s, observer_s))


def _added(before: float | None, after: float | None) -> float | None:
    return None if before is None or after is None else max(0.0, after - before)


def cpu_seconds(pids: Iterable[int]) -> float | None:
    """Processor time of these processes with that of their children that have ended.

    None when one of them is gone or has ended, whose time is no longer told as its own.
    """
    import psutil

    total, known = 0.0, False
    for pid in pids:
        try:
            process = psutil.Process(pid)
            if process.status() == psutil.STATUS_ZOMBIE:
                return None
            times = process.cpu_times()
        except psutil.Error:
            return None
        total += times.user + times.system + times.children_user + times.children_system
        known = True
    return total if known else None

"""The phases of a running comparison: what is done when, while the capture is drained.

`Schedule.step` is called at every drain and never waits, so that nothing is lost meanwhile.
Invariant: every observer is gone before the capture ends, however it ends.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from uringtrace.tracer.compare.observer import Observer
from uringtrace.tracer.compare.phases import ALONE, Span, observed_by
from uringtrace.tracer.compare.strace_process import StraceProcess

_ATTACH_SECONDS = 20.0

Make = Callable[[Sequence[int]], Observer]
"""Starts an observer of these processes."""


class Stoppable(Protocol):
    """What the schedule needs of the capture."""

    @property
    def pids(self) -> frozenset[int] | None: ...

    def stop(self) -> None: ...


@dataclass(slots=True)
class Schedule:
    """Runs the phases one after the other: alone, with each observer, alone."""

    capture: Stoppable
    observers: list[Make]
    """Those that are still to come; strace is the first."""
    seconds: float | None
    """Of each phase; None: until the target ends."""
    once: bool
    """Without the phases alone."""
    say: Callable[[str], None]
    observer: Observer | None = None
    """The one that is there; it may be given before, for a command's first instruction."""
    spans: list[Span] = field(default_factory=list)
    window_ns: tuple[int, int] | None = None
    """When strace was attached to everything."""
    why_not: str = ""
    """Why strace could not be attached; then the first phase is the only one."""
    _stopped: bool = False
    _began_ns: int = 0
    _cpu_s: float | None = None
    _observer_s: float | None = None
    _step: Callable[[int], None] | None = None

    @property
    def observed_since_ns(self) -> int | None:
        """Since when an observer is attached; None while none is."""
        return self._began_ns if self._step == self._attached else None

    def begin(self) -> None:
        """Start the first phase; the capture has begun."""
        self._mark()
        if self.observer is not None:
            self._step = self._attaching
            self.step()
        elif self.once and not self.why_not:
            self._attach()
        else:
            self.say(f"phase: {ALONE} alone")
            self._step = self._alone

    def step(self) -> None:
        """Do what is due now."""
        if self._step is not None:
            self._step(time.monotonic_ns())

    def stop(self) -> None:
        """End in order; may be called in a signal handler."""
        self._stopped = True

    def end(self) -> None:
        """Let go of the observer that is still there, and close the phase that was under way."""
        if self.observer is not None:
            if self._step == self._attached:
                self._close_observed(time.monotonic_ns())
            self.observer.let_go()
            self._count()
            self.observer = None
        elif self._step == self._alone:
            self._close(ALONE, time.monotonic_ns())
        self._step = None

    def _over(self, now_ns: int) -> bool:
        return self._stopped or (self.seconds is not None and now_ns - self._began_ns >= self.seconds * 1e9)

    def _alone(self, now_ns: int) -> None:
        if not self._over(now_ns):
            return
        self._close(ALONE, now_ns)
        if self._stopped or self.why_not or not self.observers:
            self._finish()
        else:
            self._attach()

    def _attach(self) -> None:
        self.observer = self.observers.pop(0)(sorted(self.capture.pids or ()))
        self._mark()
        self._step = self._attaching

    def _attaching(self, now_ns: int) -> None:
        observer = self.observer
        assert observer is not None
        if observer.is_attached():
            # Even if it has ended since: a short program was there, and is in its log.
            self.say(f"phase: with {observer.name}, which is attached")
            self._mark()
            self._step = self._attached
        elif observer.has_ended() or now_ns - self._began_ns > _ATTACH_SECONDS * 1e9:
            observer.let_go()
            self.observer = None
            if isinstance(observer, StraceProcess):
                self._without_strace(observer.why_not())
            else:
                self.say(observer.why_not())
                self._next()
        elif self._stopped:
            observer.ask_to_let_go()
            self._step = self._letting_go

    def _without_strace(self, why_not: str) -> None:
        self.why_not = why_not
        self.say(f"{why_not}; what uringtrace sees is shown alone")
        if self.once:
            self._mark()
            self._step = self._alone
        else:
            self._finish()

    def _attached(self, now_ns: int) -> None:
        assert self.observer is not None
        if self._over(now_ns) or self.observer.has_ended():
            self._close_observed(now_ns)
            self.observer.ask_to_let_go()
            self._step = self._letting_go

    def _close_observed(self, now_ns: int) -> None:
        assert self.observer is not None
        if isinstance(self.observer, StraceProcess):
            self.window_ns = (self._began_ns, now_ns)
        self._close(observed_by(self.observer.name), now_ns)

    def _letting_go(self, now_ns: int) -> None:
        assert self.observer is not None
        if self.observer.has_ended():
            self._count()
            self.observer = None
            self._next()

    def _count(self) -> None:
        """What the observer told of in the phase that it has just ended."""
        assert self.observer is not None
        if self.spans and self.spans[-1].observers == observed_by(self.observer.name):
            self.spans[-1] = replace(self.spans[-1], told=self.observer.told())

    def _next(self) -> None:
        if self._stopped or not self.capture.pids:
            self._finish()
        elif self.observers:
            self._attach()
        elif self.once:
            self._finish()
        else:
            self.say(f"phase: {ALONE} alone")
            self._mark()
            self._step = self._alone

    def _finish(self) -> None:
        self._step = None
        self.capture.stop()

    def _mark(self) -> None:
        self._cpu_s = cpu_seconds(self.capture.pids or ())
        self._observer_s = cpu_seconds((self.observer.pid,)) if self.observer else None
        self._began_ns = time.monotonic_ns()

    def _close(self, observers: str, now_ns: int) -> None:
        target_s = _added(self._cpu_s, cpu_seconds(self.capture.pids or ()))
        observer_s = _added(self._observer_s, cpu_seconds((self.observer.pid,))) if self.observer else None
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

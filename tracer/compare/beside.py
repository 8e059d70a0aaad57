"""strace for some seconds beside a capture that runs anyway, and a recording of just these seconds.

The phases are those of `live.Schedule`, with strace alone. Invariant: however it ends, strace has let
go of the target before `run` returns, and before the recording is completed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from uringtrace.tracer.compare.live import Schedule
from uringtrace.tracer.compare.phases import Span
from uringtrace.tracer.compare.strace_process import StraceProcess
from uringtrace.tracer.live.feed import Recorder

_STEP_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Progress:
    """How far it has come."""

    step: str
    """ATTACHING, ATTACHED, LETTING_GO or READING."""
    attached_s: float = 0.0
    """For how long strace is there."""


ATTACHING, ATTACHED, LETTING_GO, READING = "attaching", "attached", "letting go", "reading"
Tell = Callable[[Progress], None]


@dataclass(frozen=True, slots=True)
class Seen:
    """What both sides have left of these seconds."""

    log: Path
    recording: Path
    window_ns: tuple[int, int] | None
    """When strace was attached to everything, CLOCK_MONOTONIC; None where it never was."""
    spans: tuple[Span, ...]
    why_not: str
    """Why strace could not be attached; empty where it was, or was let go before."""


@dataclass(slots=True)
class _Processes:
    """What the schedule asks of a capture; its end is that of the schedule alone."""

    pids: frozenset[int] | None
    over: bool = False

    def stop(self) -> None:
        self.over = True


class Beside:
    """One such time. `run` belongs to one thread, with which strace would end; `stop` to any."""

    def __init__(self, pids: Iterable[int], recorder: Recorder, seconds: float) -> None:
        """strace is attached to these processes and follows what they fork."""
        self._recorder = recorder
        self._processes = _Processes(frozenset(pids))
        self._schedule = Schedule(self._processes, [], seconds, once=True, say=lambda _: None)

    def stop(self) -> None:
        """Have strace let go soon."""
        self._schedule.stop()

    def run(self, folder: Path, tell: Tell) -> Seen:
        """Both files are made in `folder`. Raises `Error` where nothing can be recorded, and OSError."""
        schedule, log = self._schedule, folder / "strace.log"
        schedule.observers.append(lambda pids: StraceProcess(pids, log))
        recording = Path(self._recorder.start(folder))
        try:
            schedule.begin()
            while not self._processes.over and not schedule.why_not:
                tell(self._progress())
                time.sleep(_STEP_SECONDS)
                schedule.step()
        finally:
            schedule.end()
            self._recorder.finish(time.monotonic_ns())
        return Seen(log, recording, schedule.window_ns, tuple(schedule.spans), schedule.why_not)

    def _progress(self) -> Progress:
        schedule = self._schedule
        if (since_ns := schedule.observed_since_ns) is not None:
            return Progress(ATTACHED, (time.monotonic_ns() - since_ns) / 1e9)
        if (window := schedule.window_ns) is not None:
            return Progress(LETTING_GO, (window[1] - window[0]) / 1e9)
        return Progress(ATTACHING)

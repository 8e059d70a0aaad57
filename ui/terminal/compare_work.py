"""How a comparison is come by: of strace's log beside a recording, or by attaching strace now.

Runs in a thread of its own and tells how far it has come; nothing here is a widget.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Protocol

from uringtrace.errors import Error, TargetError
from uringtrace.tracer.live.feed import Feed
from uringtrace.tracer.live.picture import Picture

if TYPE_CHECKING:
    # Only who compares waits for what that needs.
    from uringtrace.tracer.compare.beside import Tell
    from uringtrace.tracer.compare.report import CompareReport
    from uringtrace.ui.text.compare_columns import Texts

SHOWN = 2_000
"""Calls and operations that can be scrolled through: the first ones."""
SECONDS = 5.0
"""For so long strace is attached, unless something else is chosen."""


@dataclass(frozen=True, slots=True)
class Compared:
    """What the screen shows."""

    report: CompareReport
    texts: Texts


@dataclass(frozen=True, slots=True)
class Question:
    """What has to be said before anything is begun."""

    target: str
    obstacle: str
    """Why it cannot be done at all; empty where it may be."""


class Work(Protocol):
    """One comparison under way; `run` belongs to one thread, `stop` to any."""

    def run(self, tell: Tell) -> Compared:
        """Raises `Error` and OSError."""
        ...

    def stop(self) -> None: ...


class Comparing(Protocol):
    """A way to compare."""

    def question(self, picture: Picture) -> Question | None:
        """None where there is nothing to ask."""
        ...

    def work(self, picture: Picture, seconds: float) -> Work: ...


class OfFiles:
    """A log and a recording that were made at the same time; read once. Implements both protocols."""

    def __init__(self, log: Path, recording: Path) -> None:
        self._log = log
        self._recording = recording
        self._compared: Compared | None = None

    def question(self, picture: Picture) -> Question | None:
        return None

    def work(self, picture: Picture, seconds: float) -> Work:
        return self

    def run(self, tell: Tell) -> Compared:
        from uringtrace.tracer.compare.beside import READING, Progress
        from uringtrace.tracer.compare.build import report_of
        from uringtrace.tracer.recording import open_recording
        from uringtrace.ui.text.compare_texts import texts

        if self._compared is None:
            tell(Progress(READING))
            # One of its own: that of the feed is read by its thread.
            recording = open_recording(self._recording)
            report = report_of(self._log, recording, rows=SHOWN)
            self._compared = Compared(report, texts(report, self._log, recording))
        return self._compared

    def stop(self) -> None:
        """Reading changes nothing anywhere: it is left to end."""


class OfTarget:
    """What a running capture watches. Implements `Comparing`."""

    def __init__(self, feed: Feed, *, everything: bool = False) -> None:
        self._feed = feed
        self._everything = everything

    def question(self, picture: Picture) -> Question | None:
        from uringtrace.tracer.compare.strace_process import obstacle

        pids = processes_of(picture)
        if self._everything:
            why = "strace cannot be attached to the whole machine"
        elif picture.ended or not pids:
            why = "the target has ended"
        elif self._feed.aside is None:
            why = "the probes are not attached yet"
        else:
            why = obstacle(pids)
        return Question(picture.context.target, why)

    def work(self, picture: Picture, seconds: float) -> Work:
        return Attaching(self._feed, picture, seconds)


class Attaching:
    """strace beside the running capture. Implements `Work`."""

    def __init__(self, feed: Feed, picture: Picture, seconds: float) -> None:
        self._target = picture.context.target
        recorder = feed.aside
        from uringtrace.tracer.compare.beside import Beside

        self._beside = Beside(processes_of(picture), recorder, seconds) if recorder else None

    def stop(self) -> None:
        if self._beside is not None:
            self._beside.stop()

    def run(self, tell: Tell) -> Compared:
        from uringtrace.tracer.compare.beside import READING, Progress
        from uringtrace.tracer.compare.build import report_of
        from uringtrace.tracer.compare.strace_process import OPTIONS, version
        from uringtrace.tracer.recording import open_recording
        from uringtrace.ui.text.compare_texts import texts

        if self._beside is None:
            raise TargetError("nothing can be recorded at this moment")
        # Both have data of the target: for its owner alone, and not for long.
        with TemporaryDirectory(prefix="uringtrace-") as folder:
            seen = self._beside.run(Path(folder), tell)
            if seen.window_ns is None:
                raise TargetError(seen.why_not or "strace was let go before it was attached")
            tell(Progress(READING))
            recording = open_recording(seen.recording)
            report = report_of(
                seen.log,
                recording,
                rows=SHOWN,
                window=seen.window_ns,
                spans=seen.spans,
                version=version(),
                options=OPTIONS,
                target=self._target,
            )
            return Compared(report, texts(report, seen.log, recording))


def processes_of(picture: Picture) -> Sequence[int]:
    """The target's processes that are there."""
    return sorted({thread.activity.tgid for thread in picture.threads if thread.state != "ended"})


def failure_words(error: Exception) -> str:
    """In one line."""
    return error.message if isinstance(error, Error) else f"{type(error).__name__}: {error}"

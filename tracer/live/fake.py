"""A feed of pictures that were made before: for tests of screens, and for trying them out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event

from uringtrace.errors import Error
from uringtrace.tracer.live.feed import Controls
from uringtrace.tracer.live.picture import Picture
from uringtrace.tracer.source import Context


@dataclass
class FakeControls:
    """Implements `feed.Controls`; `asked` notes what was asked for, in order."""

    asked: list[tuple[str, float | None]] = field(default_factory=list)

    def pause(self) -> None:
        self.asked.append(("pause", None))

    def resume(self) -> None:
        self.asked.append(("resume", None))

    def seek(self, position_ns: int) -> None:
        self.asked.append(("seek", position_ns))

    def set_speed(self, speed: float) -> None:
        self.asked.append(("set_speed", speed))


@dataclass
class FakeRecorder:
    """Implements `feed.Recorder`; `asked` notes what was asked for, in order."""

    name: str = "uringtrace-recording"
    error: Error | None = None
    """What `start` raises."""
    path: str | None = None
    asked: list[str] = field(default_factory=list)

    def start(self, folder: Path | None = None) -> str:
        self.asked.append("start")
        if self.error is not None:
            raise self.error
        self.path = self.name
        return self.name

    def finish(self, until_ns: int | None = None) -> str:
        self.asked.append("finish")
        self.path = None
        return f"1,000 operations in {self.name}"


class FakeFeed:
    """Implements `feed.Feed`: posts all its pictures at once, then waits for `stop`."""

    aside: FakeRecorder | None = None

    def __init__(
        self,
        pictures: Sequence[Picture],
        *,
        controls: Controls | None = None,
        recorder: FakeRecorder | None = None,
        stays: bool = True,
    ) -> None:
        """There must be at least one picture. Not `stays`: `run` returns after the last."""
        self.pictures = tuple(pictures)
        self.controls = controls
        self.recorder = recorder
        self._stays = stays
        self._stop = Event()
        self._post: Callable[[Picture], None] | None = None

    @property
    def context(self) -> Context:
        return self.pictures[0].context

    @property
    def stopped(self) -> bool:
        return self._stop.is_set()

    def run(self, post: Callable[[Picture], None]) -> None:
        self._post = post
        for picture in self.pictures:
            if self.stopped:
                return
            post(picture)
        if self._stays:
            self._stop.wait()

    def show(self, picture: Picture) -> None:
        """Post one more while `run` waits; from the thread of the caller."""
        if self._post is not None:
            self._post(picture)

    def stop(self) -> None:
        self._stop.set()

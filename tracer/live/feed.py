"""Where pictures come from: the seam between a capture, or a recording, and a screen.

`run` belongs to a thread of its own; everything else may be called from any thread.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from uringtrace.tracer.live.picture import Picture
from uringtrace.tracer.source import Context

PICTURES_PER_SECOND = 2


class Controls(Protocol):
    """What can be done to time; a recording has it, a live target has not."""

    def pause(self) -> None: ...

    def resume(self) -> None: ...

    def seek(self, position_ns: int) -> None:
        """Go to this moment (CLOCK_MONOTONIC of the recording); a picture of it follows."""
        ...

    def set_speed(self, speed: float) -> None:
        """Recorded seconds per second, above 0."""
        ...


class Recorder(Protocol):
    """Writes what a live feed brings to a recording as well."""

    @property
    def path(self) -> str | None:
        """Where it is being written; None while it is not."""
        ...

    def start(self, folder: Path | None = None) -> str:
        """Begin a recording beside the screen, in `folder` or where recordings go; its path.

        Raises `uringtrace.errors.Error`.
        """
        ...

    def finish(self, until_ns: int | None = None) -> str:
        """Complete it, with all that happened until then (CLOCK_MONOTONIC); what was written, in one line."""
        ...


class Feed(Protocol):
    """A source of pictures."""

    @property
    def context(self) -> Context: ...

    @property
    def controls(self) -> Controls | None: ...

    @property
    def recorder(self) -> Recorder | None:
        """None where nothing can be recorded, as on a recording."""
        ...

    @property
    def aside(self) -> Recorder | None:
        """A second one, independent of the first, for what is read again and thrown away."""
        ...

    def run(self, post: Callable[[Picture], None]) -> None:
        """Read and call `post` PICTURES_PER_SECOND times a second, first as soon as there is data.

        Returns when the target or the recording has ended, after a last picture with `ended`,
        or when `stop` was called. A recording that has ended stays: it can be sought in until `stop`.
        """
        ...

    def stop(self) -> None:
        """End `run` soon; safe in a signal handler."""
        ...

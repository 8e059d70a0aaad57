"""Where a recording is being shown: time that can be stopped, moved and stretched.

Pure but for its lock: the screen's thread asks for changes, the feed's thread carries them out.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Condition

from uringtrace.tracer.live.picture import Playback

Wait = Callable[[Condition, float | None], object]
"""Waits on the condition, which is held, for so many seconds at most; None: for ever."""


def wait_on(condition: Condition, seconds: float | None) -> object:
    return condition.wait(seconds)


class Position:
    """Implements `feed.Controls`. All but `stop` and the controls belong to the feed's thread."""

    def __init__(
        self, start_ns: int, end_ns: int, *, speed: float, playing: bool, clock: Callable[[], int], wait: Wait
    ) -> None:
        self._start_ns = start_ns
        self._end_ns = max(start_ns, end_ns)
        self._clock = clock
        self._wait = wait
        self._changed = Condition()
        self._changes = 0
        self._speed = speed
        self._playing = playing
        self._stopped = False
        self._anchor_ns = start_ns
        """The position at the moment `_anchored_ns` of the clock."""
        self._anchored_ns = clock()
        self._target_ns: int | None = None
        """Where it is to go; until it is there time stands still."""

    def pause(self) -> None:
        with self._changed:
            self._anchor(self._now())
            self._playing = False
            self._tell()

    def resume(self) -> None:
        """At the end: from the beginning."""
        with self._changed:
            position = self._now()
            if position >= self._end_ns:
                self._target_ns = self._start_ns
            self._anchor(position)
            self._playing = True
            self._tell()

    def seek(self, position_ns: int) -> None:
        with self._changed:
            self._target_ns = min(max(position_ns, self._start_ns), self._end_ns)
            self._tell()

    def set_speed(self, speed: float) -> None:
        """Raises ValueError for a speed that is not above 0."""
        if not speed > 0:
            raise ValueError(f"a speed is above 0, not {speed}")
        with self._changed:
            self._anchor(self._now())
            self._speed = speed
            self._tell()

    def stop(self) -> None:
        with self._changed:
            self._stopped = True
            self._tell()

    def is_stopped(self) -> bool:
        return self._stopped

    @property
    def changes(self) -> int:
        """Grows whenever something was asked for."""
        return self._changes

    def goal_ns(self) -> int:
        """What is to be shown now."""
        with self._changed:
            return self._now()

    def reached(self, position_ns: int, end_ns: int, changes: int) -> Playback:
        """This moment is shown, of a recording that goes on to `end_ns`.

        Where time goes on, and nothing was asked for since there were `changes`, it goes on from there.
        """
        with self._changed:
            self._end_ns = max(self._end_ns, end_ns)
            if changes == self._changes:
                arrived = self._target_ns is not None and position_ns == self._target_ns
                if arrived:
                    self._target_ns = None
                if arrived or (self._playing and self._target_ns is None):
                    self._anchor(position_ns)
                if self._playing and self._target_ns is None and position_ns >= self._end_ns:
                    self._playing = False
            return Playback(position_ns, self._start_ns, self._end_ns, self._playing, self._speed)

    def rest(self, changes: int, seconds: float) -> None:
        """Wait so long, or for ever when time stands still, unless something was or is asked for."""
        with self._changed:
            if changes == self._changes and not self._stopped:
                self._wait(self._changed, seconds if self._playing else None)

    def _now(self) -> int:
        if self._target_ns is not None:
            return self._target_ns
        if not self._playing:
            return self._anchor_ns
        passed = (self._clock() - self._anchored_ns) * self._speed
        return min(self._anchor_ns + round(passed), self._end_ns)

    def _anchor(self, position_ns: int) -> None:
        self._anchor_ns = position_ns
        self._anchored_ns = self._clock()

    def _tell(self) -> None:
        self._changes += 1
        self._changed.notify_all()

"""Pictures of a recording at any of its moments: what a running capture would have shown then.

The model only goes forward. Going back builds it anew from the recording's beginning; on the way
to a distant moment pictures of the moments in between are shown, so a screen never stands still.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from uringtrace.tracer.live.cut import cut
from uringtrace.tracer.live.feed import PICTURES_PER_SECOND, Controls
from uringtrace.tracer.live.model import LiveModel, Observed
from uringtrace.tracer.live.picture import Picture
from uringtrace.tracer.live.playback_position import Position, Wait, wait_on
from uringtrace.tracer.live.playback_under_way import UnderWayThen
from uringtrace.tracer.live.recent import DEFAULT_ROWS
from uringtrace.tracer.recording import Recording
from uringtrace.tracer.records import Records
from uringtrace.tracer.source import Context

_PERIOD_NS = 1_000_000_000 // PICTURES_PER_SECOND


class PlaybackFeed:
    """Implements `feed.Feed`."""

    recorder = None
    aside = None

    def __init__(
        self,
        recording: Recording,
        *,
        rows: int = DEFAULT_ROWS,
        speed: float = 1.0,
        playing: bool = True,
        clock: Callable[[], int] = time.monotonic_ns,
        wait: Wait = wait_on,
    ) -> None:
        """Begins at the recording's start. `rows` operations are kept at most."""
        self._recording = recording
        self._rows = rows
        self._clock = clock
        self._under_way = UnderWayThen(recording)
        self._position = Position(
            recording.context.started_ns,
            recording.ended_ns,
            speed=speed,
            playing=playing,
            clock=clock,
            wait=wait,
        )
        self._rewind()

    @property
    def context(self) -> Context:
        return self._recording.context

    @property
    def controls(self) -> Controls:
        return self._position

    def stop(self) -> None:
        self._position.stop()

    def run(self, post: Callable[[Picture], None]) -> None:
        """Returns when `stop` was called."""
        position = self._position
        while not position.is_stopped():
            changes = position.changes
            began_ns = self._clock()
            goal_ns = position.goal_ns()
            if goal_ns < self._reached_ns:
                self._rewind()
            self._go_on(goal_ns, changes, began_ns + _PERIOD_NS)
            if position.is_stopped():
                return
            post(self._picture(changes))
            if self._reached_ns < goal_ns:
                continue  # still on the way
            remaining_ns = began_ns + _PERIOD_NS - self._clock()
            position.rest(changes, max(remaining_ns, _PERIOD_NS // 10) / 1e9)

    def _rewind(self) -> None:
        self._model = LiveModel(self._recording.context, self._rows, live=False, clock=self._clock)
        self._records: Iterator[Records] = self._recording.records()
        self._kept: Records | None = None
        self._over = False
        self._reached_ns = self._recording.context.started_ns

    def _go_on(self, goal_ns: int, changes: int, deadline_ns: int) -> None:
        """Take in what happened until `goal_ns`, or as much as there is time for.

        Another wish ends it too.
        """
        while self._reached_ns < goal_ns or not self._over:
            records = self._kept if self._kept is not None else next(self._records, None)
            if records is None:
                self._over = True
                self._reached_ns = max(self._reached_ns, min(goal_ns, self._recording.ended_ns))
                return
            before, later = cut(records.sorted_by_completion(), goal_ns)
            self._model.add(before, self._recording)
            rest = len(later.operations) or len(later.socket_events)
            self._kept = later if rest else None
            if rest:
                self._reached_ns = goal_ns
                return
            if len(before.operations):
                self._reached_ns = max(self._reached_ns, int(before.operations["completed_ns"][-1]))
            if self._clock() >= deadline_ns or self._position.changes != changes:
                return

    def _picture(self, changes: int) -> Picture:
        moment_ns = self._reached_ns
        playback = self._position.reached(moment_ns, self._recording.ended_ns, changes)
        ended = self._over and moment_ns >= self._recording.ended_ns
        observed = Observed(under_way=self._under_way.at(moment_ns))
        return self._model.picture(
            self._recording, moment_ns, ended=ended, observed=observed, playback=playback
        )

"""Pictures of a running capture.

One thread drains, records, counts and takes pictures, so nothing waits for a lock. Draining comes
first: what comes faster than it is counted waits in memory, and pictures are of an earlier moment
then. Small drains are gathered until the next picture.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from uringtrace.probes.ring_buffer import LONGEST_RUN
from uringtrace.probes.slots import Slots
from uringtrace.tracer.decode import decode_records
from uringtrace.tracer.launch import Launched
from uringtrace.tracer.live.backlog import PIECE_SLOTS, Backlog
from uringtrace.tracer.live.capture_recorder import CaptureRecorder, Recorded
from uringtrace.tracer.live.feed import PICTURES_PER_SECOND
from uringtrace.tracer.live.file_sweep import FileSweep
from uringtrace.tracer.live.model import LiveModel, Observed
from uringtrace.tracer.live.picture import Picture
from uringtrace.tracer.live.ration import Rationed
from uringtrace.tracer.live.recent import DEFAULT_ROWS
from uringtrace.tracer.live.ring_states import RingState, RingWatch
from uringtrace.tracer.live.self_cost import SelfCost
from uringtrace.tracer.live.thread_states import ThreadState, ThreadWatch, workers_of
from uringtrace.tracer.live.under_way import UnderWay
from uringtrace.tracer.source import Context

MOST_SLOTS = 4 << 20
"""Slots that wait in memory at most, 256 MiB, when they come faster than they are counted."""
IDLE_SECONDS = 0.08
"""Pause after a drain that brought little, beside the capture's own: the buffer has room for half a second
of a million operations each second."""
_LITTLE = 2_048
_BEHIND_SLOTS = 8 * PIECE_SLOTS
"""With more waiting, or more in the buffer than was drained, what comes is not judged: judging must not
cost records."""
_TURN_NS = 100_000_000
"""Time for counting between two drains."""
_PERIOD_NS = 1_000_000_000 // PICTURES_PER_SECOND
_LOOK_NS = 900_000_000
"""Least time between two looks at /proc: shares are of about a second."""
_LOOK_SHARE = 1 / 50


class RunningCapture(Recorded, Protocol):
    """What a feed needs of `uringtrace.tracer.capture.start_streaming`, once it was entered."""

    @property
    def launched(self) -> Launched | None: ...

    def chunks(self) -> Iterable[Slots]: ...

    def forget_files(self, numbers: Iterable[int]) -> None: ...

    def numbered_files(self) -> NDArray[np.uint32]: ...

    def stop(self) -> None: ...


class CaptureFeed:
    """Implements `feed.Feed`. Entering and leaving the capture is left to the caller."""

    controls = None

    def __init__(
        self,
        capture: RunningCapture,
        *,
        rows: int = DEFAULT_ROWS,
        recordings: Path = Path(),
        clock: Callable[[], int] = time.monotonic_ns,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        """`rows` operations are kept at most; recordings are made in the folder `recordings`."""
        self._capture = capture
        self._clock = clock
        self._pause = pause
        self._stopped = False
        self._all_read = True
        self._rows = rows
        self._backlog = Backlog()
        self._at_ns = capture.context.started_ns
        """Everything that completed until then has been counted."""
        self.recorder = CaptureRecorder(capture, recordings)
        self.aside = CaptureRecorder(capture, recordings, convert=False)
        self._model = LiveModel(capture.context, rows, clock=clock)
        self._sweep = FileSweep(capture)
        self._threads, self._ring_watch, self._cost = ThreadWatch(), RingWatch(), SelfCost()
        self._looks: Rationed[tuple[dict[int, ThreadState] | None, dict[tuple[int, int], RingState]]] = (
            Rationed(_LOOK_SHARE, clock, least_ns=_LOOK_NS)
        )
        self._under_way: Rationed[UnderWay] = Rationed(_LOOK_SHARE / 2, clock)

    @property
    def context(self) -> Context:
        return self._capture.context

    def stop(self) -> None:
        self._stopped = True
        self._capture.stop()

    def run(self, post: Callable[[Picture], None]) -> None:
        # The first picture is late already: it waits neither for an empty buffer nor for what was drained.
        next_ns = self._clock() - 2 * _PERIOD_NS
        turn_ns = 0
        news = True
        try:
            for slots in self._capture.chunks():
                news = news or len(slots) > 0
                self.recorder.append(slots)
                self.aside.append(slots)
                self._backlog.append(slots)
                # A full drain leaves more in the buffer, and what does not fit there is lost: that first.
                self._all_read = len(slots) < LONGEST_RUN
                now_ns = self._clock()
                # Where nothing happens only the clock goes on.
                delay_ns = 0 if news else _PERIOD_NS
                due = now_ns >= next_ns + delay_ns
                first = self._all_read or self._backlog.waiting > MOST_SLOTS or now_ns > next_ns + _PERIOD_NS
                if first and (due or self._backlog.waiting >= PIECE_SLOTS):
                    self._count(now_ns + turn_ns)
                    turn_ns = _TURN_NS
                if due and first and not self._stopped:
                    post(self._picture())
                    if gone := self._sweep.gone():
                        self._model.let_go(self._clock(), gone)
                    self._capture.forget_files(self._model.unnamed_files(self._at_ns))
                    news = False
                    # When pictures take long there are fewer: the drain comes first.
                    next_ns = max(next_ns + delay_ns + _PERIOD_NS, self._clock() + _PERIOD_NS // 2)
                if len(slots) < _LITTLE and self._backlog.waiting < _LITTLE and not self._stopped:
                    self._pause(IDLE_SECONDS)
            self._all_read = True
            while self._backlog.waiting and not self._stopped:
                self._count(self._clock() + _PERIOD_NS)
            if not self._stopped:
                post(self._picture(ended=True))
        finally:
            # Completing a recording takes time: the last picture does not wait for it.
            self.recorder.end()
            self.aside.end()

    def _count(self, deadline_ns: int) -> None:
        """Decode and count what waits, until there is nothing or no more time."""
        while (piece := self._backlog.take()) is not None:
            records = decode_records(piece)
            # Rows that newer ones will push out at once are not kept: that costs as much as counting.
            waiting = self._backlog.waiting
            behind = waiting > _BEHIND_SLOTS or not self._all_read
            self._model.add(records, self._capture, keep=waiting <= self._rows, behind=behind)
            if len(records.operations):
                newest_ns = int(records.operations["completed_ns"][-1])
                self._at_ns = max(self._at_ns, min(newest_ns, self._capture.ended_ns))
            if self._clock() >= deadline_ns:
                break
        if self._all_read and not self._backlog.waiting:
            self._at_ns = max(self._at_ns, self._capture.ended_ns)

    def _picture(self, *, ended: bool = False) -> Picture:
        capture = self._capture
        now_ns = self._clock()
        pids = capture.pids
        under_way = None
        if not ended:
            under_way = self._under_way.get(
                lambda: UnderWay(
                    decode_records(capture.under_way_slots()).operations, capture.ended_ns, pids is not None
                )
            )
        threads, rings = self._looks.get(lambda: self._look(pids, now_ns))
        if ended:
            threads = None if pids is None else {}
        observed = Observed(
            under_way=under_way,
            threads=threads,
            alive=pids,
            rings={} if ended else rings,
            workers={} if ended or threads is None or pids is None else workers_of(threads, pids),
            tracer_cpu=self._cost.share(now_ns, (capture.launched.pid,) if capture.launched else ()),
        )
        return self._model.picture(capture, self._at_ns, ended=ended, observed=observed)

    def _look(
        self, pids: frozenset[int] | None, now_ns: int
    ) -> tuple[dict[int, ThreadState] | None, dict[tuple[int, int], RingState]]:
        threads = None if pids is None else self._threads.states(pids, now_ns)
        self._model.look(pids or (), now_ns)
        return threads, self._ring_watch.states(self._capture.rings, now_ns)

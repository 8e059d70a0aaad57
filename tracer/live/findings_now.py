"""What the rules say of a capture while it goes on, at no more than their share of the time.

Rules follow what threads and connections do, so that they cannot be shown every other record: what they
judge is a stretch without gaps. While records come slowly enough that is the whole capture. Where judging
them would take more than its share, or keep the capture from being drained, a stretch ends, the next
begins when the share has been saved up, and `Judged.left_out` says how much lies between.
Invariant: every verdict is of one stretch, and of a recording that stretch is the whole recording.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from uringtrace.tracer.findings import Architecture, Diagnosed, Diagnosis, Finding, State, Verdict
from uringtrace.tracer.live.ration import Rationed
from uringtrace.tracer.live.under_way import UnderWay
from uringtrace.tracer.record import OPERATION, Batch
from uringtrace.tracer.records import Records, join_records
from uringtrace.tracer.source import (
    Context,
    File,
    FilesAndFacts,
    Interest,
    Losses,
    OpenSocket,
    Ring,
    Thread,
)

SHARE = 1 / 10
"""Of one processor, for following the records."""
JUDGING_SHARE = 1 / 20
SAVED_NS = 1_000_000_000
"""Processor time that can be saved up: what a stretch has at least."""
PIECE_ROWS = 4096
"""Of small drains: what has waited until there are so many, or a verdict is asked for, is one step."""
DENSE_SHARE = 1 / 4
_DENSE_NS = 100_000_000
"""Where following takes more than this share for so long, the processor is needed for draining."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What the rules came to."""

    verdicts: tuple[Verdict, ...]
    """One for each rule: of the newest stretch in which it found something, else could judge."""
    architecture: Architecture
    """What kind of server it is, or that this is undetermined."""
    started_ns: int
    """The newest stretch that was judged, CLOCK_MONOTONIC."""
    ended_ns: int
    records: int
    """Records that were followed since the start."""
    left_out: int
    """Records that came too fast to be followed as well; with any, a verdict is of a part of the time."""

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Worst first."""
        every = [finding for verdict in self.verdicts for finding in verdict.findings]
        return tuple(sorted(every, key=lambda finding: -finding.severity))


class FindingsNow:
    """Of one capture or recording. One thread adds and judges."""

    def __init__(
        self,
        context: Context,
        clock: Callable[[], int],
        cost: Callable[[], int],
        *,
        live: bool,
        piece_rows: int = PIECE_ROWS,
    ) -> None:
        """`clock` and `cost` as of `LiveModel`; not `live`: nothing is rationed."""
        self._piece_rows = piece_rows
        self._context = context
        self._clock = clock
        self._cost = cost
        self._live = live
        self._judging: Rationed[Diagnosed] = self._new_judging()
        self._saved_ns = SAVED_NS
        self._saved_at_ns = clock()
        self._dense_since_ns, self._dense_cost_ns = clock(), 0
        self._stretch: _Stretch | None = _Stretch(Diagnosis(context), None, context.started_ns)
        self._is_over = False
        """The stretch ends with the next picture."""
        self._seen_ns = context.started_ns
        self._records = self._left_out = 0
        self._judged: Judged | None = None
        self._waiting: list[Records] = []
        self._waiting_rows = 0

    def _new_judging(self) -> Rationed[Diagnosed]:
        return Rationed(JUDGING_SHARE if self._live else 1.0, self._clock, cost=self._cost)

    def add(self, records: Records, facts: FilesAndFacts, *, behind: bool = False) -> None:
        """Take one drain; `behind`: there is no time for it."""
        count = len(records.operations)
        if not count and not len(records.socket_events):
            return
        self._waiting.append(records)
        self._waiting_rows += count
        if behind or self._waiting_rows >= self._piece_rows:
            self._follow(facts, behind=behind)

    def _follow(self, facts: FilesAndFacts, *, behind: bool = False) -> None:
        """Show the rules what waits: they cost by the time they are asked as much as by the row."""
        if not self._waiting:
            return
        records = join_records(self._waiting)
        self._waiting, self._waiting_rows = [], 0
        count = len(records.operations)
        if self._live:
            self._save()
        if behind:
            # Also what was saved is not for now: draining needs the processor.
            self._saved_ns = 0
        if self._stretch is None and self._saved_ns >= SAVED_NS:
            started = _StretchFacts(facts, self._seen_ns)
            self._stretch = _Stretch(Diagnosis(started.context), started, self._seen_ns)
            self._judging = self._new_judging()
        if count:
            self._seen_ns = max(self._seen_ns, int(records.operations["completed_ns"][-1]))
        if self._stretch is None or self._is_over or behind:
            self._left_out += count
            self._is_over = self._stretch is not None
            return
        first = not self._stretch.ended_ns
        if not self._dense_cost_ns:
            self._dense_since_ns = self._clock()
        before_ns = self._cost()
        self._stretch.diagnosis.add(records, self._stretch.facts or facts)
        self._stretch.ended_ns = self._seen_ns
        self._records += count
        if self._live:
            self._spend(self._cost() - before_ns, first=first)

    def look(self, pids: Iterable[int], now_ns: int) -> None:
        """While a capture runs, a few times a second: how the target's threads spend their time."""
        if self._stretch is not None and not self._is_over:
            self._stretch.diagnosis.look(pids, now_ns)

    def judge(
        self, facts: FilesAndFacts, at_ns: int, under_way: UnderWay | None, *, ended: bool
    ) -> Judged | None:
        """What there is to say at `at_ns`; None before anything was judged."""
        self._follow(facts)
        stretch = self._stretch
        if stretch is not None:
            whole = ended and not self._is_over
            until_ns = stretch.ended_ns if self._is_over else at_ns
            if whole or self._is_over or not self._live:
                self._judging = self._new_judging()
            if until_ns > stretch.started_ns or whole:
                diagnosed = self._judging.get(
                    lambda: stretch.diagnosis.judge(
                        stretch.facts or facts,
                        until_ns,
                        under_way=None if whole else _then(under_way, until_ns),
                    )
                )
                self._take(diagnosed, stretch)
            if self._is_over:
                self._stretch, self._is_over = None, False
        if self._judged is not None:
            self._judged = replace(self._judged, records=self._records, left_out=self._left_out)
        return self._judged

    def _take(self, diagnosed: Diagnosed, stretch: _Stretch) -> None:
        verdicts, architecture = diagnosed.verdicts, diagnosed.architecture
        if stretch.facts is not None and self._judged is not None:
            earlier = {verdict.tag: verdict for verdict in self._judged.verdicts}
            if architecture.kind is None:
                architecture = self._judged.architecture
            verdicts = tuple(_more_telling(earlier.get(new.tag), new) for new in verdicts)
        ended_ns = stretch.started_ns + diagnosed.duration_ns
        self._judged = Judged(
            verdicts, architecture, stretch.started_ns, ended_ns, self._records, self._left_out
        )

    def _spend(self, cost_ns: int, *, first: bool) -> None:
        self._saved_ns -= cost_ns
        # The first step of a stretch makes what the others find: it says nothing of how fast records come.
        self._dense_cost_ns += 0 if first else cost_ns
        passed_ns = self._clock() - self._dense_since_ns
        if passed_ns >= _DENSE_NS:
            if self._dense_cost_ns > DENSE_SHARE * passed_ns:
                self._saved_ns = min(self._saved_ns, 0)
            self._dense_since_ns, self._dense_cost_ns = self._clock(), 0
        self._is_over = self._saved_ns <= 0

    def _save(self) -> None:
        now_ns = self._clock()
        self._saved_ns = min(SAVED_NS, self._saved_ns + round((now_ns - self._saved_at_ns) * SHARE))
        self._saved_at_ns = now_ns


def _more_telling(earlier: Verdict | None, new: Verdict) -> Verdict:
    """What was found once is not unsaid by a later stretch in which it did not happen."""
    order = (State.NOT_APPLICABLE, State.CLEAR, State.FOUND)
    return earlier if earlier is not None and order.index(earlier.state) > order.index(new.state) else new


def _then(under_way: UnderWay | None, at_ns: int) -> Batch:
    """What was under way; None where nobody can tell, which the rules take for nothing."""
    return np.zeros(0, OPERATION) if under_way is None else under_way.at(at_ns)


@dataclass(slots=True)
class _Stretch:
    """What is followed without a gap."""

    diagnosis: Diagnosis
    facts: _StretchFacts | None
    """None: those of the whole capture."""
    started_ns: int
    ended_ns: int = 0
    """Of what was followed; 0 before anything was."""


class _StretchFacts:
    """Facts of a capture as if it had begun with a stretch. Implements `FilesAndFacts`.

    What epoll instances waited for is not known then; rings count from there on, and of those that
    did nothing since it is not told apart whether they rest or are of no use.
    """

    def __init__(self, facts: FilesAndFacts, started_ns: int) -> None:
        self._facts = facts
        self.context = replace(facts.context, started_ns=started_ns)
        self._before = {_key(ring): ring for ring in facts.rings}

    @property
    def rings(self) -> tuple[Ring, ...]:
        since = [(ring, self._before.get(_key(ring))) for ring in self._facts.rings]
        return tuple(
            ring if before is None else ring.since(before)
            for ring, before in since
            if before is None or not before.submitted or ring.submitted > before.submitted
        )

    @property
    def losses(self) -> Losses:
        return self._facts.losses

    @property
    def ended_ns(self) -> int:
        return self._facts.ended_ns

    @property
    def files(self) -> Mapping[int, File]:
        return self._facts.files

    @property
    def threads(self) -> Mapping[int, Thread]:
        return self._facts.threads

    @property
    def interests(self) -> tuple[Interest, ...]:
        return ()

    @property
    def open_sockets(self) -> tuple[OpenSocket, ...]:
        return self._facts.open_sockets


def _key(ring: Ring) -> tuple[int, int, int | None]:
    return ring.tgid, ring.ring, ring.fd

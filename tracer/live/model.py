"""A capture as it stands: takes records as they come and gives a picture of any moment.

Counts are of every record. What is dear to work out (connections, threads) is, while a capture
runs, worked out at most so often that it takes its share of the time (`_SHARE`), so those parts
of a picture may be of a moment before it; on a recording all parts are of its moment.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

from uringtrace.tracer.connections import Connection
from uringtrace.tracer.live.connections_now import BUDGET_NS, ConnectionsNow
from uringtrace.tracer.live.findings_now import FindingsNow
from uringtrace.tracer.live.history import OperationHistory
from uringtrace.tracer.live.picture import OperationNow, Picture, Playback, RingNow, ThreadNow
from uringtrace.tracer.live.ration import Rationed
from uringtrace.tracer.live.recent import DEFAULT_ROWS, RecentOperations
from uringtrace.tracer.live.ring_states import RingState
from uringtrace.tracer.live.seconds import SECOND_NS, Follower, Seconds
from uringtrace.tracer.live.tallies import RingTally, SleepTally, WakeTally
from uringtrace.tracer.live.thread_states import ThreadState
from uringtrace.tracer.live.threads_now import calls_of, threads_now
from uringtrace.tracer.live.under_way import UnderWay
from uringtrace.tracer.live.waits_now import WaitsNow
from uringtrace.tracer.record import FIRST_CALL, OPCODES
from uringtrace.tracer.records import Records
from uringtrace.tracer.source import Context, FilesAndFacts, Ring
from uringtrace.tracer.summary import OperationSummary, RingSummary, Summary, summarise
from uringtrace.tracer.threads import ThreadActivity, ThreadTracker

_SHARE = 1 / 10
_NO_RING = RingState()


@dataclass(frozen=True, slots=True)
class Observed:
    """What was seen beside the records, at about the moment of a picture. None: it was not looked at."""

    under_way: UnderWay | None = None
    threads: Mapping[int, ThreadState] | None = None
    alive: Collection[int] | None = None
    """The target's processes."""
    rings: Mapping[tuple[int, int], RingState] = field(default_factory=dict)
    """By process and number."""
    workers: Mapping[int, int] = field(default_factory=dict)
    """io-wq workers of each process."""
    tracer_cpu: float | None = None


NOTHING_OBSERVED = Observed()


class LiveModel:
    """The model of one capture or recording. One thread adds and takes pictures."""

    def __init__(
        self,
        context: Context,
        rows: int = DEFAULT_ROWS,
        *,
        live: bool = True,
        clock: Callable[[], int] = time.monotonic_ns,
        cost: Callable[[], int] = time.thread_time_ns,
    ) -> None:
        """`rows` are kept at most; `clock` and `cost` (the thread's processor time), both in
        nanoseconds, say how often what is dear may be worked out."""
        self._context = context
        self._live = live
        self._history = OperationHistory(context)
        self._rings = RingTally()
        self._wakes = WakeTally()
        self._sleeps = SleepTally()
        followers: list[Follower] = [
            self._history,
            self._rings,
            self._wakes,
            *([] if live else [self._sleeps]),
        ]
        self._seconds = Seconds(context.started_ns, followers)
        self._recent = RecentOperations(rows)
        self._waits = WaitsNow(context)
        self._connections = ConnectionsNow(context, cost, budget_ns=BUDGET_NS if live else None)
        self._forgotten: deque[tuple[int, list[int]]] = deque()
        """Files that were let go, and since when."""
        self._threads = ThreadTracker(context)
        share = _SHARE if live else 1.0
        self._standing: Rationed[tuple[Connection, ...]] = Rationed(share, clock, cost=cost)
        self._listed: Rationed[tuple[Ring, ...]] = Rationed(share / 5 if live else 1.0, clock, cost=cost)
        self._activities: Rationed[tuple[ThreadActivity, ...]] = Rationed(share, clock, cost=cost)
        self._findings = FindingsNow(context, clock, cost, live=live)

    def add(self, records: Records, facts: FilesAndFacts, *, keep: bool = True, behind: bool = False) -> None:
        """Take one drain. All of it counts; without `keep` its rows are not among the recent ones.

        `behind`: so much waits to be counted that there is no time to judge it as well.
        Raises nothing for what a damaged recording may hold.
        """
        speaks = _speaks_of_files(records)
        explained = self._waits.add(records, facts) if keep and speaks else None
        if len(records.operations):
            self._seconds.add(records.operations)
            self._threads.add(records, facts.files)
            if keep:
                self._recent.add(records, explained)
            else:
                self._recent.leave_out(len(records.operations))
                self._waits.leave_out()
        if speaks:
            self._connections.add(records, facts)
        self._findings.add(records, facts, behind=behind)

    def look(self, pids: Iterable[int], now_ns: int) -> None:
        """While a capture runs, a few times a second: for findings about processor time."""
        self._findings.look(pids, now_ns)

    def picture(
        self,
        facts: FilesAndFacts,
        at_ns: int,
        *,
        ended: bool = False,
        observed: Observed = NOTHING_OBSERVED,
        playback: Playback | None = None,
    ) -> Picture:
        """The moment `at_ns`: everything that completed before has been added, or is lost.

        Of a recording `facts.rings` are those of its end; before it (not `ended`) what they
        counted is replaced by what the records show so far.
        """
        self._seconds.advance(at_ns)
        under_way = observed.under_way
        rings = facts.rings if ended else self._listed.get(lambda: facts.rings)
        if playback is not None and not ended:
            rings = tuple(self._so_far(ring, under_way) for ring in rings)
        losses = facts.losses
        duration_ns = max(0, at_ns - self._context.started_ns)
        summary = summarise(self._context, self._history.counters, rings, losses, duration_ns)
        operations_now = calls_now = unseen_now = None
        if summary.totals.io_uring is not None:
            operations_now = self._history.last_count(first=0, end=FIRST_CALL)
        if summary.totals.syscall is not None:
            calls_now = self._history.last_count(first=FIRST_CALL, end=OPCODES)
        if operations_now is not None and calls_now is not None and operations_now + calls_now:
            unseen_now = operations_now / (operations_now + calls_now)
        visible = summary.totals.share_visible_to_strace
        return Picture(
            context=self._context,
            at_ns=at_ns,
            live=self._live,
            ended=ended,
            summary=summary,
            operations=self._operations(summary, under_way),
            connections=self._connections_now(facts, at_ns, ended=ended),
            threads=self._threads_now(facts, observed, ended=ended),
            rings=tuple(self._ring(ring, observed) for ring in summary.rings),
            losses=losses,
            operations_now=_per_second(operations_now),
            calls_now=_per_second(calls_now),
            unseen=None if visible is None else 1 - visible,
            unseen_now=unseen_now,
            tracer_cpu=observed.tracer_cpu,
            recent=self._recent.view(facts.files),
            under_way=under_way,
            judged=self._findings.judge(facts, at_ns, under_way, ended=ended),
            playback=playback,
        )

    def let_go(self, at_ns: int, files: list[int]) -> None:
        """No row that completes after `at_ns` names the files with these numbers."""
        self._waits.forget(files)
        self._forgotten.append((at_ns, files))

    def unnamed_files(self, at_ns: int) -> list[int]:
        """Numbers of the files that nothing needs any more after the picture of `at_ns`: they were let go,
        or their sockets have ended, and no row that is kept names them."""
        settled = self._connections.forgotten_files()
        if settled:
            self.let_go(at_ns, settled)
        oldest_ns = self._recent.oldest_ns
        unnamed: list[int] = []
        while self._forgotten and (oldest_ns is None or self._forgotten[0][0] < oldest_ns):
            unnamed += self._forgotten.popleft()[1]
        return unnamed

    def _operations(self, summary: Summary, under_way: UnderWay | None) -> tuple[OperationNow, ...]:
        opcodes = [operation.opcode for operation in summary.operations]
        histories = self._history.of(opcodes)
        in_flight = under_way.per_operation() if under_way else None

        def now(operation: OperationSummary, history: tuple[float, ...]) -> OperationNow:
            last = self._history.last(operation.opcode)
            known = under_way is not None and (under_way.all_calls or operation.opcode < FIRST_CALL)
            return OperationNow(
                summary=operation,
                rate_now=_per_second(last.count if last else None),
                errors_now=last.errors if last else None,
                p50_now_ns=last.p50_ns if last else None,
                p99_now_ns=last.p99_ns if last else None,
                max_now_ns=last.max_ns if last else None,
                in_flight=int(in_flight[operation.opcode]) if known and in_flight is not None else None,
                history=history,
                # The counters grow in place.
                histogram=self._history.counters["histogram"][operation.opcode].copy(),
            )

        return tuple(map(now, summary.operations, histories))

    def _connections_now(self, facts: FilesAndFacts, at_ns: int, *, ended: bool) -> tuple[Connection, ...]:
        if ended or self._connections.unfinished:
            return self._connections.take(facts.open_sockets, at_ns, ended=ended)
        return self._standing.get(lambda: self._connections.take(facts.open_sockets, at_ns))

    def _threads_now(self, facts: FilesAndFacts, observed: Observed, *, ended: bool) -> tuple[ThreadNow, ...]:
        if ended:
            activities = self._threads.threads(facts.threads)
        else:
            activities = self._activities.get(lambda: self._threads.threads(facts.threads))
        calls = calls_of(self._context, facts.files, observed.under_way)
        captured = any(name.startswith("sys_") for name in self._context.probes)
        return threads_now(
            activities,
            calls,
            observed.threads,
            alive=observed.alive,
            wakes=self._wakes.last if captured else lambda tid: None,
            asleep=self._asleep(observed.under_way) if captured and not self._live else None,
        )

    def _asleep(self, under_way: UnderWay | None) -> dict[int, float] | None:
        """Share of the last whole second in which each thread slept in a call; None when not known."""
        if under_way is None or self._seconds.ended_ns <= self._context.started_ns:
            return None
        end_ns = self._seconds.ended_ns
        total = self._sleeps.asleep(end_ns - SECOND_NS, end_ns)
        for tid, row in under_way.calls().items():
            if row["slept"]:
                begin = max(int(row["submitted_ns"]), end_ns - SECOND_NS)
                total[tid] = total.get(tid, 0) + max(0, end_ns - begin)
        return {tid: min(1.0, ns / SECOND_NS) for tid, ns in total.items()}

    def _ring(self, ring: RingSummary, observed: Observed) -> RingNow:
        seen = observed.rings.get((ring.tgid, ring.ring), _NO_RING)
        return RingNow(
            summary=ring,
            rate_now=seen.rate if self._live else _per_second(self._rings.last(ring.ring)),
            batching_now=seen.batching,
            sq_fill=seen.sq_fill,
            cq_fill=seen.cq_fill,
            sq_thread_busy=seen.sq_thread_busy,
            workers=observed.workers.get(ring.tgid),
        )

    def _so_far(self, ring: Ring, under_way: UnderWay | None) -> Ring:
        """`submitted` as in the totals of a recording: what has ended, and what is known to be under way."""
        tally, number = self._rings, ring.ring
        in_flight = under_way.per_ring().get(number, 0) if under_way else 0
        return replace(
            ring,
            submitted=tally.ended[number] + in_flight,
            completions=tally.completions[number],
            batches=0,
            in_flight=in_flight,
            overflows=tally.overflows[number],
            dropped=tally.dropped[number],
            messages=tally.messages[number],
            untracked=tally.untracked[number],
        )


def _per_second(count: int | None) -> float | None:
    return None if count is None else float(count)


def _speaks_of_files(records: Records) -> bool:
    """Not so of operations that have to do with no file and no descriptor, as a benchmark's at full speed."""
    operations = records.operations
    if records.memory.size or records.socket_events.size:
        return True
    return any((operations[name] > bound).any() for name, bound in _OF_NOTHING)


_OF_NOTHING = (("opcode", FIRST_CALL - 1), ("file", 0), ("second_file", 0), ("result_file", 0), ("fd", -1))

"""`blocked-loop`: an event loop that does not come back to its wait, and the call that keeps it.

While nobody waits on the instance nothing that happens on any of its descriptors is noticed. A
gap counts when one cause covers at least half of it: calls of one kind of the thread that left
the wait last, or a time in which that thread was in no call. What it spent ready but without a
processor is `cpu-starvation`. Where others go on waiting there is no gap, but what the thread was
told of and did not come to (`late_turns`).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import ClassVar

from uringtrace.probes.setup_flags import SQPOLL
from uringtrace.tracer.findings.finding import (
    Confidence,
    Evidence,
    Finding,
    Severity,
    Verdict,
    Window,
    found,
    not_applicable,
)
from uringtrace.tracer.findings.loops import Gap, Instance
from uringtrace.tracer.findings.rule import Moment, Shared
from uringtrace.tracer.findings.rules.late_turns import HeldTurns, LateTurns
from uringtrace.tracer.findings.stays import OUTSIDE, Stay, stay_of
from uringtrace.tracer.findings.step import Step
from uringtrace.tracer.findings.stretches import Stretch, Stretches
from uringtrace.tracer.record import Batch, Kind

WARNING_NS = 100_000_000
OFTEN, OFTEN_SHARE = 3, 0.05
"""So many gaps, and such a part of the capture: a warning too, however short each is."""
FEWEST_WAITS = 20


@dataclass(slots=True)
class _Blocks:
    """What one cause did to one loop."""

    gaps: list[Gap] = field(default_factory=list)
    stays: list[Stay] = field(default_factory=list)
    stretches: list[Stretch] = field(default_factory=list)
    """Of gaps without a long stay: many short calls, or computing with short calls in between."""
    files: Counter[tuple[int, int]] = field(default_factory=Counter)
    told: bool = True
    """Of a loop that was in no call: that it computed, and did not wait for a processor, is sure."""


class BlockedLoop:
    tag: ClassVar[str] = "blocked-loop"

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._late = LateTurns(shared)
        self._stretches = Stretches(shared.context, shared.wait_opcodes)

    def observe(self, step: Step) -> None:
        self._late.observe(step)
        self._stretches.observe(step, self._shared.turns)

    def judge(self, moment: Moment) -> Verdict:
        if not self._shared.sees_calls:
            return not_applicable(self.tag, "system calls in the capture")
        loops = self._shared.loops
        polling = loops.loop_threads()
        judged = [
            each
            for each in loops.instances.values()
            if each.waits >= FEWEST_WAITS
            and each.holds_sockets
            and not (each.is_thread and polling.intersection(each.waiters))
        ]
        judged = [each for each in judged if not any(_is_beside(each, other) for other in judged)]
        if not judged:
            return not_applicable(self.tag, f"an event loop with sockets and {FEWEST_WAITS} waits")
        findings = [each for instance in judged for each in self._of(moment, instance)]
        gaps: dict[int, list[tuple[int, int]]] = {}
        for instance in judged:
            for gap in loops.gaps(instance, moment.at_ns, moment.under_way):
                gaps.setdefault(gap.harvester, []).append((gap.begin_ns, gap.end_ns))
        threads = {tid for instance in judged if len(instance.waiters) > 1 for tid in instance.waiters}
        for (tid, cause), turns in self._late.outside(threads, gaps).items():
            finding = self._late_finding(moment, tid, cause, turns)
            if finding is not None:
                findings.append(finding)
        return found(self.tag, findings, evicted=loops.evicted + self._late.evicted)

    def _of(self, moment: Moment, instance: Instance) -> list[Finding]:
        causes: dict[tuple[int, int], _Blocks] = {}
        for gap in self._shared.loops.gaps(instance, moment.at_ns, moment.under_way):
            stays = self._shared.stays.during(gap.harvester, gap.begin_ns, gap.end_ns)
            stays += _present(moment.under_way, gap)
            cause = self._cause(gap, stays)
            stretches: list[Stretch] = []
            if cause is None:
                stretches = self._stretches.during(gap.harvester, gap.begin_ns, gap.end_ns)
                cause, stretches = _of_many(stretches, gap)
            if cause is None or (cause == OUTSIDE and _is_polled(moment, instance)):
                continue
            blocks = causes.setdefault((gap.harvester, cause), _Blocks())
            if cause == OUTSIDE:
                computed = self._computed(gap.harvester, gap.begin_ns, gap.end_ns)
                if computed is False:
                    continue
                blocks.told &= computed is True
            blocks.gaps.append(gap)
            blocks.stretches += stretches
            mine = [] if stretches else [stay for stay in stays if stay.opcode == cause]
            blocks.stays += mine
            blocks.files.update((stay.fd, stay.file) for stay in mine)
        return [
            self._finding(moment, instance, tid, cause, blocks)
            for (tid, cause), blocks in causes.items()
            if blocks.gaps
        ]

    def _computed(self, tid: int, begin_ns: int, end_ns: int) -> bool | None:
        """Whether a thread that was in no call ran, and did not wait for a processor; None: not observed."""
        around = self._shared.looks.around(tid, begin_ns, end_ns)
        # Each bounds the time in between from above, so that little of one proves the other.
        if around is None or (2 * around[0] >= end_ns - begin_ns and 2 * around[1] >= end_ns - begin_ns):
            return None
        return 2 * around[0] >= end_ns - begin_ns

    def _late_finding(self, moment: Moment, tid: int, cause: int, turns: HeldTurns) -> Finding | None:
        computed = None
        if cause == OUTSIDE:
            told = [self._computed(tid, each.arrived_ns, each.read_ns) for each in turns.late]
            if False in told:
                return None
            computed = None not in told
        sure = cause != OUTSIDE or bool(computed)
        name = None if cause == OUTSIDE else self._shared.name(cause)
        where = "in no system call" if name is None else f"in {name}"
        longest = max(each.ns for each in turns.late)
        held_ns = sum(stay.end_ns - stay.begin_ns for stay in turns.stays)
        share = held_ns / max(moment.duration_ns, 1)
        severe = longest >= WARNING_NS or (len(turns.stays) >= OFTEN and share >= OFTEN_SHARE)
        longest_stay = max(stay.end_ns - stay.begin_ns for stay in turns.stays)
        evidence = [
            Evidence(
                f"{len(turns.stays):,} times it stayed {where}, the longest {longest_stay / 1e6:,.1f} ms",
                {"call": name, "blocks": len(turns.stays), "longest_block_ns": longest_stay},
            ),
            Evidence(
                f"{len(turns.late):,} times data that it had been told of before waited for that, up to "
                f"{longest / 1e6:,.1f} ms; the other threads of the loop could not know",
                {"late": len(turns.late), "longest_late_ns": longest},
            ),
        ]
        if not sure:
            evidence.append(Evidence(_NOT_TOLD))
        last = turns.stays[-1]
        return Finding(
            self.tag,
            Severity.WARNING if severe and sure else Severity.INFO,
            Confidence.HIGH if sure else Confidence.LOW,
            f"a thread of the event loop is blocked {'by computing' if name is None else where}",
            moment.thread(tid, fd=last.fd, file=last.file),
            tuple(evidence),
            "Others go on with the loop, but what this thread took from it waits until it is done.",
            _ADVICE.get(name or "", _COMPUTING if name is None else _OTHER),
            Window(turns.late[0].arrived_ns, turns.late[-1].read_ns),
        )

    def _cause(self, gap: Gap, stays: list[Stay]) -> int | None:
        covered: Counter[int] = Counter()
        for stay in stays:
            covered[stay.opcode] += stay.overlap_ns(gap.begin_ns, gap.end_ns)
        waits = self._shared.wait_opcodes
        likely = [(ns, opcode) for opcode, ns in covered.items() if opcode not in waits]
        ns, opcode = max(likely, default=(0, 0))
        return opcode if 2 * ns >= gap.ns else None

    def _finding(self, moment: Moment, instance: Instance, tid: int, cause: int, blocks: _Blocks) -> Finding:
        computing = cause == OUTSIDE
        name = None if computing else self._shared.name(cause)
        longest = max(gap.ns for gap in blocks.gaps)
        total = sum(gap.ns for gap in blocks.gaps)
        share = total / max(moment.duration_ns, 1)
        severe = longest >= WARNING_NS or (len(blocks.gaps) >= OFTEN and share >= OFTEN_SHARE)
        if computing and not blocks.told:
            severe = False
        fd, file = blocks.files.most_common(1)[0][0] if blocks.files else (-1, 0)
        what = "in no system call" if computing else f"in {name}"
        on = moment.description(instance.file)
        times = [stay.end_ns - stay.begin_ns for stay in blocks.stays]
        times += [stretch.end_ns - stretch.begin_ns for stretch in blocks.stretches]
        evidence = [
            Evidence(
                f"{len(times):,} times it stayed {what}, the longest {max(times) / 1e6:,.1f} ms",
                {"call": name, "blocks": len(times), "longest_block_ns": max(times)},
            ),
            Evidence(
                f"{len(blocks.gaps):,} times nobody waited on {on or 'the descriptors'}, for up to "
                f"{longest / 1e6:,.1f} ms and {total / 1e6:,.0f} ms in all ({share:.0%} of the capture)",
                {"gaps": len(blocks.gaps), "longest_gap_ns": longest, "total_ns": total, "share": share},
            ),
        ]
        if blocks.stretches:
            evidence.append(_many(blocks.stretches, cause, name))
        if computing and not blocks.told:
            evidence.append(Evidence(_NOT_TOLD))
        return Finding(
            self.tag,
            Severity.WARNING if severe else Severity.INFO,
            Confidence.HIGH if not computing or blocks.told else Confidence.LOW,
            f"the event loop is blocked {'by computing' if computing else f'in {name}'}",
            moment.thread(tid, fd=fd, file=file),
            tuple(evidence),
            "Meanwhile no other connection of this loop is served: every request pays for the slowest.",
            _ADVICE.get(name or "", _COMPUTING if computing else _OTHER),
            Window(blocks.gaps[0].begin_ns, blocks.gaps[-1].end_ns),
        )


def _present(under_way: Batch | None, gap: Gap) -> list[Stay]:
    """The call that the harvester is in now, if it began before the gap's end."""
    if under_way is None:
        return []
    rows = under_way[(under_way["tid"] == gap.harvester) & (under_way["ring"] == 0)]
    rows = rows[(rows["kind"] == Kind.UNFINISHED) & (rows["submitted_ns"] < gap.end_ns)]
    stays = [stay_of(row, gap.end_ns) for row in rows]
    return [stay for stay in stays if stay.overlap_ns(gap.begin_ns, gap.end_ns)]


def _of_many(stretches: list[Stretch], gap: Gap) -> tuple[int | None, list[Stretch]]:
    """The cause that covers half of a gap by stretches, and these."""
    covered: Counter[int] = Counter()
    for each in stretches:
        if each.cause is not None:
            covered[each.cause] += each.overlap_ns(gap.begin_ns, gap.end_ns)
    cause, ns = max(covered.items(), key=lambda item: item[1], default=(OUTSIDE, 0))
    if not ns or 2 * ns < gap.ns:
        return None, []
    return cause, [each for each in stretches if each.cause == cause]


def _many(stretches: list[Stretch], cause: int, name: str | None) -> Evidence:
    if name is None:
        calls = sum(each.calls for each in stretches)
        text = f"in {len(stretches):,} of these times with short calls in between, {calls:,} in all"
        return Evidence(text, {"short_calls": calls})
    calls = sum(each.sleeps[cause] for each in stretches)
    text = f"in {len(stretches):,} of these times with {calls:,} calls of {name}, one after another"
    return Evidence(text, {"calls_in_a_row": calls})


def _is_beside(instance: Instance, other: Instance) -> bool:
    """Of an epoll instance and a ring that the same threads wait on the one they wait on less is no loop.

    libuv has a ring to change its epoll instance with, and a ring may poll one.
    """
    kinds = {instance.is_ring, other.is_ring} == {True, False} and not (instance.is_thread or other.is_thread)
    return kinds and instance.waiters.keys() <= other.waiters.keys() and instance.waits < other.waits


def _is_polled(moment: Moment, instance: Instance) -> bool:
    """A ring with SQPOLL: its thread submits and takes completions without any call."""
    if not instance.is_ring:
        return False
    mine = (ring for ring in moment.facts.rings if (ring.tgid, ring.fd) == (instance.tgid, instance.fd))
    return any(ring.flags is not None and bool(ring.flags & SQPOLL) for ring in mine)


_NOT_TOLD = "whether it computed or waited for a processor was not observed"
_OTHER = "Do it in another thread (a pool), or ask for it without blocking."
_COMPUTING = "Compute in another thread or process, or in pieces with a return to the loop between them."
_SLEEP = "Use the loop's own timer: asyncio.sleep, tokio::time::sleep, setTimeout, timerfd."
_NAMES = "Ask for names without blocking: loop.getaddrinfo, c-ares, a resolver of the runtime."
_LOCK = "Hold locks for less time, or wait for them outside of the loop."
_READ = "Read files in a pool of threads (asyncio.to_thread, spawn_blocking), with io_uring, or O_NONBLOCK."
_ADVICE = {
    "clock_nanosleep": _SLEEP,
    "nanosleep": _SLEEP,
    "poll": _NAMES,
    "ppoll": _NAMES,
    "futex": _LOCK,
    "read": _READ,
    "pread64": _READ,
    "write": _READ,
    "fsync": _READ,
    "fdatasync": _READ,
}

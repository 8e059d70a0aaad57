"""`tiny-writes`: what belongs together is written in small pieces.

Two things come of it. Where the kernel gathers small segments (no TCP_NODELAY) the second piece
waits until the first is acknowledged, and a peer that waits for the rest acknowledges only when its timer
has expired: 40 ms (Nagle against delayed ACK; TCP_DELACK_MIN, include/net/tcp.h). That is told by the
time from the first piece until something is read again, which then is that timer and nothing
else. Where nothing is delayed, every piece still costs a call.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

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
from uringtrace.tracer.findings.room import Room
from uringtrace.tracer.findings.rule import Moment, Shared
from uringtrace.tracer.findings.step import Step
from uringtrace.tracer.findings.turns import MOST_THREADS
from uringtrace.tracer.findings.write_runs import WriteRuns
from uringtrace.tracer.source import File

SMALL = 1460
"""Bytes: less than a segment of Ethernet."""
TIMER_MS = range(38, 53)
"""TCP_DELACK_MIN, a tick of the slowest kernel's clock (HZ 100) and the way there and back."""
LATEST_MIDDLE_MS = 48
"""Of half of the waits: what comes twenty times a second has a clock of its own."""
FEWEST_WAITS, SHARE_OF_RUNS = 10, 0.5
SURE_WAITS, SURE_SHARE = 20, 0.8
FEWEST_CALLS, SHARE_OF_CALLS, INFO_SHARE = 100, 0.5, 0.4
"""Writes that could have been left out, and their part of all calls of the process."""
TOGETHER_NS = 1_000_000
"""For each write of a run: what comes in so short a time could have been gathered."""
_MOST_FILES, _MOST_SOCKETS = 4096, 1 << 16
_LONGEST_MS = 1000
_TCP, _NODELAY = 6, 1
"""Arguments of setsockopt (include/uapi/linux/tcp.h)."""


@dataclass(slots=True)
class _Process:
    """What one process wrote in pieces, over TCP."""

    runs: int = 0
    writes: int = 0
    calls: int = 0
    """Those of `writes` that are system calls, of runs whose pieces all are small and come together."""
    call_runs: int = 0
    bytes: int = 0
    waits: NDArray[np.int64] = field(default_factory=lambda: np.zeros(_LONGEST_MS, np.int64))
    """Runs without TCP_NODELAY, by the milliseconds from their first write until something was read."""
    delayed: Counter[int] = field(default_factory=Counter)
    """Runs that ended with the timer, by file."""
    pieces: Counter[int] = field(default_factory=Counter)
    """Writes by file."""
    where: dict[int, tuple[int, int]] = field(default_factory=dict)
    """Thread and descriptor of each file."""
    first_ns: int = 0
    last_ns: int = 0


class TinyWrites:
    tag: ClassVar[str] = "tiny-writes"

    def __init__(self, shared: Shared) -> None:
        self._runs = WriteRuns(shared.context)
        self._setsockopt = shared.opcode("setsockopt")
        self._accepts = shared.mask("accept", "accept4", "ACCEPT")
        self._at_once: dict[int, None] = {}
        """Inodes of sockets that are known to have TCP_NODELAY, the newest: a socket has another file number
        once it is connected, or listens."""
        self._processes: dict[int, _Process] = {}
        self._calls: Counter[int] = Counter()
        """All system calls of each process."""
        self._room = Room(MOST_THREADS)
        self._files_room = Room(_MOST_FILES)

    def observe(self, step: Step) -> None:
        if step.has_calls:
            self._note_options(step)
            tgid = step.column("tgid")[step.returned]
            if len(tgid):
                numbers, counts = _counted(tgid)
                for number, count in zip(numbers.tolist(), counts.tolist(), strict=True):
                    if self._room.has(self._calls, number):
                        self._calls[number] += count
        runs = _in_pieces(self._runs.observe(step), step.files)
        for number in np.unique(runs["tgid"]).tolist():
            if self._room.has(self._processes, number):
                mine = runs[runs["tgid"] == number]
                held = ~self._has_option(step, mine["file"])
                self._add(self._processes.setdefault(number, _Process()), mine, held)

    def _note_options(self, step: Step) -> None:
        """Who has TCP_NODELAY: by setsockopt, or accepted from a listener that has it."""
        options = np.flatnonzero(step.returned & (step.column("opcode") == self._setsockopt))
        if len(options):
            rows = step.operations[options]
            chosen = (rows["result"] == 0) & (rows["arg1"] == _TCP) & (rows["arg2"] == _NODELAY)
            for index in options[chosen].tolist():
                self._note(step, int(step.column("file")[index]), _is_set(step, index))
        if self._at_once:
            accepts = np.flatnonzero(step.completed & self._accepts[step.column("opcode")])
            inherits = accepts[self._has_option(step, step.column("file")[accepts])]
            for number in step.column("result_file")[inherits].tolist():
                self._note(step, number, True)

    def _note(self, step: Step, number: int, at_once: bool) -> None:
        file = step.files.get(number)
        if file is None:
            return
        self._at_once.pop(file.inode, None)
        if at_once:
            self._at_once[file.inode] = None
            if len(self._at_once) > _MOST_SOCKETS:
                del self._at_once[next(iter(self._at_once))]

    def _has_option(self, step: Step, files: NDArray[np.uint32]) -> NDArray[np.bool_]:
        """Which of these file numbers stand for such a socket; same shape."""
        if not self._at_once:
            return np.zeros(len(files), bool)
        known = ((number, step.files.get(number)) for number in np.unique(files).tolist())
        chosen = [number for number, file in known if file is not None and file.inode in self._at_once]
        return np.isin(files, chosen)

    def _add(self, process: _Process, runs: NDArray[np.void], held: NDArray[np.bool_]) -> None:
        """`held`: those of sockets that are not known to have TCP_NODELAY, shape (n,)."""
        process.runs += len(runs)
        process.writes += int(runs["writes"].sum())
        process.bytes += int(runs["bytes"].sum())
        process.first_ns = process.first_ns or int(runs["first_ns"].min())
        process.last_ns = max(process.last_ns, int(runs["read_ns"].max()))
        short = runs["last_ns"] - runs["first_ns"] <= np.uint64(TOGETHER_NS) * runs["writes"]
        gathered = runs["call"] & (runs["largest"] < SMALL) & short
        process.calls += int(runs["writes"][gathered].sum())
        process.call_runs += int(gathered.sum())
        milliseconds = (runs["read_ns"] - runs["first_ns"]) // np.uint64(1_000_000)
        milliseconds = np.minimum(milliseconds, np.uint64(_LONGEST_MS - 1)).astype(np.intp)
        process.waits += np.bincount(milliseconds[held], minlength=_LONGEST_MS)
        delayed = held & (milliseconds >= TIMER_MS.start) & (milliseconds < TIMER_MS.stop)
        files, one, of = np.unique(runs["file"], return_index=True, return_inverse=True)
        writes = np.bincount(of, runs["writes"]).astype(np.int64)
        waits = np.bincount(of, delayed).astype(np.int64)
        columns = (files, writes, waits, runs["tid"][one], runs["fd"][one])
        for file, pieces, late, tid, fd in zip(*(each.tolist() for each in columns), strict=True):
            if self._files_room.has(process.where, file):
                process.pieces[file] += pieces
                process.delayed[file] += late
                process.where[file] = tid, fd

    def judge(self, moment: Moment) -> Verdict:
        if not self._runs.wrote:
            return not_applicable(self.tag, "connections that are written to")
        still_open = _in_pieces(self._runs.still_open, moment.facts.files)
        findings = []
        for number, process in self._processes.items():
            pieces = _pieces(process, still_open[still_open["tgid"] == number])
            finding = self._delayed(moment, process, pieces)
            finding = finding or self._costly(moment, number, process, pieces)
            if finding is not None:
                findings.append(finding)
        evicted = self._room.evicted + self._files_room.evicted + self._runs.evicted
        return found(self.tag, findings, evicted=evicted)

    def _delayed(self, moment: Moment, process: _Process, pieces: Evidence) -> Finding | None:
        waits = int(process.waits[TIMER_MS.start : TIMER_MS.stop].sum())
        held = int(process.waits.sum())
        if waits < FEWEST_WAITS or waits < SHARE_OF_RUNS * held:
            return None
        median = int(np.searchsorted(np.cumsum(process.waits), held / 2))
        if median > LATEST_MIDDLE_MS:
            return None
        file, most = process.delayed.most_common(1)[0]
        tid, fd = process.where[file]
        connections = sum(count > 0 for count in process.delayed.values())
        return Finding(
            self.tag,
            Severity.WARNING,
            Confidence.HIGH if waits >= SURE_WAITS and waits >= SURE_SHARE * held else Confidence.MEDIUM,
            "small writes wait for the peer's delayed acknowledgement",
            moment.thread(tid, fd=fd, file=file),
            (
                pieces,
                Evidence(
                    f"{waits:,} of {held:,} times the peer went on {TIMER_MS.start} to {TIMER_MS.stop} ms "
                    f"after the first of them, as long as an acknowledgement is put off; the median is "
                    f"{median} ms",
                    {"waits": waits, "runs": held, "median_ns": median * 1_000_000},
                ),
                Evidence(
                    f"on {connections:,} connections; {most:,} times on this one",
                    {"connections": connections, "waits_here": most},
                ),
            ),
            "The second piece leaves when the first is acknowledged (Nagle), and the peer, which waits for "
            "it, acknowledges only when its timer has expired: 40 ms for each exchange, and nobody works.",
            "Gather what belongs together into one write (writev, sendmsg, a buffer, MSG_MORE); or set "
            "TCP_NODELAY.",
            Window(process.first_ns, process.last_ns),
        )

    def _costly(self, moment: Moment, tgid: int, process: _Process, pieces: Evidence) -> Finding | None:
        avoidable, calls = process.calls - process.call_runs, self._calls[tgid]
        if avoidable < FEWEST_CALLS or avoidable < INFO_SHARE * calls:
            return None
        file = process.pieces.most_common(1)[0][0]
        tid, fd = process.where[file]
        share = avoidable / calls
        return Finding(
            self.tag,
            Severity.WARNING if share >= SHARE_OF_CALLS else Severity.INFO,
            Confidence.HIGH,
            "many small writes where one would do",
            moment.thread(tid, fd=fd, file=file),
            (
                pieces,
                Evidence(
                    f"{avoidable:,} of the {calls:,} calls of the process ({share:.0%}) could have been "
                    "left out",
                    {"avoidable": avoidable, "calls": calls, "share": share},
                ),
            ),
            "Nothing waits for them, but each costs an entry into the kernel and a segment of its own.",
            "Gather what belongs together into one write: a buffer that is flushed once, writev, sendmsg.",
            Window(process.first_ns, process.last_ns),
        )


def _pieces(process: _Process, still_open: NDArray[np.void]) -> Evidence:
    """What was written, what nothing was read after so far included."""
    writes = process.writes + int(still_open["writes"].sum())
    runs, size = process.runs + len(still_open), process.bytes + int(still_open["bytes"].sum())
    return Evidence(
        f"{writes:,} writes of {size / writes:,.0f} bytes each, {writes / runs:.1f} before something was "
        "read again",
        {"writes": writes, "written": runs, "bytes": size},
    )


def _in_pieces(runs: NDArray[np.void], files: Mapping[int, File]) -> NDArray[np.void]:
    """Those of several writes, one of them small, over TCP."""
    runs = runs[(runs["writes"] > 1) & (runs["smallest"] < SMALL)]
    tcp = [number for number in np.unique(runs["file"]).tolist() if _is_tcp(files.get(number))]
    return runs[np.isin(runs["file"], tcp)]


def _counted(values: NDArray[np.uint32]) -> tuple[NDArray[np.uint32], NDArray[np.intp]]:
    """Different values and how often each is there; most often there is one process."""
    if (values == values[0]).all():
        return values[:1], np.array([len(values)])
    return np.unique(values, return_counts=True)


def _is_set(step: Step, row: int) -> bool:
    """What a call of setsockopt gave; what was not captured counts as set."""
    memory = step.records.memory
    first, last = np.searchsorted(memory["row"], [row, row + 1])
    pieces = memory[first:last]
    pieces = pieces[pieces["argument"] == 3]
    return not len(pieces) or any(bytes(pieces["data"][0])[: int(pieces["length"][0])])


def _is_tcp(file: File | None) -> bool:
    return file is not None and file.socket is not None and file.socket.protocol == "tcp"

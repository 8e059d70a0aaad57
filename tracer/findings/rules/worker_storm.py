"""`worker-storm`: a process has many worker threads of io-wq, or gets new ones again and again.

Each operation that blocks in a worker keeps it. For files and block devices there are at most four
workers for each processor, for everything else as many as RLIMIT_NPROC lets there be (io_wq_create,
io_uring/io-wq.c). How many there are is seen in /proc while a capture runs. A recording tells how many
operations were with workers at once, and that counts where nothing bounds them.
"""

from __future__ import annotations

import os
from collections import Counter
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from uringtrace.tracer.findings.finding import (
    Confidence,
    Evidence,
    Finding,
    Severity,
    Subject,
    Verdict,
    Window,
    found,
    not_applicable,
)
from uringtrace.tracer.findings.room import Room
from uringtrace.tracer.findings.rule import Moment, Shared
from uringtrace.tracer.findings.rules.io_wq import file_kind
from uringtrace.tracer.findings.step import Step
from uringtrace.tracer.findings.thread_looks import Workers
from uringtrace.tracer.record import OPERATION, Batch, Kind, Path

FEWEST = 32
PER_PROCESSOR = 4
"""What the kernel itself takes for the bound of workers on files."""
LONG_NS = 1_000_000
"""What is shorter holds no worker for long."""
_KEPT = 8192
_MOST_PROCESSES = 1024

_FIELDS = ("submitted_ns", "completed_ns", "opcode", "fd", "file", "ring")
_HELD = np.dtype([(name, OPERATION[name]) for name in _FIELDS])
"""An operation that was with a worker; the names are those of `OPERATION`."""


class WorkerStorm:
    tag: ClassVar[str] = "worker-storm"

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._seen = False
        self._held: dict[int, NDArray[np.void]] = {}
        """By process: the newest operations that held a worker for long, dtype `_HELD`."""
        self._room = Room(_MOST_PROCESSES)
        self._evicted = 0

    def observe(self, step: Step) -> None:
        if not step.has_operations:
            return
        self._seen = True
        punted = step.operation_completed & (step.column("path") & Path.IO_WQ != 0)
        if not punted.any():
            return
        index = np.flatnonzero(punted)
        begun, ended = step.column("submitted_ns")[index], step.column("completed_ns")[index]
        index = index[(begun > 0) & (ended - np.minimum(begun, ended) >= np.uint64(LONG_NS))]
        tgid = step.column("tgid")[index]
        for number in np.unique(tgid).tolist():
            mine = index[tgid == number]
            if self._room.has(self._held, number, len(mine)):
                held = np.concatenate(
                    [self._held.get(number, np.zeros(0, _HELD)), _held(step.operations[mine])]
                )
                self._evicted += max(0, len(held) - _KEPT)
                self._held[number] = held[-_KEPT:]

    def judge(self, moment: Moment) -> Verdict:
        workers = self._shared.looks.workers
        if not self._seen and not workers:
            return not_applicable(self.tag, "an io_uring operation that completed")
        held = dict(self._held)
        if moment.under_way is not None:
            rows = moment.under_way
            rows = rows[
                (rows["path"] & Path.IO_WQ != 0) & (rows["ring"] > 0) & (rows["kind"] == Kind.UNFINISHED)
            ]
            for number in np.unique(rows["tgid"]).tolist():
                before = held.get(number, np.zeros(0, _HELD))
                held[number] = np.concatenate([before, _held(rows[rows["tgid"] == number])])
        findings = []
        for number in sorted({*held, *workers}):
            finding = self._finding(moment, number, held.get(number, np.zeros(0, _HELD)), workers.get(number))
            if finding is not None:
                findings.append(finding)
        return found(self.tag, findings, evicted=self._room.evicted + self._evicted)

    def _finding(
        self, moment: Moment, tgid: int, held: NDArray[np.void], workers: Workers | None
    ) -> Finding | None:
        looked = self._shared.looks.looked
        fewest = max(FEWEST, PER_PROCESSOR * (os.cpu_count() or 1) + 1) if looked else FEWEST
        if workers is not None:
            if max(workers.most, len(workers.met) // 2) < fewest:
                return None
        elif looked:
            return None
        # Of files the kernel bounds them, whatever waits.
        unbounded = held[[not _is_bounded(moment, number) for number in held["file"].tolist()]]
        at_once, concerned = _most_at_once(held if workers is not None else unbounded)
        if workers is None and at_once < fewest:
            return None
        evidence = []
        if workers is not None:
            evidence.append(
                Evidence(
                    f"{workers.most:,} threads iou-wrk-{tgid} at once, {len(workers.met):,} in all",
                    {"workers": workers.most, "workers_in_all": len(workers.met)},
                )
            )
        subject = Subject(tgid=tgid)
        window = None if workers is None else Window(workers.first_ns, workers.most_ns)
        if at_once:
            opcode, count = Counter(concerned["opcode"].tolist()).most_common(1)[0]
            name = self._shared.name(opcode)
            row = concerned[concerned["opcode"] == opcode][-1]
            fd, file = int(row["fd"]), int(row["file"])
            subject = Subject(
                tgid=tgid, fd=fd if fd >= 0 else None, file=moment.description(file), ring=int(row["ring"])
            )
            window = Window(int(concerned["submitted_ns"].min()), int(concerned["completed_ns"].max()))
            evidence.append(
                Evidence(
                    f"{at_once:,} operations were with workers at once, {count:,} of them {name}",
                    {"at_once": at_once, "operation": name, "of_operation": count},
                )
            )
        if workers is None:
            evidence.append(Evidence("the threads themselves were not observed"))
        return Finding(
            self.tag,
            Severity.WARNING,
            Confidence.HIGH if workers is not None else Confidence.MEDIUM,
            "io_uring has a crowd of worker threads",
            subject,
            tuple(evidence),
            "Each operation that blocks keeps a thread, with its stack and its switches: what the ring was "
            "to save. They count against RLIMIT_NPROC, and where that is reached operations wait for others.",
            "Set a bound (IORING_REGISTER_IOWQ_MAX_WORKERS); ask for what can be polled in place of what "
            "blocks (RECV and SEND for SPLICE), and submit slow files a few at a time.",
            window,
        )


def _held(rows: Batch) -> NDArray[np.void]:
    kept = np.zeros(len(rows), _HELD)
    for name in _FIELDS:
        kept[name] = rows[name]
    return kept


def _most_at_once(held: NDArray[np.void]) -> tuple[int, NDArray[np.void]]:
    """How many were under way together when there were most, and which."""
    if not len(held):
        return 0, held
    begin = np.sort(held["submitted_ns"])
    at_once = np.arange(1, len(begin) + 1) - np.searchsorted(
        np.sort(held["completed_ns"]), begin, side="right"
    )
    moment = begin[int(np.argmax(at_once))]
    return int(at_once.max()), held[(held["submitted_ns"] <= moment) & (held["completed_ns"] > moment)]


def _is_bounded(moment: Moment, number: int) -> bool:
    """Files and block devices (io_prep_async_work, io_uring/io_uring.c); what is not known may be one."""
    return file_kind(moment.facts.files.get(number)) in ("file", "device", "an unknown file")

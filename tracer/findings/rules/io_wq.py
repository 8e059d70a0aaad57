"""`io-wq-punts`: operations that a worker thread of the kernel had to carry out.

An operation that would block where it was submitted goes to io-wq (io_uring/io-wq.c): two
switches of threads, and a worker for each that blocks. Reads and writes that always go there
are a sign that the file cannot be asked without blocking (FMODE_NOWAIT), or that IOSQE_ASYNC
asked for it. Operations that the kernel can only do there (openat, fsync, …) are no more than
worth knowing.
"""

from __future__ import annotations

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
from uringtrace.tracer.findings.step import Step
from uringtrace.tracer.record import OPCODES, SQE_ASYNC, Path
from uringtrace.tracer.source import File

FEWEST = 20
SHARE = 0.10
"""Of all completions of an operation; below both it is only worth knowing."""
_MOST_KEPT = 4096

_DATA = """
READ READV READ_FIXED READV_FIXED WRITE WRITEV WRITE_FIXED WRITEV_FIXED SEND SENDMSG SEND_ZC SENDMSG_ZC
RECV RECVMSG ACCEPT CONNECT READ_MULTISHOT
"""


class WorkerPunts:
    tag: ClassVar[str] = "io-wq-punts"

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._data = shared.mask(*_DATA.split())
        self._totals = np.zeros(OPCODES, np.int64)
        self._punts: Counter[tuple[int, int]] = Counter()
        """By opcode and file."""
        self._asked: Counter[int] = Counter()
        """By opcode, as the next two."""
        self._windows: dict[int, Window] = {}
        self._at_once: Counter[int] = Counter()
        self._places: dict[tuple[int, int], tuple[int, int, int]] = {}
        """Ring, process and descriptor of the last one, by opcode and file."""
        self._room = Room(_MOST_KEPT)

    def observe(self, step: Step) -> None:
        if not step.has_operations:
            return
        completed = step.operation_completed
        self._totals += np.bincount(step.column("opcode")[completed], minlength=OPCODES)
        punted = completed & (step.column("path") & Path.IO_WQ != 0)
        if not punted.any():
            return
        index = np.flatnonzero(punted)
        opcode, asked = step.column("opcode")[index], step.column("sqe_flags")[index] & SQE_ASYNC != 0
        for number in np.unique(opcode).tolist():
            chosen = opcode == number
            self._add(step, number, index[chosen])
            self._asked[number] += int(asked[chosen].sum())

    def _add(self, step: Step, opcode: int, index: NDArray[np.intp]) -> None:
        begun, ended = step.column("submitted_ns")[index], step.column("completed_ns")[index]
        self._at_once[opcode] = max(self._at_once[opcode], _most_at_once(begun, ended))
        start = self._windows[opcode].start_ns if opcode in self._windows else int(begun.min())
        self._windows[opcode] = Window(start, int(ended[-1]))
        file = step.column("file")[index]
        files, last, counts = np.unique(file[::-1], return_index=True, return_counts=True)
        last = index[len(index) - 1 - last]
        columns = (step.column(name)[last].tolist() for name in ("ring", "tgid", "fd"))
        for number, count, *place in zip(files.tolist(), counts.tolist(), *columns, strict=True):
            name = opcode, number
            if not self._room.has(self._punts, name, count):
                continue
            self._punts[name] += count
            self._places[name] = place[0], place[1], place[2]

    def judge(self, moment: Moment) -> Verdict:
        if not self._totals.any():
            return not_applicable(self.tag, "an io_uring operation that completed")
        by_kind: dict[tuple[int, str], list[tuple[int, int]]] = {}
        for opcode, file in self._punts:
            kind = file_kind(moment.facts.files.get(file)) if file else "no file"
            by_kind.setdefault((opcode, kind), []).append((opcode, file))
        findings = [self._finding(moment, opcode, kind, keys) for (opcode, kind), keys in by_kind.items()]
        return found(self.tag, findings, evicted=self._room.evicted)

    def _finding(self, moment: Moment, opcode: int, kind: str, keys: list[tuple[int, int]]) -> Finding:
        punts = sum(self._punts[key] for key in keys)
        total = int(self._totals[opcode])
        share = punts / total
        name = self._shared.name(opcode)
        busiest = max(keys, key=lambda key: self._punts[key])
        ring, tgid, fd = self._places[busiest]
        often = punts >= FEWEST and share >= SHARE and bool(self._data[opcode])
        at_once, asked = self._at_once[opcode], self._asked[opcode]
        evidence = [
            Evidence(
                f"{punts:,} of {total:,} {name} ({share:.0%}) went to a worker thread, on {kind}",
                {"operation": name, "file_type": kind, "punts": punts, "completions": total, "share": share},
            ),
            Evidence(
                f"at least {at_once:,} {name} at once: each that blocks needs a worker of its own",
                {"at_once": at_once},
            ),
        ]
        if asked:
            evidence.append(
                Evidence(f"IOSQE_ASYNC asked for it {asked:,} times, on any file", {"asked": asked})
            )
        return Finding(
            self.tag,
            Severity.WARNING if often else Severity.INFO,
            Confidence.HIGH,
            f"{name} on {kind} is carried out by worker threads",
            Subject(tgid=tgid, fd=fd if fd >= 0 else None, file=moment.description(busiest[1]), ring=ring),
            tuple(evidence),
            "A worker costs two switches of threads for each operation, and one thread for each that blocks; "
            "writes to one file wait for each other.",
            _advice(kind, asked=asked >= punts, data=bool(self._data[opcode])),
            self._windows[opcode],
        )


def _advice(kind: str, *, asked: bool, data: bool) -> str:
    if asked:
        return "Leave IOSQE_ASYNC out where the operation rarely blocks."
    if not data:
        return "The kernel has no other way for this operation: do it less often, or keep what it opens."
    if kind == "file":
        return (
            "Use O_DIRECT, or a file system that writes buffered without blocking (XFS, Btrfs); gather small "
            "writes; limit the workers with IORING_REGISTER_IOWQ_MAX_WORKERS."
        )
    return "Open it with O_NONBLOCK, so that io_uring arms a poll in place of a worker."


def _most_at_once(begun: NDArray[np.uint64], ended: NDArray[np.uint64]) -> int:
    """Most intervals that overlap; those of other batches are not counted."""
    begin, end = np.sort(begun), np.sort(ended)
    open_then = np.arange(1, len(begin) + 1) - np.searchsorted(end, begin, side="right")
    return int(open_then.max())


def file_kind(file: File | None) -> str:
    """`file`, `tcp`, `pipe`, `eventfd`, …"""
    if file is None:
        return "an unknown file"
    if file.socket is not None:
        return file.socket.protocol
    text = file.description
    if text.startswith("/"):
        return "device" if text.startswith("/dev/") else "file"
    return text.removeprefix("anon_inode:").partition(":")[0].strip("[]") or "an unknown file"

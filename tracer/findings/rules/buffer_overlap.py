"""`buffer-overlap`: two requests in flight on the same memory, at least one of which writes into it.

What the other reads or writes is then either's data. Two sends of one buffer are no hazard, nor
are operations of one chain, which run one after the other. Rows of the drains before are kept
only so far: what is counted is a lower bound.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from uringtrace.probes.rows import copy_rows, join_rows
from uringtrace.tracer.connections.by_slot import order_of
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
from uringtrace.tracer.findings.rule import Moment, Shared
from uringtrace.tracer.findings.step import Step
from uringtrace.tracer.record import SQE_BUFFER_SELECT, SQE_IO_DRAIN

_INTO = "READ READ_FIXED RECV"
"""The kernel writes into the memory at `addr`, of `len` bytes."""
_FROM = "WRITE WRITE_FIXED SEND SEND_ZC"
_CARRIED = 8192
_LOOKED_AT = 64
"""Suspects that are looked at one by one, of each drain."""
_MULTISHOT = 1 << 1

_SPAN = np.dtype(
    [
        ("tgid", "<u4"),
        ("begin", "<u8"),
        ("end", "<u8"),
        ("submitted_ns", "<u8"),
        ("completed_ns", "<u8"),
        ("into", "?"),
        ("ring", "<u4"),
        ("chain", "<u8"),
        ("opcode", "<u2"),
        ("fd", "<i4"),
        ("tid", "<u4"),
        ("fresh", "?"),
    ]
)


@dataclass(frozen=True, slots=True)
class _Example:
    first: str
    second: str
    begin: int
    end: int
    subject: Subject
    window: Window


class BufferOverlap:
    tag: ClassVar[str] = "buffer-overlap"

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._into, self._from = shared.mask(*_INTO.split()), shared.mask(*_FROM.split())
        self._either = self._into | self._from
        self._recv = shared.mask("RECV")
        self._kept = np.zeros(0, _SPAN)
        self._seen = 0
        self._pairs = 0
        self._example: _Example | None = None

    def observe(self, step: Step) -> None:
        if not step.has_operations:
            return
        opcode = step.column("opcode")
        chosen = step.operation_completed & self._either[opcode] & step.column("has_arguments")
        chosen &= step.column("sqe_flags") & (SQE_BUFFER_SELECT | SQE_IO_DRAIN) == 0
        chosen &= (step.column("submitted_ns") > 0) & (step.column("sequence") == 0)
        chosen &= (step.column("result") >= 0) & (step.column("len") > 0)
        index = np.flatnonzero(chosen)
        if not len(index):
            return
        self._seen += len(index)
        fresh = self._spans(step, index)
        self._look(join_rows([self._kept, fresh]))
        self._kept = copy_rows(fresh[-_CARRIED:])
        self._kept["fresh"] = False

    def _spans(self, step: Step, index: NDArray[np.intp]) -> NDArray[np.void]:
        spans = np.zeros(len(index), _SPAN)
        for name in ("tgid", "submitted_ns", "completed_ns", "ring", "chain", "opcode", "fd", "tid"):
            spans[name] = step.column(name)[index]
        spans["begin"] = step.column("addr")[index]
        spans["end"] = spans["begin"] + step.column("len")[index]
        spans["into"] = self._into[spans["opcode"]]
        spans["fresh"] = True
        return spans

    def _look(self, spans: NDArray[np.void]) -> None:
        """Order by place, cut into groups whose ranges touch, and look for simultaneity in each."""
        begin, tgid = np.ascontiguousarray(spans["begin"]), np.ascontiguousarray(spans["tgid"])
        order = np.argsort(begin, kind="stable")
        if (tgid != tgid[0]).any():
            order = order[np.argsort(tgid[order], kind="stable")]
        begin, tgid = begin[order], tgid[order]
        reach = np.maximum.accumulate(spans["end"][order])
        apart = np.ones(len(order), bool)
        apart[1:] = (begin[1:] >= reach[:-1]) | (tgid[1:] != tgid[:-1])
        group = np.cumsum(apart) - 1
        size = np.bincount(group)
        writes = np.bincount(group, weights=spans["into"][order]) > 0
        shared = (size > 1)[group] & writes[group]
        if not shared.any():
            return
        order, group = order[shared], group[shared]
        submitted = spans["submitted_ns"][order]
        by_time = np.argsort(submitted, kind="stable")
        by_time = by_time[order_of(group[by_time])]
        order, group, submitted = order[by_time], group[by_time], submitted[by_time]
        completed = spans["completed_ns"][order]
        base = int(submitted.min())
        end = (completed - np.uint64(base)).astype(np.int64)
        start = (submitted - np.uint64(base)).astype(np.int64)
        into = spans["into"][order]
        # The latest end so far of the same group: groups ascend, so theirs outweigh all before them.
        # Submitted after that the ranges do not meet in time.
        offset = group.astype(np.int64) * (int(end.max()) + 1)
        latest = _before(offset + end)
        latest_into = _before(np.where(into, offset + end, -1))
        suspect = (into & (offset + start < latest)) | (offset + start < latest_into)
        for place in np.flatnonzero(suspect)[:_LOOKED_AT].tolist():
            first = int(np.searchsorted(group, group[place]))
            self._compare(spans[order[first : place + 1]])

    def _compare(self, members: NDArray[np.void]) -> None:
        """Whether the last of these was in flight together with one before it."""
        last, others = members[-1], members[:-1]
        meets = (others["begin"] < last["end"]) & (last["begin"] < others["end"])
        meets &= others["completed_ns"] > last["submitted_ns"]
        meets &= others["into"] | last["into"]
        meets &= (others["ring"] != last["ring"]) | (others["submitted_ns"] != last["submitted_ns"])
        meets &= (others["chain"] != last["chain"]) | (last["chain"] == 0)
        meets &= others["fresh"] | last["fresh"]
        if not meets.any():
            return
        self._pairs += int(meets.sum())
        other = others[meets][-1]
        self._example = _Example(
            self._shared.name(int(other["opcode"])),
            self._shared.name(int(last["opcode"])),
            max(int(other["begin"]), int(last["begin"])),
            min(int(other["end"]), int(last["end"])),
            Subject(int(last["tgid"]), int(last["tid"]), fd=_fd(last), ring=int(last["ring"])),
            Window(int(other["submitted_ns"]), int(last["completed_ns"])),
        )

    def judge(self, moment: Moment) -> Verdict:
        if not self._seen:
            return not_applicable(self.tag, "operations whose memory is known")
        example = self._example
        if example is None:
            return found(self.tag, [])
        return found(
            self.tag,
            [
                Finding(
                    self.tag,
                    Severity.CRITICAL,
                    Confidence.HIGH,
                    "requests in flight share memory that one of them writes",
                    example.subject,
                    (
                        Evidence(
                            f"at least {self._pairs:,} pairs of {self._seen:,} operations",
                            {"pairs": self._pairs},
                        ),
                        Evidence(
                            f"the last: {example.first} and {example.second}, both on "
                            f"{example.begin:#x} to {example.end:#x}",
                            {
                                "first": example.first,
                                "second": example.second,
                                "begin": example.begin,
                                "end": example.end,
                            },
                        ),
                    ),
                    "Which data ends up in the memory, or is sent from it, is chance: answers get mixed up.",
                    "A buffer belongs to its request until the completion is taken: give each request its "
                    "own, or let the kernel choose (provided buffers).",
                    example.window,
                )
            ],
        )


def _before(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """The largest of those before each."""
    running = np.maximum.accumulate(values)
    return np.concatenate([[np.int64(-1)], running[:-1]])


def _fd(span: np.void) -> int | None:
    return int(span["fd"]) if span["fd"] >= 0 else None

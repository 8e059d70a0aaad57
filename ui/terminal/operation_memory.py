"""What the kept rows tell of one operation: latencies, slowest examples, who used it and on what. Pure."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from heapq import nlargest
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uringtrace.tracer.filter import Condition
from uringtrace.tracer.latency import LatencySummary, latency_summary
from uringtrace.tracer.live.picture import Picture
from uringtrace.tracer.record import CQE_F_NOTIF, Kind, duration_ns, latency_ns
from uringtrace.tracer.records import Records
from uringtrace.tracer.statistics import BUCKETS, bucket, multishot, operation_traits
from uringtrace.ui.text.operation_json import OperationJson


@dataclass(frozen=True, slots=True)
class Example:
    """One row, with its memory."""

    records: Records
    duration_ns: int


@dataclass(frozen=True, slots=True)
class OperationMemory:
    """All kept rows of one operation for which the filter holds."""

    rows: int
    histogram: NDArray[np.uint64]
    """Shape (BUCKETS,), by the rules of `statistics.accumulate`."""
    latency: LatencySummary | None
    slowest: Sequence[Example]
    """The longest first."""
    threads: Sequence[tuple[int, int]]
    """Thread and how often, the most frequent first."""
    files: Sequence[tuple[str, int]]
    """What it was used on and how often, the most frequent first."""


def memory_of(picture: Picture, opcode: int, condition: Condition | None, examples: int) -> OperationMemory:
    """Look through all kept rows."""
    recent = picture.recent
    traits = operation_traits(picture.context.operation_names)
    histogram = np.zeros(BUCKETS, np.uint64)
    total_ns = longest_ns = rows = 0
    slowest: list[Example] = []
    threads: Counter[int] = Counter()
    files: Counter[int] = Counter()
    for part in recent.parts:
        mask = part.operations["opcode"] == opcode
        if condition is not None and mask.any():
            mask &= condition.holds(part, recent.files)
        if not mask.any():
            continue
        chosen = part.select(mask)
        batch = chosen.operations
        rows += len(batch)
        timed = (
            (batch["kind"] == Kind.COMPLETION)
            & (batch["cqe_flags"] & CQE_F_NOTIF == 0)
            & ~multishot(batch, traits)
            & (batch["submitted_ns"] != 0)
        )
        latency = latency_ns(batch)[timed]
        histogram += np.bincount(bucket(latency), minlength=BUCKETS).astype(np.uint64)
        total_ns += int(latency.sum())
        longest_ns = max(longest_ns, int(latency.max(initial=0)))
        slowest = nlargest(
            examples, [*slowest, *_slowest(chosen, examples)], key=lambda each: each.duration_ns
        )
        threads.update(_counted(batch["tid"]))
        files.update(_counted(batch["file"]))
    names: Counter[str] = Counter()
    for number, count in files.items():
        file = recent.files.get(number)
        if file is not None:
            names[file.description] += count
    return OperationMemory(
        rows=rows,
        histogram=histogram,
        latency=latency_summary(int(histogram.sum()), total_ns, longest_ns, histogram),
        slowest=slowest,
        threads=[(tid, count) for tid, count in threads.most_common() if tid],
        files=names.most_common(),
    )


def _slowest(records: Records, count: int) -> list[Example]:
    duration, known = duration_ns(records.operations)
    places = np.flatnonzero(known)
    if len(places) > count:
        places = places[np.argpartition(duration[places], len(places) - count)[-count:]]
    number = np.arange(len(records.operations))
    return [Example(records.select(number == place), int(duration[place])) for place in places.tolist()]


def _counted(column: NDArray[Any]) -> dict[int, int]:
    values, counts = np.unique(column, return_counts=True)
    return dict(zip(values.tolist(), counts.tolist(), strict=True))


def fields_of(example: Example, picture: Picture) -> list[str]:
    """Every field of the row that has a value, as `log --json` names it: `result=78`."""
    names = OperationJson(picture.context.operation_names)
    [line] = names.lines(example.records, picture.recent.files)
    return list(_flat("", json.loads(line)))


def _flat(prefix: str, value: object) -> Sequence[str]:
    if isinstance(value, dict):
        inside = f"{prefix}." if prefix else ""
        return [text for name, each in value.items() for text in _flat(f"{inside}{name}", each)]
    if value is None or value == [] or prefix in ("schema", "type"):
        return []
    shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return [f"{prefix}={shown}"]

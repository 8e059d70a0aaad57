"""What recordings say of their connections, to be compared with what was written down once.

`python -m tests.connections.recorded` writes it down again: only where a number was wrong.
"""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

from uringtrace.tracer.connections import ConnectionTracker, Distribution, connection_rows
from uringtrace.tracer.findings.step import Step
from uringtrace.tracer.live.cut import cut
from uringtrace.tracer.recording import open_recording
from uringtrace.tracer.records import Records

_ROOT = Path(__file__).parents[2]
RECORDINGS = tuple(
    str(path.relative_to(_ROOT))
    for path in (
        *sorted((_ROOT / "tests" / "findings" / "recordings").iterdir()),
        _ROOT / "targets" / "demo" / "recording",
        _ROOT / "tests" / "wakes" / "recordings" / "hand-over",
    )
)
WRITTEN_DOWN = Path(__file__).parent / "recorded.json"


def told(name: str, most_rows: int | None = None, *, shared: bool = False) -> dict[str, Any]:
    """The connections of a recording and the times of its requests; `most_rows` at once.

    `shared`: over columns that somebody else has made.
    """
    recording = open_recording(_ROOT / name)
    tracker = ConnectionTracker(recording.context)
    for records in recording.records():
        for piece in _pieces(records, most_rows):
            step = Step(piece, recording)
            tracker.add(
                step.records, recording.files, recording.open_sockets, step.column if shared else None
            )
    connections, times = tracker.result(recording.open_sockets)
    every = {field.name: _plain(getattr(times, field.name)) for field in fields(times)}
    said: dict[str, Any] = json.loads(json.dumps({"connections": connection_rows(connections), **every}))
    return said


def _pieces(records: Records, most_rows: int | None) -> list[Records]:
    """In the order of time, a few at once."""
    rest, pieces = records.sorted_by_completion(), []
    while most_rows is not None and len(rest.operations) > most_rows:
        first, rest = cut(rest, int(rest.operations["completed_ns"][most_rows]))
        if not len(first.operations):
            break
        pieces.append(first)
    return [*pieces, rest]


def _plain(distribution: Distribution) -> list[Any]:
    histogram = distribution.histogram
    buckets = [[index, int(histogram[index])] for index in histogram.nonzero()[0].tolist()]
    return [distribution.count, distribution.sum_ns, distribution.max_ns, buckets]


def main() -> None:
    lines = [f"{json.dumps(name)}: {json.dumps(told(name))}" for name in RECORDINGS]
    WRITTEN_DOWN.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()

"""What the timeline's cursor is on, in words: one operation as the log has it, or how many of which."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from uringtrace.tracer.live.picture import Picture
from uringtrace.tracer.record import Wake
from uringtrace.tracer.records import Records
from uringtrace.ui.terminal.lane_list import threads_of
from uringtrace.ui.terminal.spans import NO_PART, Spans
from uringtrace.ui.text import numbers
from uringtrace.ui.text.operation_line import LineFormatter

_NAMED = 4


def words_for(found: Spans, picture: Picture, going: Records, formatter: LineFormatter) -> str:
    """One line, not made harmless yet; `found` are the spans under the cursor, `going` are the rows of
    those that go on."""
    if not len(found):
        return "Nothing is known to have been under way here."
    if len(found) > 1:
        return several(found, picture.context.operation_names)
    number = int(found.part[0])
    part = going if number == NO_PART else picture.recent.parts[number]
    chosen = np.zeros(len(part.operations), bool)
    chosen[found.row[0]] = True
    return formatter.lines(part.select(chosen), picture.recent.files, threads_of(picture))[0]


def several(found: Spans, operation_names: Mapping[int, str]) -> str:
    """`132 operations: 120 READ, 12 FSYNC; longest READ 1.23ms; 3 failed; 5 woken: 4 network, 1 timer`"""
    codes, counts = np.unique(found.opcode, return_counts=True)
    order = np.argsort(-counts, kind="stable").tolist()
    named = [f"{numbers.count(int(counts[each]))} {_name(operation_names, codes[each])}" for each in order]
    rest = len(found) - int(counts[order[:_NAMED]].sum())
    if rest:
        named = [*named[:_NAMED], f"{numbers.count(rest)} others"]
    durations = found.ended - found.began
    longest = int(np.argmax(durations))
    parts = [
        f"{numbers.count(len(found))} operations: {', '.join(named)}",
        f"longest {_name(operation_names, found.opcode[longest])} "
        f"{numbers.duration(int(durations[longest]))}{' so far' if found.open[longest] else ''}",
    ]
    failed = int(found.failed.sum())
    if failed:
        parts.append(f"{numbers.count(failed)} failed")
    woken = found.wake[found.woken > 0]
    if woken.size:
        kinds = [
            f"{numbers.count(int((woken == wake).sum()))} {wake.name.lower()}"
            for wake in Wake
            if wake != Wake.NONE and (woken == wake).any()
        ]
        parts.append(f"{numbers.count(int(woken.size))} woken: {', '.join(kinds)}")
    return "; ".join(parts)


def _name(operation_names: Mapping[int, str], opcode: np.uint16) -> str:
    return operation_names.get(int(opcode)) or f"operation {opcode}"

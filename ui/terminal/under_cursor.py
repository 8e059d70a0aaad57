"""What the timeline's cursor is on, in words: one operation as the log has it, or how many of which."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from uringtrace.tracer.live.picture import Picture
from uringtrace.tracer.record import Wake
from uringtrace.tracer.source import Thread
from uringtrace.ui.terminal.spans import NO_PART, Spans
from uringtrace.ui.text import numbers
from uringtrace.ui.text.operation_line import LineFormatter

_NAMED = 4


def words_for(found: Spans, picture: Picture, formatter: LineFormatter, threads: Mapping[int, Thread]) -> str:
    """One line, not made harmless yet; `found` are the spans under the cursor."""
    if not len(found):
        return "No operation here that has ended; what is in flight is drawn when it ends."
    if len(found) > 1:
        return several(found, picture.context.operation_names)
    if found.part[0] == NO_PART:
        return _going_on(found, picture)
    part = picture.recent.parts[int(found.part[0])]
    chosen = np.zeros(len(part.operations), bool)
    chosen[found.row[0]] = True
    return formatter.lines(part.select(chosen), picture.recent.files, threads)[0]


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


def _going_on(found: Spans, picture: Picture) -> str:
    name = _name(picture.context.operation_names, found.opcode[0])
    key = int(found.keys[found.lane[0]])
    what = next((thread.waits_for for thread in picture.threads if thread.activity.tid == key), None)
    age = numbers.duration(int(found.ended[0] - found.began[0]))
    return f"{name}({what or '…'}) goes on, for {age} so far"

"""Records cut in two at a moment, without copying their rows."""

from __future__ import annotations

import numpy as np

from uringtrace.probes.rows import copy_rows
from uringtrace.tracer.records import Records


def cut(records: Records, moment_ns: int) -> tuple[Records, Records]:
    """What happened until then, and what later. `records` are sorted by completion."""
    operations, memory, events = records.operations, records.memory, records.socket_events
    place = int(np.searchsorted(operations["completed_ns"], np.uint64(moment_ns), "right"))
    if place == len(operations) and not (events["ns"] > np.uint64(moment_ns)).any():
        return records, Records(operations[:0], memory[:0], events[:0])
    border = int(np.searchsorted(memory["row"], place))
    later = copy_rows(memory[border:])
    later["row"] -= place
    until = events["ns"] <= np.uint64(moment_ns)
    return (
        Records(operations[:place], memory[:border], events[until]),
        Records(operations[place:], later, events[~until]),
    )

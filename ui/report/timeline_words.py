"""The timeline in words: what its lanes are, what is aggregated, and where every operation is a bar."""

from __future__ import annotations

from uringtrace.tracer.report.lanes_model import GROUPS
from uringtrace.tracer.report.model import Report
from uringtrace.ui.text import numbers


def timeline_words(report: Report) -> str:
    """Plain text."""
    lanes = report.lanes
    counts = {group: sum(lane.group == group for lane in lanes.lanes) for group in GROUPS}
    named = ", ".join(
        f"{count} {group if count == 1 else f'{group}s'}" for group, count in counts.items() if count
    )
    if not named:
        return "No lane: no operation of a known thread, ring or connection was seen."
    merged = [lane for lane in lanes.lanes if lane.key is None]
    parts = [f"A lane each for {named}."]
    if merged:
        parts.append(f"Merged: {'; '.join(lane.name for lane in merged)}.")
    busiest = max(lanes.lanes, key=lambda lane: lane.count)
    parts.append(f"The busiest is {busiest.name} with {numbers.count(busiest.count)} operations.")
    if lanes.complete:
        parts.append("Every operation is in this report.")
    else:
        shown = sum(window.rows for window in lanes.windows)
        parts.append(
            f"Aggregated: of {numbers.count(report.rows)} operations {numbers.count(shown)} are bars, in "
            f"{len(lanes.windows)} windows; elsewhere are counts per {numbers.duration(lanes.cells.step_ns)} "
            "and the slowest operations."
        )
    if lanes.marks_left_out:
        parts.append(f"{numbers.count(lanes.marks_left_out)} marks of readiness are left out.")
    return " ".join(parts)

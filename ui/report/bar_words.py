"""What is said of one operation when a bar is pointed at. `report.js` says the same of its bars."""

from __future__ import annotations

import errno

from uringtrace.tracer.record import Kind, Wake
from uringtrace.tracer.recording.columns import ERRORS, PATHS
from uringtrace.tracer.report.lanes_model import Lanes
from uringtrace.ui.report.harmless import figure_text
from uringtrace.ui.text import numbers

KIND_WORDS = {
    Kind.COMPLETION: "",
    Kind.UNTRACKED: "its submission was not seen",
    Kind.MESSAGE: "posted by another ring",
    Kind.SILENT: "its end was not seen (no completion asked for)",
    Kind.UNFINISHED: "had not ended",
}
WAKE_WORDS = {wake: wake.name.lower() for wake in Wake}


def result_words(result: int) -> str:
    """`= 4096` or `= -11 EAGAIN`."""
    name = ERRORS.get(-result) if -result in errno.errorcode or -result in ERRORS else None
    return f"= {result} {name}" if result < 0 and name else f"= {result}"


def bar_words(lanes: Lanes, index: int) -> str:
    """Lines with `<br>` between them; what a program named is harmless."""
    bars = lanes.bars
    began, ended = int(bars.began_ns[index]), int(bars.ended_ns[index])
    name = lanes.operations[bars.operation[index]]
    result = f" {result_words(int(bars.result[index]))}" if bars.has_result[index] else ""
    lines = [f"<b>{figure_text(name)}</b>{result}"]
    before = "≥ " if bars.begun_before[index] else ""
    lines.append(
        f"{before}{numbers.duration(ended - began)}, from {began / 1e9:.6f} s to {ended / 1e9:.6f} s"
    )
    said = KIND_WORDS[Kind(int(bars.kind[index]))]
    if bars.begun_before[index]:
        said = ", ".join(filter(None, (said, "began before the capture")))
    if said:
        lines.append(said)
    if bars.path[index] >= 0:
        lines.append(f"path {PATHS[bars.path[index]]}")
    who = [f"thread {bars.tid[index]}"] if bars.tid[index] >= 0 else []
    if bars.fd[index] >= 0:
        file = f" {figure_text(lanes.files[bars.file[index]])}" if bars.file[index] >= 0 else ""
        who.append(f"fd {bars.fd[index]}{file}")
    if who:
        lines.append(", ".join(who))
    if bars.woken_ns[index] >= 0:
        waker = f" {bars.waker[index]}" if bars.waker[index] >= 0 else ""
        wake = WAKE_WORDS[Wake(int(bars.wake[index]))]
        lines.append(f"woken by {wake}{waker} at {bars.woken_ns[index] / 1e9:.6f} s")
    return "<br>".join(lines)

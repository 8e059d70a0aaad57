"""One operation at length: its latencies, its slowest examples, and who used it on what.

Counts, the first line of quantiles and the first histogram are of everything since the start; what
needs single operations is of those in memory, and says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap

import numpy as np
from rich.text import Text
from textual.containers import VerticalScroll
from textual.widget import Widget
from textual.widgets import Static

from uringtrace.tracer.latency import LatencySummary
from uringtrace.tracer.live.picture import OperationNow, Picture
from uringtrace.tracer.summary import IO_URING
from uringtrace.ui.terminal.detail import DetailScreen
from uringtrace.ui.terminal.fitting import fit
from uringtrace.ui.terminal.lane_list import threads_of
from uringtrace.ui.terminal.latency_rows import latency_lines, shortest_width
from uringtrace.ui.terminal.operation_memory import OperationMemory, fields_of, memory_of
from uringtrace.ui.terminal.safe import printable
from uringtrace.ui.terminal.state import ViewState
from uringtrace.ui.text import numbers
from uringtrace.ui.text.operation_line import LineFormatter
from uringtrace.ui.text.summary_table import counted
from uringtrace.ui.text.table import table

_EXAMPLES, _USERS, _BARS = 5, 8, 14
_WIDE = 110
"""From this width on two columns stand side by side."""


class OperationScreen(DetailScreen):
    """Opened by Enter on an operation."""

    DEFAULT_CSS = """
    OperationScreen > VerticalScroll { height: 1fr; padding: 0 1; }
    OperationScreen > VerticalScroll > Static { height: auto; }
    """

    def __init__(self, opcode: int) -> None:
        super().__init__()
        self.opcode = opcode
        self._made_of: tuple[object, ...] = ()

    def body(self) -> Sequence[Widget]:
        return (VerticalScroll(Static(markup=False, id="body")),)

    def show(self, picture: Picture, view: ViewState) -> None:
        names = picture.context.operation_names
        name = names.get(self.opcode) or f"operation {self.opcode}"
        now = next((each for each in picture.operations if each.summary.opcode == self.opcode), None)
        interface = "" if now is None else f" ({interface_words(now)})"
        self.set_title(f"{name}{interface}", picture, view)
        width = max(self.size.width - 4, 20)
        made_of = (picture, view.condition, width)
        if len(self._made_of) == 3 and all(
            one is two for one, two in zip(made_of, self._made_of, strict=True)
        ):
            return
        self._made_of = made_of
        memory = memory_of(picture, self.opcode, view.condition, _EXAMPLES)
        self.set_facts(fact_lines(now, memory))
        filtered = view.condition is not None
        lines = body_lines(now, memory, picture, width, filtered=filtered)
        self.query_one("#body", Static).update(Text("\n".join(lines), no_wrap=True))


def interface_words(now: OperationNow) -> str:
    return "io_uring operation" if now.summary.interface == IO_URING else "system call"


def fact_lines(now: OperationNow | None, memory: OperationMemory) -> list[str]:
    """Totals since the start, paths, and quantiles of the start, the last second and the memory."""
    if now is None:
        return ["Not seen yet."]
    summary = now.summary
    words = [
        counted(summary.count, "result"),
        f"{numbers.rate(now.rate_now)} now",
        counted(summary.errors, "error"),
        f"{numbers.count(now.in_flight)} in flight",
    ]
    if summary.bytes is not None:
        words.append(numbers.size(summary.bytes))
    if summary.slept is not None:
        words.append(f"{numbers.count(summary.slept)} slept")
    else:
        paths = (("inline", summary.inline), ("poll", summary.poll), ("io-wq", summary.io_wq))
        words += [f"{word} {numbers.share(summary.share(count))}" for word, count in paths]
    quantiles = table(
        [
            ("LATENCY", "OF", "MEAN", "P50", "P90", "P99", "P99.9", "MAX"),
            ("since start", *_quantiles(summary.latency)),
            (
                "last second",
                *(numbers.UNKNOWN,) * 2,
                numbers.duration(now.p50_now_ns),
                numbers.UNKNOWN,
                numbers.duration(now.p99_now_ns),
                numbers.UNKNOWN,
                numbers.duration(now.max_now_ns),
            ),
            ("in memory", *_quantiles(memory.latency)),
        ]
    )
    return [", ".join(words), *quantiles]


def _quantiles(latency: LatencySummary | None) -> tuple[str, ...]:
    if latency is None:
        return (numbers.count(0), *(numbers.UNKNOWN,) * 6)
    times = (
        latency.mean_ns,
        latency.p50_ns,
        latency.p90_ns,
        latency.p99_ns,
        latency.p999_ns,
        latency.max_ns,
    )
    return (numbers.count(latency.count), *(numbers.duration(time) for time in times))


def body_lines(
    now: OperationNow | None, memory: OperationMemory, picture: Picture, width: int, *, filtered: bool
) -> list[str]:
    """Histograms, threads, files and examples, harmless, each line at most `width` columns wide."""
    left = " that the filter leaves" if filtered else ""
    dropped = picture.recent.dropped
    older = f"; {numbers.count(dropped)} older rows were dropped" if dropped else ""
    kept = numbers.count(picture.recent.rows)
    what = f"In memory: {numbers.count(memory.rows)}{left}, among {kept} rows{older}."
    lines = [*wrap(what, width), "", *_histograms(now, memory, width)]
    if not memory.rows:
        return lines
    half = (width - 3) // 2 if width >= _WIDE else width
    threads = ["", "Threads, in memory", *_threads(memory, picture, half)]
    files = ["", "Files and connections, in memory", *_files(memory, half)]
    lines += _beside(threads, files, half) if width >= _WIDE else [*threads, *files]
    return [*lines, *_examples(memory, picture, width)]


def _histograms(now: OperationNow | None, memory: OperationMemory, width: int) -> list[str]:
    """That since the start and that of the memory, side by side; one where they are the same."""
    if now is None or not now.histogram.any():
        return ["Latency", "None: it has many completions, or none was timed."]
    if np.array_equal(now.histogram, memory.histogram):
        return [
            "Latency since the start, all in memory",
            *latency_lines({"": now.histogram}, _BARS, width),
        ]
    both = {"since the start": now.histogram, "in memory": memory.histogram}
    if shortest_width(list(both.values())) <= width:
        return ["Latency", *latency_lines(both, _BARS, width)]
    lines: list[str] = []
    for title, histogram in both.items():
        drawn = latency_lines({title: histogram}, _BARS, width)
        lines += [f"Latency {title}", *(drawn or ["None."])]
    return lines


def _beside(left: Sequence[str], right: Sequence[str], half: int) -> list[str]:
    count = max(len(left), len(right))
    pairs = zip([*left, *[""] * (count - len(left))], [*right, *[""] * (count - len(right))], strict=True)
    return [f"{fit(one, half)}   {two}".rstrip() for one, two in pairs]


def _threads(memory: OperationMemory, picture: Picture, width: int) -> list[str]:
    names = {thread.activity.tid: thread.activity.name for thread in picture.threads}
    texts = [(f"{tid} {names.get(tid) or ''}".rstrip(), count) for tid, count in memory.threads]
    return _counted_lines(texts, width) or ["Not known."]


def _files(memory: OperationMemory, width: int) -> list[str]:
    return _counted_lines(memory.files, width) or ["No file that is known."]


def _counted_lines(texts: Sequence[tuple[str, int]], width: int) -> list[str]:
    shown = texts[:_USERS]
    counts = [numbers.count(count) for _, count in shown]
    size = max(map(len, counts), default=0)
    lines = [
        f"{count:>{size}}  {fit(text, width - size - 2).rstrip()}"
        for count, (text, _) in zip(counts, shown, strict=True)
    ]
    if len(texts) > _USERS:
        lines.append(f"and {numbers.count(len(texts) - _USERS)} more")
    return lines


def _examples(memory: OperationMemory, picture: Picture, width: int) -> list[str]:
    if not memory.slowest:
        return []
    formatter = LineFormatter(picture.context, picture.recent.files)
    threads = threads_of(picture)
    lines = ["", "Slowest"]
    for example in memory.slowest:
        [line] = formatter.lines(example.records, picture.recent.files, threads)
        lines.append(f"{numbers.duration(example.duration_ns)}")
        lines += _indented(line, 2, width)
        lines += _indented("  ".join(fields_of(example, picture)), 4, width)
    return lines


def _indented(text: str, blanks: int, width: int) -> list[str]:
    indent = " " * blanks
    return wrap(printable(text), width, initial_indent=indent, subsequent_indent=indent)

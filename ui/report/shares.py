"""Shares: by which paths the kernel carried operations out, and in what state threads spent their time."""

from __future__ import annotations

import plotly.graph_objects as go

from uringtrace.tracer.report.model import Report, ThreadRow
from uringtrace.tracer.summary import IO_URING, OperationSummary
from uringtrace.ui.report.colours import PATH_COLOURS, PATH_PATTERNS
from uringtrace.ui.report.harmless import figure_text
from uringtrace.ui.report.look import ordinary
from uringtrace.ui.text import numbers

MOST_OPERATIONS = 24
MOST_THREADS = 40
STATES = {"waiting in calls": "#8c8c8c", "running in calls": "#2d7fb8", "outside of calls": "#d9d9d9"}
"""The last is what is left of the capture: computing, on a run queue, or not there."""


def path_operations(report: Report) -> list[OperationSummary]:
    """Operations of io_uring that have completions, most first."""
    return [each for each in report.summary.of_interface(IO_URING) if each.count][:MOST_OPERATIONS]


def paths_figure(report: Report) -> go.Figure:
    """Each operation's completions by path."""
    operations = path_operations(report)
    figure = go.Figure(layout=_stacked(len(operations), "share of completions"))
    for path in PATH_COLOURS:
        counts = [_of_path(operation, path) for operation in operations]
        figure.add_trace(
            go.Bar(
                orientation="h",
                y=[figure_text(operation.name) for operation in operations],
                x=[operation.share(count) for operation, count in zip(operations, counts, strict=True)],
                customdata=counts,
                name=path,
                marker={
                    "color": PATH_COLOURS[path],
                    "pattern": {"shape": PATH_PATTERNS[path], "fillmode": "overlay", "solidity": 0.3},
                },
                hovertemplate="%{customdata:,} completions, %{x:.1%}",
            )
        )
    return figure


def paths_words(report: Report) -> str:
    """The same in words."""
    parts = [
        f"{operation.name}: "
        + ", ".join(
            f"{numbers.share(operation.share(_of_path(operation, path)))} {path}"
            for path in PATH_COLOURS
            if _of_path(operation, path)
        )
        for operation in path_operations(report)
    ]
    return "; ".join(parts) + "." if parts else "No completion of io_uring: paths do not apply."


def _of_path(operation: OperationSummary, path: str) -> int:
    return {"inline": operation.inline, "poll": operation.poll, "io-wq": operation.io_wq}[path]


def shown_threads(report: Report) -> list[ThreadRow]:
    """Those with most operations, in the order of the table."""
    most = sorted(report.threads, key=lambda thread: -(thread.system_calls + thread.operations))[
        :MOST_THREADS
    ]
    return sorted(most, key=lambda thread: (thread.tgid, thread.tid))


def thread_states(report: Report, thread: ThreadRow) -> tuple[int, int, int]:
    """Nanoseconds in each of STATES; they add up to the capture."""
    in_calls = thread.slept_ns + thread.running_ns
    return thread.slept_ns, thread.running_ns, max(0, report.ended_ns - in_calls)


def thread_name(thread: ThreadRow) -> str:
    return f"{thread.tid} {thread.name}" if thread.name else str(thread.tid)


def threads_figure(report: Report) -> go.Figure:
    """Each thread's share of the capture in each state."""
    threads = shown_threads(report)
    figure = go.Figure(layout=_stacked(len(threads), "share of the capture"))
    for place, (state, colour) in enumerate(STATES.items()):
        spans = [thread_states(report, thread)[place] for thread in threads]
        figure.add_trace(
            go.Bar(
                orientation="h",
                y=[figure_text(thread_name(thread)) for thread in threads],
                x=[span / report.ended_ns for span in spans],
                text=[numbers.duration(span) for span in spans],
                textposition="none",
                name=state,
                marker={"color": colour},
                hovertemplate="%{text}, %{x:.1%}",
            )
        )
    return figure


def threads_words(report: Report) -> str:
    """The same in words, of the threads with most operations."""
    threads = shown_threads(report)
    if not threads:
        return "No thread did anything."
    parts = []
    for thread in threads[:8]:
        slept, running, _ = thread_states(report, thread)
        waited = f", mostly in {thread.waited_on}" if thread.waited_on else ""
        parts.append(
            f"{thread_name(thread)}: {numbers.share(slept / report.ended_ns)} waiting in calls{waited}, "
            f"{numbers.share(running / report.ended_ns)} running in calls"
        )
    rest = report.threads_total - len(parts)
    return "; ".join(parts) + (f"; and {rest:,} more threads." if rest > 0 else ".")


def _stacked(rows: int, axis: str) -> dict[str, object]:
    return ordinary(
        height=110 + 24 * max(2, rows),
        x=axis,
        y="",
        barmode="stack",
        bargap=0.2,
        hovermode="closest",
        xaxis={"tickformat": ".0%", "range": [0, 1]},
        yaxis={"autorange": "reversed", "type": "category"},
    )

"""Operations: one row for each, of both interfaces.

Rates and totals are of all operations of a kind, so a filter can only choose kinds: a row is
shown where the filter's words for operations and interfaces admit it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from textual.app import ComposeResult
from textual.screen import Screen
from textual.widgets import Static

from uringtrace.tracer.filter import Condition
from uringtrace.tracer.filter.admission import admits, has_other_words
from uringtrace.tracer.live.picture import HISTORY_SECONDS, OperationNow, Picture
from uringtrace.ui.terminal.live_table import ALARM, Column, LiveTable, Loses, TableRow
from uringtrace.ui.terminal.marks import path_bar, sparkline
from uringtrace.ui.terminal.pane import PaneWidget
from uringtrace.ui.terminal.panes.operation_detail import OperationScreen
from uringtrace.ui.terminal.state import Sort, ViewState
from uringtrace.ui.text import numbers

_PATH_WIDTH = 8

COLUMNS = (
    Column("name", "OPERATION", right=False, least=8),
    Column("interface", "BY", right=False, least=4),
    Column("rate", "RATE", least=6),
    Column("count", "TOTAL", least=6),
    Column("errors", "ERRORS", least=6),
    Column("p50", "P50", least=6),
    Column("p99", "P99", least=6),
    Column("max", "MAX", least=6),
    Column("path", "PATH", right=False, least=_PATH_WIDTH, sortable=False),
    Column("in_flight", "OPEN", least=4),
    Column("history", "MINUTE", right=False, least=0, stretch=True, sortable=False, loses=Loses.OLDEST),
)
_KEYS: Mapping[str, Callable[[OperationNow], float | str | None]] = {
    "name": lambda operation: operation.summary.name,
    "interface": lambda operation: operation.summary.interface,
    "rate": lambda operation: operation.rate_now,
    "count": lambda operation: operation.summary.count,
    "errors": lambda operation: operation.summary.errors,
    "p50": lambda operation: operation.p50_now_ns,
    "p99": lambda operation: operation.p99_now_ns,
    "max": lambda operation: operation.summary.latency.max_ns if operation.summary.latency else None,
    "in_flight": lambda operation: operation.in_flight,
}
DEFAULT_SORT = Sort("rate")


class OperationsPane(PaneWidget):
    """The default pane."""

    pane = "operations"

    DEFAULT_CSS = """
    OperationsPane > Static { height: auto; max-height: 2; display: none; color: $text-muted; padding: 0 1; }
    OperationsPane > Static.-told { display: block; }
    """

    def compose(self) -> ComposeResult:
        self._told = ""
        yield LiveTable(self.pane, COLUMNS)
        yield Static(markup=False)

    def show(self, picture: Picture, view: ViewState) -> None:
        sort = view.sorts.get(self.pane, DEFAULT_SORT)
        admitted = admitted_operations(picture, view.condition)
        note = "The filter hides all of them." if picture.operations else "Waiting for the first operation."
        self.query_one(LiveTable).show_rows(operation_rows(admitted, sort), sort, note)
        words = filter_words(picture, view.condition, len(admitted))
        if words != self._told:
            self._told = words
            told = self.query_one(Static)
            told.set_class(bool(words), "-told")
            told.update(words)

    def detail(self, key: object) -> Screen[None] | None:
        return OperationScreen(key) if isinstance(key, int) else None


def admitted_operations(picture: Picture, condition: Condition | None) -> tuple[OperationNow, ...]:
    """Those that the filter's words for operations and interfaces leave."""
    if condition is None:
        return picture.operations
    names = picture.context.operation_names
    return tuple(
        operation
        for operation in picture.operations
        if admits(condition.expression, operation.summary.opcode, names)
    )


def filter_words(picture: Picture, condition: Condition | None, shown: int) -> str:
    """What the filter does to this table; empty without one."""
    if condition is None:
        return ""
    rest = (
        " Its other words choose single operations: see the log."
        if has_other_words(condition.expression)
        else ""
    )
    return (
        f"Filtered: {numbers.count(shown)} of {numbers.count(len(picture.operations))} rows, "
        f"each with all its operations.{rest}"
    )


def operation_rows(operations: tuple[OperationNow, ...], sort: Sort) -> list[TableRow]:
    """In the order of `sort`; what is not known comes last, whichever way."""
    key = _KEYS[sort.column]
    known = [operation for operation in operations if key(operation) is not None]
    unknown = [operation for operation in operations if key(operation) is None]
    known.sort(key=lambda operation: operation.summary.name)
    known.sort(key=key, reverse=sort.descending)  # type: ignore[arg-type]  # None is sorted out above
    return [_row(operation) for operation in (*known, *unknown)]


def _row(operation: OperationNow) -> TableRow:
    summary = operation.summary
    latency = summary.latency
    return TableRow(
        summary.opcode,
        (
            summary.name,
            "ring" if summary.interface == "io_uring" else "call",
            numbers.rate(operation.rate_now),
            numbers.count(summary.count),
            numbers.count(summary.errors),
            numbers.duration(operation.p50_now_ns),
            numbers.duration(operation.p99_now_ns),
            numbers.duration(latency.max_ns if latency else None),
            path_bar(summary.inline, summary.poll, summary.io_wq, _PATH_WIDTH),
            numbers.count(operation.in_flight),
            sparkline(operation.history, HISTORY_SECONDS),
        ),
        ALARM if operation.errors_now else "",
    )

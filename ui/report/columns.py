"""The columns of a report's tables, the same in HTML and Markdown."""

from __future__ import annotations

from collections.abc import Callable

from uringtrace.tracer.connections import Connection
from uringtrace.tracer.latency import LatencySummary
from uringtrace.tracer.report.model import Report, Row, ThreadRow
from uringtrace.tracer.summary import IO_URING, OperationSummary, RingSummary
from uringtrace.ui.report.html_tables import Column, known, plain
from uringtrace.ui.text import numbers
from uringtrace.ui.text.connections_table import state_word


def _latency(name: str, read: Callable[[LatencySummary], float | None]) -> Column[OperationSummary]:
    def value(operation: OperationSummary) -> float | None:
        return None if operation.latency is None else read(operation.latency)

    return Column(name, lambda operation: numbers.duration(value(operation)), value)


def _latencies() -> tuple[Column[OperationSummary], ...]:
    return (
        _latency("mean", lambda latency: latency.mean_ns),
        _latency("p50", lambda latency: latency.p50_ns),
        _latency("p90", lambda latency: latency.p90_ns),
        _latency("p99", lambda latency: latency.p99_ns),
        _latency("p99.9", lambda latency: latency.p999_ns),
        _latency("max", lambda latency: latency.max_ns),
    )


OPERATION_COLUMNS: tuple[Column[OperationSummary], ...] = (
    Column("operation", lambda each: each.name),
    Column("interface", lambda each: each.interface),
    Column("count", lambda each: numbers.count(each.count), lambda each: each.count),
    Column("rate", lambda each: numbers.rate(each.rate), lambda each: each.rate),
    Column("errors", lambda each: numbers.count(each.errors), lambda each: each.errors),
    Column("bytes", lambda each: numbers.size(each.bytes), lambda each: each.bytes),
    *_latencies(),
    Column(
        "inline", lambda each: numbers.share(_path(each, each.inline)), lambda each: _path(each, each.inline)
    ),
    Column("poll", lambda each: numbers.share(_path(each, each.poll)), lambda each: _path(each, each.poll)),
    Column(
        "io-wq", lambda each: numbers.share(_path(each, each.io_wq)), lambda each: _path(each, each.io_wq)
    ),
    Column("slept", lambda each: numbers.share(_slept(each)), lambda each: _slept(each)),
)


def _path(operation: OperationSummary, count: int) -> float | None:
    return operation.share(count) if operation.interface == IO_URING else None


def _slept(operation: OperationSummary) -> float | None:
    return None if operation.slept is None or not operation.count else operation.slept / operation.count


ROW_COLUMNS: tuple[Column[Row], ...] = (
    Column("took", lambda each: numbers.duration(each.took_ns), lambda each: each.took_ns),
    Column("operation", lambda each: known(each.operation)),
    Column("interface", lambda each: each.interface),
    Column("began", lambda each: _moment(each.submitted_ns), lambda each: each.submitted_ns),
    Column("ended", lambda each: _moment(each.completed_ns), lambda each: each.completed_ns),
    Column("result", lambda each: _result(each), lambda each: each.result),
    Column("path", lambda each: known(each.path)),
    Column("thread", lambda each: _thread(each)),
    Column("fd", lambda each: plain(each.fd), lambda each: each.fd),
    Column("file", lambda each: known(each.pathname or each.file), long=True),
    Column("ring", lambda each: plain(each.ring), lambda each: each.ring),
    Column("woken by", lambda each: _wake(each)),
)


def _moment(ns: int | None) -> str:
    return numbers.UNKNOWN if ns is None else f"{ns / 1e9:.6f} s"


def _result(row: Row) -> str:
    return plain(row.result) + (f" {row.error}" if row.error else "")


def _thread(row: Row) -> str:
    return plain(row.tid) + (f" {row.thread}" if row.thread else "")


def _wake(row: Row) -> str:
    return known(row.wake) + (f" {row.waker}" if row.waker is not None else "")


def connection_columns(report: Report) -> tuple[Column[Connection], ...]:
    """Ages depend on when the capture began and ended."""
    started = report.context.started_ns
    ended = started + report.ended_ns
    return (
        Column("number", lambda each: f"#{each.number}", lambda each: each.number),
        Column("peer", lambda each: known(each.remote)),
        Column("local", lambda each: known(each.local)),
        Column("role", lambda each: known(each.role)),
        Column("state", lambda each: state_word(each)),
        Column(
            "age",
            lambda each: (
                ("≥" if each.began_ns is None else "") + numbers.duration(each.age_ns(started, ended))
            ),
            lambda each: each.age_ns(started, ended),
        ),
        Column("requests", lambda each: numbers.count(each.requests), lambda each: each.requests),
        Column(
            "mean to first byte",
            lambda each: numbers.duration(mean_first(each)),
            lambda each: mean_first(each),
        ),
        Column(
            "longest",
            lambda each: numbers.duration(each.request_first_max_ns),
            lambda each: each.request_first_max_ns,
        ),
        Column("in", lambda each: _size(each, each.bytes_in), lambda each: each.bytes_in),
        Column("out", lambda each: _size(each, each.bytes_out), lambda each: each.bytes_out),
        Column("errors", lambda each: numbers.count(each.errors), lambda each: each.errors),
        Column("moved by", lambda each: known(each.interfaces)),
        Column("TLS", lambda each: known(" ".join(filter(None, (each.tls_version, each.tls_cipher))))),
    )


def mean_first(connection: Connection) -> float | None:
    """Mean time to the first byte of an answer, in nanoseconds."""
    if not connection.requests or connection.request_first_sum_ns is None:
        return None
    return connection.request_first_sum_ns / connection.requests


def _size(connection: Connection, size: int) -> str:
    return ("" if connection.bytes_exact else "≥") + numbers.size(size)


THREAD_TABLE: tuple[Column[ThreadRow], ...] = (
    Column("thread", lambda each: str(each.tid), lambda each: each.tid),
    Column("process", lambda each: str(each.tgid), lambda each: each.tgid),
    Column("name", lambda each: known(each.name)),
    Column("system calls", lambda each: numbers.count(each.system_calls), lambda each: each.system_calls),
    Column("operations", lambda each: numbers.count(each.operations), lambda each: each.operations),
    Column("errors", lambda each: numbers.count(each.errors), lambda each: each.errors),
    Column("waiting", lambda each: numbers.duration(each.slept_ns), lambda each: each.slept_ns),
    Column("running in calls", lambda each: numbers.duration(each.running_ns), lambda each: each.running_ns),
    Column("waited longest in", lambda each: known(each.waited_on)),
    Column("there", lambda each: numbers.duration(each.waited_on_ns), lambda each: each.waited_on_ns),
    Column("at the end in", lambda each: known(each.current_call)),
    Column("for", lambda each: numbers.duration(each.current_age_ns), lambda each: each.current_age_ns),
)

RING_COLUMNS: tuple[Column[RingSummary], ...] = (
    Column("ring", lambda each: str(each.ring), lambda each: each.ring),
    Column("process", lambda each: str(each.tgid), lambda each: each.tgid),
    Column("fd", lambda each: plain(each.fd), lambda each: each.fd),
    Column("SQ", lambda each: plain(each.sq_entries), lambda each: each.sq_entries),
    Column("CQ", lambda each: plain(each.cq_entries), lambda each: each.cq_entries),
    Column(
        "flags",
        lambda each: known(None if each.setup_flags is None else " ".join(each.setup_flags) or "none"),
    ),
    Column("SQPOLL thread", lambda each: plain(each.sq_thread), lambda each: each.sq_thread),
    Column("per batch", lambda each: numbers.average(each.batching), lambda each: each.batching),
    Column(
        "in flight at most", lambda each: numbers.count(each.in_flight_max), lambda each: each.in_flight_max
    ),
    Column("overflows", lambda each: numbers.count(each.overflows), lambda each: each.overflows),
)

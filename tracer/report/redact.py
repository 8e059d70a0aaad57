"""A report without addresses, paths, names and arguments: each is replaced by a pseudonym.

The same text gets the same one throughout a report, so that who talked to whom can still be
followed. `tracer.redaction` says what is replaced by what, as for an export.
"""

from __future__ import annotations

import re
from dataclasses import replace

from uringtrace.tracer.connections.connection import Connection
from uringtrace.tracer.redaction import Pseudonyms
from uringtrace.tracer.report.lanes_model import THREAD, Lane
from uringtrace.tracer.report.model import Report, Row, ThreadRow
from uringtrace.tracer.report.redact_findings import redacted_findings

_WITH_SLASH = re.compile(r"\S*/\S*")


def redacted(report: Report) -> Report:
    """The same report with pseudonyms."""
    names = Pseudonyms()
    context = names.context(report.context)
    lanes = report.lanes
    return replace(
        report,
        context=context,
        summary=replace(report.summary, target=context.target),
        problems=tuple(_line(problem, names) for problem in report.problems),
        connections=replace(
            report.connections, shown=tuple(_connection(each, names) for each in report.connections.shown)
        ),
        slowest=tuple(_row(each, names) for each in report.slowest),
        unfinished=tuple(_row(each, names) for each in report.unfinished),
        threads=tuple(_thread(each, names) for each in report.threads),
        diagnosed=redacted_findings(report.diagnosed, names),
        lanes=replace(
            lanes,
            lanes=tuple(_lane(lane, names) for lane in lanes.lanes),
            files=tuple(names.description(text) for text in lanes.files),
        ),
    )


def _line(text: str, names: Pseudonyms) -> str:
    """A sentence in which a path may stand."""
    return _WITH_SLASH.sub(lambda match: names.path(match[0]), text)


def _connection(connection: Connection, names: Pseudonyms) -> Connection:
    return replace(
        connection,
        local=names.address(connection.local),
        remote=names.address(connection.remote),
        listener=names.address(connection.listener),
    )


def _row(row: Row, names: Pseudonyms) -> Row:
    return replace(
        row,
        pathname=names.path(row.pathname) if row.pathname else row.pathname,
        file=names.description(row.file),
        thread=names.name(row.thread),
    )


def _thread(thread: ThreadRow, names: Pseudonyms) -> ThreadRow:
    return replace(thread, name=names.name(thread.name), current_file=names.description(thread.current_file))


def _lane(lane: Lane, names: Pseudonyms) -> Lane:
    hide = names.name if lane.group == THREAD else names.address
    return replace(lane, subject=hide(lane.subject))

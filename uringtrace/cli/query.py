"""`uringtrace query`: one SELECT over a recording, as a table, CSV or NDJSON."""

from __future__ import annotations

import argparse
import csv
import json
import math
import sys
from collections.abc import Iterable, Iterator
from datetime import date, datetime, time
from decimal import Decimal
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from uringtrace.cli.output import notice
from uringtrace.errors import EXIT_OK

if TYPE_CHECKING:
    from uringtrace.tracer.recording.query import Result

_MEASURED_ROWS = 1000
"""Rows of a table that decide how wide its columns are."""


class QueryCommand:
    """The command; wrong SQL is bad usage, exit 2."""

    name = "query"
    summary = "ask a recording in SQL"
    group = "Recordings"
    epilog = (
        "views: operations, completions, readiness, interest, socket_events, connections,\n"
        "threads, files, rings, meta; docs/recording.md lists the columns.\n"
        "wall_time(completed_ns) is the time of day, UTC.\n\n"
        "examples:\n"
        "  uringtrace query run 'SELECT operation, count(*) AS n FROM operations\n"
        "                        GROUP BY operation ORDER BY n DESC'\n"
        "  uringtrace query run 'FROM operations WHERE error IS NOT NULL' --json\n"
        "  uringtrace query run 'FROM connections ORDER BY bytes_out DESC LIMIT 10'\n"
        "  uringtrace query run 'DESCRIBE operations'"
    )

    def configure(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("recording", type=Path, metavar="RECORDING", help="a directory made by record")
        parser.add_argument("sql", metavar="SQL", help="one SELECT, in DuckDB's SQL")
        form = parser.add_mutually_exclusive_group()
        form.add_argument("--json", action="store_true", help="one JSON object per row")
        form.add_argument("--csv", action="store_true", help="CSV with a line of names")

    def run(self, arguments: argparse.Namespace) -> int:
        from uringtrace.tracer.recording import open_recording

        recording = open_recording(arguments.recording)
        for problem in recording.problems:
            notice(problem)
        known = len(recording.problems)
        write = write_json if arguments.json else write_csv if arguments.csv else write_table
        with recording.query(arguments.sql) as result:
            # Before the rows: whoever reads them must know what is not in them.
            for problem in recording.problems[known:]:
                notice(problem)
            write(result, sys.stdout)
        return EXIT_OK


def write_json(result: Result, stream: TextIO) -> None:
    """One JSON object per row and line (NDJSON)."""
    for row in result.rows():
        values = dict(zip(result.names, map(plain, row), strict=True))
        stream.write(json.dumps(values) + "\n")


def write_csv(result: Result, stream: TextIO) -> None:
    """RFC 4180, with a first line of names; NULL is an empty field."""
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(result.names)
    writer.writerows(map(plain, row) for row in result.rows())


def write_table(result: Result, stream: TextIO) -> None:
    """Aligned columns, numbers to the right, NULL as a dash."""
    rows = ([cell(value) for value in row] for row in result.rows())
    for line in aligned(result.names, result.numeric, rows):
        stream.write(line + "\n")


def aligned(names: tuple[str, ...], numeric: tuple[bool, ...], rows: Iterable[list[str]]) -> Iterator[str]:
    """Lines of a table; the first rows decide the widths, so that any number can follow."""
    remaining = iter(rows)
    first = list(islice(remaining, _MEASURED_ROWS))
    header = [cell(name) for name in names]
    widths = [max(map(len, column)) for column in zip(header, *first, strict=True)]
    for row in chain([header], first, remaining):
        cells = (
            text.rjust(width) if right else text.ljust(width)
            for text, width, right in zip(row, widths, numeric, strict=True)
        )
        yield "  ".join(cells).rstrip()


def cell(value: object) -> str:
    """A value as a table shows it: control characters, as in a file's name, are escaped."""
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.6g}" if abs(value) < 1e6 else f"{value:.1f}"
    text = str(value)
    return text if text.isprintable() else text.encode("unicode_escape").decode("ascii")


def plain(value: Any) -> Any:
    """A value of SQL as JSON has it; what JSON lacks becomes a string, not-a-number null."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, list | tuple):
        return [plain(element) for element in value]
    if isinstance(value, dict):
        return {str(key): plain(element) for key, element in value.items()}
    if value is None or isinstance(value, str | int | float | bool):
        return value
    return str(value)

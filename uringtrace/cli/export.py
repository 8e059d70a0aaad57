"""`uringtrace export`: a recording for other programs: Perfetto, CSV, JSON, Parquet."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO, TYPE_CHECKING

from uringtrace.cli.output import is_special, notice
from uringtrace.cli.piped import piped
from uringtrace.errors import EXIT_OK, StorageError, UsageError
from uringtrace.tracer.new_file import new_file

if TYPE_CHECKING:
    from uringtrace.tracer.recording import Recording
    from uringtrace.tracer.recording.selection import Selection

STANDARD_OUTPUT = "-"
PERFETTO, PARQUET = "perfetto", "parquet"
OPTIONS = {PERFETTO: "--perfetto", "csv": "--csv", "json": "--json", PARQUET: "--parquet-file"}

TABLES = (
    "operations",
    "completions",
    "readiness",
    "interest",
    "socket_events",
    "connections",
    "threads",
    "files",
    "rings",
    "meta",
)
"""Those of `tracer.recording.selection`, repeated so that --help loads no DuckDB; a test compares them."""


class ExportCommand:
    name = "export"
    summary = "turn a recording into a Perfetto trace, CSV, JSON, Parquet"
    group = "Recordings"
    epilog = """examples:
  uringtrace export run --perfetto run.pftrace     for ui.perfetto.dev
  uringtrace export run --csv slow.csv -e 'latency>10ms'
  uringtrace export run --json - --table connections | jq .remote
  uringtrace export run --parquet-file reads.parquet --where "error IS NOT NULL"
formats, tracks and columns: docs/export.md"""

    def configure(self, parser: argparse.ArgumentParser) -> None:
        add = parser.add_argument
        add("recording", type=Path, metavar="RECORDING", help="a directory made by record")
        form = parser.add_argument_group("formats", "one of these; - is standard output")
        form.add_argument("--perfetto", metavar="FILE", help="a trace for ui.perfetto.dev")
        form.add_argument("--csv", metavar="FILE", help="CSV with a line of names; NULL is an empty field")
        form.add_argument("--json", metavar="FILE", help="NDJSON: one JSON object per row and line")
        form.add_argument("--parquet-file", dest=PARQUET, metavar="FILE", help="one Parquet file")
        add(
            "--table",
            choices=TABLES,
            metavar="TABLE",
            help=f"what to export, but for --perfetto (default: operations): {', '.join(TABLES[1:])}",
        )
        add(
            "-e",
            "--filter",
            action="append",
            default=[],
            metavar="EXPR",
            help="only operations that fit, see docs/filters.md; all -e must hold",
        )
        add("--where", default="", metavar="SQL", help="only rows for which this condition holds")
        add(
            "--redact",
            action="store_true",
            help="pseudonyms for addresses, paths, names and command lines; no raw arguments",
        )
        add("--force", action="store_true", help="overwrite FILE")

    def run(self, arguments: argparse.Namespace) -> int:
        format, target = chosen(arguments)
        if format == PERFETTO:
            require_perfetto()
        selection = selection_from(arguments)
        recording = opened(arguments.recording)
        written = write_target(target, writer_of(format, arguments, recording, selection), arguments.force)
        for problem in recording.problems:
            notice(problem)
        if target != STANDARD_OUTPUT:
            losses = recording.losses
            notice(f"{written} in {target}; lost {losses.total_lost:,}, untracked {losses.untracked:,}")
        return EXIT_OK


def chosen(arguments: argparse.Namespace) -> tuple[str, str]:
    """The format and where it goes; raises UsageError for what does not go together."""
    given = {
        format: getattr(arguments, format) for format in OPTIONS if getattr(arguments, format) is not None
    }
    options = ", ".join(OPTIONS.values())
    if len(given) != 1:
        raise UsageError(f"give one of {options}, with the file to write")
    ((format, target),) = given.items()
    if not target:
        raise UsageError(f"{OPTIONS[format]} needs the name of a file", "- is standard output")
    if format == PERFETTO and arguments.table is not None:
        raise UsageError(
            "--table does not go with --perfetto", "a trace has operations, readiness, connections"
        )
    if format == PARQUET and (target == STANDARD_OUTPUT or is_special(Path(target))):
        raise UsageError("--parquet-file needs a regular file", "--csv and --json can be piped")
    return format, target


def require_perfetto() -> None:
    """Raise UsageError where the package that makes traces is not installed."""
    try:
        import perfetto.trace_builder.proto_builder  # noqa: F401  only whether it is there
    except ImportError:
        way_out = "pip install 'uringtrace[perfetto]', or pip install 'perfetto>=0.56'"
        raise UsageError(
            "--perfetto needs the Python package perfetto, with its trace builder", way_out
        ) from None


def selection_from(arguments: argparse.Namespace) -> Selection:
    """What the command line selects; raises FilterError."""
    from uringtrace.tracer.filter import parse_all
    from uringtrace.tracer.recording.selection import Selection
    from uringtrace.tracer.redaction import Pseudonyms

    return Selection(
        expression=parse_all(arguments.filter),
        where=arguments.where,
        pseudonyms=Pseudonyms() if arguments.redact else None,
    )


def opened(path: Path) -> Recording:
    from uringtrace.tracer.recording import open_recording

    return open_recording(path)


def writer_of(
    format: str, arguments: argparse.Namespace, recording: Recording, selection: Selection
) -> Callable[[Path], str]:
    """A function that writes to a path and says in words what it has written."""
    if format == PERFETTO:
        from uringtrace.ui.perfetto.trace import write_trace

        def write_perfetto(path: Path) -> str:
            with path.open("wb") as file:
                trace = write_trace(recording, selection, file)
            return f"{trace.operations:,} operations, {trace.connections:,} connections"

        return write_perfetto

    from uringtrace.tracer.recording.export import export_table

    table = arguments.table or "operations"
    return lambda path: f"{export_table(recording, table, selection, format, path):,} rows of {table}"


def write_target(target: str, write: Callable[[Path], str], force: bool) -> str:
    """Let `write` write to a new file, or into standard output, a device or a FIFO."""
    if target == STANDARD_OUTPUT:
        sys.stdout.flush()
        return piped(write, sys.stdout.buffer)
    path = Path(target)
    if is_special(path):
        with open_special(path) as stream:
            return piped(write, stream)
    with new_file(path, force=force) as partial:
        try:
            return write(partial)
        except OSError as error:
            raise StorageError(f"cannot write {path}: {error.strerror}") from None


def open_special(path: Path) -> IO[bytes]:
    try:
        return path.open("wb")
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from None

"""`uringtrace compare`: strace and the capture side by side, from a target or from two files."""

from __future__ import annotations

import argparse
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from uringtrace.cli.counting import add_colour_argument, positive_seconds
from uringtrace.cli.fresh_output import fresh_output
from uringtrace.cli.output import notice
from uringtrace.cli.target_options import add_target_arguments, recording_from
from uringtrace.errors import EXIT_OK, UsageError

if TYPE_CHECKING:
    from uringtrace.tracer.compare.report import CompareReport
    from uringtrace.tracer.source import Source

_WIDEST = 1000
_ROWS = 40
_DRAWN = 2_000
"""As in `uringtrace.ui.report.compare_content`, which loads plotly; a test compares."""
_WHOLE_S = 3600.0
OTHERS = ("perf-trace", "bpftrace")
"""As `uringtrace.tracer.compare.others`; a test compares."""


class CompareCommand:
    """The command; 1 where strace could not be attached and only the capture's view was shown."""

    name = "compare"
    summary = "strace and uringtrace on the same seconds, and their cost"
    group = "Capture"
    epilog = """examples:
  uringtrace compare -p 4242              without strace, with it, without it
  uringtrace compare -p 4242 --once -d 10 with strace alone
  uringtrace compare -- ./server          start a program for it
  uringtrace compare --strace strace.log RECORDING
strace stops the target at every system call: this asks before it attaches"""

    def configure(self, parser: argparse.ArgumentParser) -> None:
        add_target_arguments(parser, recording=True)
        add = parser.add_argument
        add("--strace", type=Path, metavar="FILE", help="a log of strace made while RECORDING was")
        add("-d", "--duration", type=positive_seconds, metavar="SEC", help="of each phase (default: 5)")
        add("--once", action="store_true", help="only the phase with strace")
        add("--yes", action="store_true", help="attach strace without asking")
        add(
            "--with",
            dest="others",
            type=_others,
            default=(),
            metavar="NAMES",
            help="phases with other observers, too: perf-trace,bpftrace",
        )
        add("--rows", type=_rows, default=_ROWS, metavar="N", help=f"of the two columns (default: {_ROWS})")
        add("--json", action="store_true", help="one JSON object instead of text (docs/compare.md)")
        add("-o", "--output", metavar="FILE", help="an HTML page to FILE as well")
        add("--keep-log", type=Path, metavar="FILE", help="keep strace's log, without keys, in FILE")
        add("--force", action="store_true", help="overwrite FILE")
        add_colour_argument(parser)

    def run(self, arguments: argparse.Namespace) -> int:
        recording = recording_from(arguments)
        check(arguments, recording)
        if recording is not None:
            of_files(arguments, recording)
            return EXIT_OK
        from uringtrace.cli.compare_live import compare_live

        return compare_live(arguments)


def check(arguments: argparse.Namespace, recording: Path | None) -> None:
    """Raise UsageError for options that do not go together, before anything starts."""
    if recording is not None and arguments.strace is None:
        raise UsageError("a recording is compared with a log of strace", "add --strace FILE")
    if recording is None and arguments.strace is not None:
        raise UsageError("--strace FILE goes with a recording", "uringtrace compare --strace FILE RECORDING")
    if recording is not None:
        given = [
            name for name in ("duration", "once", "yes", "others", "keep_log") if getattr(arguments, name)
        ]
        if given:
            raise UsageError("-d, --once, --yes, --with and --keep-log are for a target, not for two files")
    if arguments.output is not None and Path(arguments.output).is_file():
        from uringtrace.tracer.new_file import check_new

        check_new(Path(arguments.output), force=arguments.force)
    if arguments.everything:
        raise UsageError("strace cannot be attached to the whole machine", "name a process: -p PID")
    if arguments.interface != "all":
        raise UsageError("compare needs both interfaces: leave --interface out")


def of_files(arguments: argparse.Namespace, path: Path) -> None:
    """Show a log and a recording from elsewhere."""
    from uringtrace.tracer.compare.build import report_of
    from uringtrace.tracer.recording import open_recording

    recording = open_recording(path)
    report = report_of(arguments.strace, recording, rows=rows_wanted(arguments))
    show(report, arguments.strace, recording, arguments)
    for problem in recording.problems:
        notice(problem)


def rows_wanted(arguments: argparse.Namespace) -> int:
    """How many entries the outputs that were asked for need."""
    text = 0 if arguments.json else arguments.rows
    return max(text, _DRAWN if arguments.output is not None else 0)


def show(report: CompareReport, log_path: Path | None, source: Source, arguments: argparse.Namespace) -> None:
    """Print the report in the form that was asked for."""
    from uringtrace.ui.text.compare_texts import texts

    both = texts(report, log_path, source)
    if arguments.output is not None:
        from uringtrace.ui.report.compare_content import compare_page

        with fresh_output(arguments.output, arguments.force) as output:
            output.write(compare_page(report, both))
    if arguments.json:
        from uringtrace.ui.text.compare_json import compare_json

        print(compare_json(report))
        return
    from uringtrace.ui.text.compare_summary import compare_lines
    from uringtrace.ui.text.style import style_for

    shown = replace(report, entries=report.entries[: arguments.rows])

    style = style_for(arguments.color, sys.stdout)
    if report.comparison is None:
        from uringtrace.tracer.replayed_counting import ReplayedCounting
        from uringtrace.tracer.summary import summary_of
        from uringtrace.ui.text.summary_table import summary_lines

        counted = ReplayedCounting(source)
        while not counted.wait(_WHOLE_S):
            continue
        print("\n".join([*summary_lines(summary_of(counted), style), ""]))
    width = min(_WIDEST, shutil.get_terminal_size((80, 24)).columns)
    print("\n".join(compare_lines(shown, both, style, width)))


def _others(text: str) -> tuple[str, ...]:
    words = tuple(dict.fromkeys(word for word in text.split(",") if word))
    if wrong := [word for word in words if word not in OTHERS]:
        raise argparse.ArgumentTypeError(f"{wrong[0]!r} is none of {', '.join(OTHERS)}")
    return words


def _rows(text: str) -> int:
    if not (text.isascii() and text.isdecimal()) or int(text) > 1_000_000:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 to 1,000,000")
    return int(text)

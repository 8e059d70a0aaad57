"""`uringtrace PID`: what happens, as it happens.

On a terminal the application; elsewhere the tables of `stat`, each second and once more at
the end.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from uringtrace.cli.counting import (
    add_colour_argument,
    add_duration_argument,
    counting_source,
    run_for,
)
from uringtrace.cli.signals import pass_on
from uringtrace.cli.target_options import add_target_arguments, recording_from, target_from
from uringtrace.errors import UsageError

if TYPE_CHECKING:
    from uringtrace.tracer.source import LaunchingSource

_REDRAW_SECONDS = 1.0
_FEWEST_ROWS, _MOST_ROWS = 1_000, 20_000_000


class LiveCommand:
    name = "live"
    summary = "watch operations as they happen"
    group = "Capture"
    epilog = """examples:
  uringtrace 4711           watch process 4711; ? shows the keys, q ends
  uringtrace -f 4711        its children as well
  uringtrace RECORDING      play a recording
  uringtrace -- ./server    start a program and watch it

without a terminal, or with --text: the tables of `stat`, each second"""

    def configure(self, parser: argparse.ArgumentParser) -> None:
        add_target_arguments(parser, recording=True)
        add_duration_argument(parser)
        add_colour_argument(parser)
        parser.add_argument("--text", action="store_true", help="print tables instead of the application")
        parser.add_argument(
            "--rows", type=_rows, default=200_000, metavar="N", help="operations kept (default: 200000)"
        )
        parser.add_argument(
            "--strace", type=Path, metavar="FILE", help="a log of strace made while RECORDING was, beside it"
        )
        parser.add_argument("--light", action="store_true", help="begin with the light theme")

    def run(self, arguments: argparse.Namespace) -> int:
        if arguments.strace is not None and recording_from(arguments) is None:
            raise UsageError(
                "--strace FILE goes with a recording", "of a target, press c: it attaches strace after asking"
            )
        if not arguments.text and is_terminal():
            from uringtrace.cli.light_start import start_light

            start_light()
            from uringtrace.cli.application import show_recording, show_target

            path = recording_from(arguments)
            if path is not None:
                return show_recording(path, arguments)
            return show_target(target_from(arguments), arguments)
        path = recording_from(arguments)
        if path is not None:
            raise UsageError(
                "a recording is played on a terminal", f"to print its totals: uringtrace stat {path}"
            )
        with counting_source(arguments, "watching") as source:
            watch(source, arguments, sys.stdout)
        return pass_on(source.child_status)


def is_terminal() -> bool:
    """Whether there is a keyboard and a screen that can be drawn on."""
    streams = (sys.stdin, sys.stdout, sys.stderr)
    if os.environ.get("TERM", "dumb") == "dumb":
        return False
    return all(stream is not None and stream.isatty() for stream in streams)


def _rows(text: str) -> int:
    try:
        rows = int(text)
    except ValueError:
        rows = 0
    if not _FEWEST_ROWS <= rows <= _MOST_ROWS:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from {_FEWEST_ROWS:,} to {_MOST_ROWS:,}")
    return rows


def watch(source: LaunchingSource, arguments: argparse.Namespace, output: TextIO) -> None:
    """Print the tables each second until the source ends, then the whole summary."""
    from uringtrace.tracer.summary import summary_of
    from uringtrace.ui.text.numbers import rate
    from uringtrace.ui.text.style import style_for
    from uringtrace.ui.text.summary_table import summary_lines
    from uringtrace.ui.text.table import shortened

    style = style_for(arguments.color, output)
    completions, previous_ns = 0, source.context.started_ns

    def show() -> None:
        nonlocal completions, previous_ns
        summary = summary_of(source)
        elapsed = (source.ended_ns - previous_ns) / 1e9
        now = rate((summary.totals.completions - completions) / elapsed if elapsed > 0 else None)
        completions, previous_ns = summary.totals.completions, source.ended_ns
        heading = f"{shortened(summary.target, 48)} · {summary.duration_s:.0f} s · now {now}"
        lines = [style.heading(heading), "", *summary_lines(summary, style)]
        print("\n".join(lines) + "\n", file=output, flush=True)

    run_for(source, arguments.duration, _REDRAW_SECONDS, show)
    print("\n".join(summary_lines(summary_of(source), style)), file=output, flush=True)

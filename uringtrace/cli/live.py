"""`uringtrace PID`: the tables of `stat`, drawn anew each second, and once more at the end."""

from __future__ import annotations

import argparse
import shutil
import sys
from typing import TYPE_CHECKING, TextIO

from uringtrace.cli.counting import (
    add_colour_argument,
    add_duration_argument,
    counting_source,
    run_for,
)
from uringtrace.cli.signals import pass_on
from uringtrace.cli.target_options import add_target_arguments

if TYPE_CHECKING:
    from uringtrace.tracer.source import LaunchingSource

_REDRAW_SECONDS = 1.0
_CLEAR = "\x1b[H\x1b[2J"


class LiveCommand:
    name = "live"
    summary = "watch operations as they happen"
    group = "Capture"
    epilog = """examples:
  uringtrace 4711           watch process 4711; Ctrl-C ends with a summary
  uringtrace -f 4711        its children as well
  uringtrace -- ./server    start a program and watch it"""

    def configure(self, parser: argparse.ArgumentParser) -> None:
        add_target_arguments(parser, recording=False)
        add_duration_argument(parser)
        add_colour_argument(parser)

    def run(self, arguments: argparse.Namespace) -> int:
        with counting_source(arguments, "watching") as source:
            watch(source, arguments, sys.stdout)
        return pass_on(source.child_status)


def watch(source: LaunchingSource, arguments: argparse.Namespace, output: TextIO) -> None:
    """Draw a screen each second until the source ends, then print the whole summary.

    On a terminal a screen replaces the one before and is cut to the terminal's height;
    elsewhere each is a block of its own.
    """
    from uringtrace.tracer.summary import summary_of
    from uringtrace.ui.text.numbers import rate
    from uringtrace.ui.text.style import style_for
    from uringtrace.ui.text.summary_table import summary_lines
    from uringtrace.ui.text.table import shortened

    style = style_for(arguments.color, output)
    terminal = output.isatty()
    clear = _CLEAR if terminal else ""
    completions, previous_ns = 0, source.context.started_ns

    def draw() -> None:
        nonlocal completions, previous_ns
        summary = summary_of(source)
        elapsed = (source.ended_ns - previous_ns) / 1e9
        now = rate((summary.totals.completions - completions) / elapsed if elapsed > 0 else None)
        completions, previous_ns = summary.totals.completions, source.ended_ns
        heading = f"{shortened(summary.target, 48)} · {summary.duration_s:.0f} s · now {now}"
        lines = [style.heading(heading), "", *summary_lines(summary, style)]
        if terminal:
            height = shutil.get_terminal_size().lines - 1
            lines = lines if len(lines) <= height else [*lines[: height - 1], "…"]
        print(clear + "\n".join(lines) + ("" if terminal else "\n"), file=output, flush=True)

    run_for(source, arguments.duration, _REDRAW_SECONDS, draw)
    print(clear + "\n".join(summary_lines(summary_of(source), style)), file=output, flush=True)

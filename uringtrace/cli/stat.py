"""`uringtrace stat`: counts and latencies of both interfaces, connections and threads.

From a target or a recording.
"""

from __future__ import annotations

import argparse
import sys
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, TextIO

from uringtrace.cli.counting import (
    add_colour_argument,
    add_duration_argument,
    counting_source,
    positive_seconds,
    run_for,
)
from uringtrace.cli.fresh_output import fresh_output
from uringtrace.cli.signals import pass_on
from uringtrace.cli.target_options import add_target_arguments

if TYPE_CHECKING:
    from uringtrace.tracer.source import LaunchingSource
    from uringtrace.tracer.summary import Summary
    from uringtrace.ui.text.style import Style

STANDARD_OUTPUT = "-"


class StatCommand:
    name = "stat"
    summary = "count operations, with latencies; connections, threads"
    group = "Capture"
    epilog = """examples:
  uringtrace stat 4711               count until Ctrl-C, then print the tables
  uringtrace stat -d 10 -i 1 4711    for ten seconds, with a table each second
  uringtrace stat --connections 4711 what moved over each connection
  uringtrace stat --threads -f 4711  what each thread did and waited on
  uringtrace stat --json -- ./server start a program, print one JSON object
  uringtrace stat night              the same tables from a recording"""

    def configure(self, parser: argparse.ArgumentParser) -> None:
        add_target_arguments(parser, recording=True)
        add_duration_argument(parser)
        parser.add_argument(
            "-i",
            "--interval",
            type=positive_seconds,
            metavar="SEC",
            help="also print what each interval added",
        )
        parser.add_argument(
            "--connections",
            action="store_true",
            help="also connections and their requests; this streams every operation instead of counting",
        )
        parser.add_argument(
            "--threads",
            action="store_true",
            help="also what each thread did, waited on and for how long; streams as well",
        )
        parser.add_argument(
            "-v", "--verbose", action="store_true", help="every system call, and more of each connection"
        )
        parser.add_argument(
            "--json",
            nargs="?",
            const=STANDARD_OUTPUT,
            metavar="PATH",
            help="JSON to standard output instead of tables, or with =PATH to a file as well",
        )
        parser.add_argument("--force", action="store_true", help="overwrite the JSON file")
        add_colour_argument(parser)

    def run(self, arguments: argparse.Namespace) -> int:
        settle_json_operand(arguments)
        with ExitStack() as stack:
            json_output = None
            if arguments.json is not None:
                json_output = stack.enter_context(fresh_output(arguments.json, arguments.force))
            details = {"connections": arguments.connections, "threads": arguments.threads}
            with counting_source(arguments, "counting", **details) as source:
                report(source, arguments, sys.stdout, json_output)
            status = source.child_status
        return pass_on(status)


def settle_json_operand(arguments: argparse.Namespace) -> None:
    """In `stat --json 4711` the number is the target, although argparse reads it as PATH.

    Only `--json=PATH` can name a file when nothing else on the line names a target.
    """
    named = arguments.operand or arguments.pid or arguments.everything or arguments.command
    if arguments.json not in (None, STANDARD_OUTPUT) and not named:
        arguments.operand, arguments.json = arguments.json, STANDARD_OUTPUT


def report(
    source: LaunchingSource, arguments: argparse.Namespace, text_output: TextIO, json_output: TextIO | None
) -> None:
    """Run the source to its end and write the report, with interval reports as it goes."""
    from uringtrace.tracer.statistics import difference, empty_counters
    from uringtrace.tracer.summary import summarise, summary_of
    from uringtrace.ui.text.style import style_for
    from uringtrace.ui.text.summary_json import summary_json
    from uringtrace.ui.text.summary_table import summary_lines

    style = style_for(arguments.color, text_output)
    text = arguments.json != STANDARD_OUTPUT
    previous = empty_counters()
    previous_ns = source.context.started_ns

    def interval() -> None:
        nonlocal previous, previous_ns
        counters, now_ns = source.counters(), source.ended_ns
        delta = difference(counters, previous)
        part = summarise(source.context, delta, source.rings, source.losses, now_ns - previous_ns)
        since_start = (now_ns - source.context.started_ns) / 1e9
        if text:
            heading = style.heading(f"--- {since_start:.1f} s")
            print(
                heading,
                *summary_lines(part, style, rings=False, every_call=arguments.verbose),
                "",
                sep="\n",
                file=text_output,
                flush=True,
            )
        if json_output is not None:
            print(summary_json(part, interval=True), file=json_output, flush=True)
        previous, previous_ns = counters, now_ns

    run_for(source, arguments.duration, arguments.interval, interval)
    summary = with_details(summary_of(source), source)
    if text:
        if arguments.interval is not None:
            print(style.heading("--- in all"), file=text_output)
        print(*report_lines(summary, style, verbose=arguments.verbose), sep="\n", file=text_output)
    if json_output is not None:
        print(summary_json(summary), file=json_output)


def with_details(summary: Summary, source: LaunchingSource) -> Summary:
    """The summary with the connections and threads that the source has followed."""
    from uringtrace.tracer.replayed_counting import ReplayedCounting

    if not isinstance(source, ReplayedCounting):
        return summary
    return replace(summary, connections=source.connections(), threads=source.threads())


def report_lines(summary: Summary, style: Style, *, verbose: bool) -> list[str]:
    """Everything `stat` prints at the end, the counts last: they are what fits a screen."""
    from uringtrace.ui.text.connections_table import connections_lines
    from uringtrace.ui.text.summary_table import summary_lines
    from uringtrace.ui.text.threads_table import threads_lines

    lines = []
    if summary.connections is not None:
        lines += [*connections_lines(summary.connections, style, verbose=verbose), ""]
    if summary.threads is not None:
        lines += [*threads_lines(summary.threads, style), ""]
    return [*lines, *summary_lines(summary, style, every_call=verbose)]

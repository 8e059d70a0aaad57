"""`uringtrace log`: one line, or one JSON object, per operation as it completes."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import takewhile
from threading import Event
from typing import TYPE_CHECKING, TextIO

from uringtrace.cli.counting import start_line
from uringtrace.cli.fresh_output import fresh_output
from uringtrace.cli.output import notice
from uringtrace.cli.signals import pass_on, stopping_on_signals
from uringtrace.cli.target_options import add_target_arguments, recording_from, target_from
from uringtrace.errors import UsageError

if TYPE_CHECKING:
    from uringtrace.tracer.filter import Expression
    from uringtrace.tracer.record import Batch
    from uringtrace.tracer.source import Source


@dataclass(frozen=True, slots=True)
class Stream:
    """A source that was opened; a signal ends its batches."""

    source: Source
    batches: Iterator[Batch]
    child_status: Callable[[], int | None]


class LogCommand:
    name = "log"
    summary = "print one line per operation, as strace does"
    group = "Capture"
    epilog = """examples:
  uringtrace log 4711                            everything that completes
  uringtrace log -e 'op=READ and latency>1ms' 4711
  uringtrace log -Z -tt -- ./server              only what fails, with times
  uringtrace log -o '|gzip > log.gz' night       a recording, compressed
filters: docs/filters.md, JSON: docs/json.md"""

    def configure(self, parser: argparse.ArgumentParser) -> None:
        add_target_arguments(parser, recording=True)
        add = parser.add_argument
        add(
            "-e",
            "--filter",
            action="append",
            default=[],
            metavar="EXPR",
            help="only what fits; all -e must hold",
        )
        result = parser.add_mutually_exclusive_group()
        result.add_argument("-z", "--successful", action="store_true", help="only results that are no error")
        result.add_argument("-Z", "--failed", action="store_true", help="only errors")
        time = parser.add_mutually_exclusive_group()
        time.add_argument("-r", "--relative", action="store_true", help="time since the line before")
        time.add_argument(
            "-t",
            action="count",
            default=0,
            dest="clock",
            help="time of completion; -tt: with µs, -ttt: unix time",
        )
        add(
            "-T",
            "--durations",
            action=argparse.BooleanOptionalAction,
            default=True,
            help="show durations (the default)",
        )
        add(
            "-s",
            "--string-limit",
            type=whole_number,
            metavar="N",
            help="at most N characters between < and >",
        )
        add("-o", "--output", metavar="FILE", help="write to FILE, or to a command: -o '|CMD'")
        add("--force", action="store_true", help="overwrite FILE")
        add("--json", action="store_true", help="one JSON object per operation")
        add("-q", "--quiet", action="store_true", help="no notices unless something was lost")

    def run(self, arguments: argparse.Namespace) -> int:
        expression = expression_from(arguments)
        with (
            fresh_output(arguments.output, arguments.force) as output,
            opened(arguments, expression) as stream,
        ):
            write_log(stream, expression, arguments, output)
        return pass_on(stream.child_status())


def whole_number(text: str) -> int:
    """A number of characters; raises `argparse.ArgumentTypeError`."""
    if not (text.isascii() and text.isdecimal()):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of characters")
    return int(text)


def expression_from(arguments: argparse.Namespace) -> Expression | None:
    """All conditions of the command line as one; raises `FilterError` and `UsageError`."""
    from uringtrace.tracer.filter import parse_all

    if arguments.clock > 3:
        raise UsageError("-t can be given three times at most", "-ttt shows unix time")
    by_result = ["result>=0"] if arguments.successful else ["error"] if arguments.failed else []
    return parse_all([*arguments.filter, *by_result])


@contextmanager
def opened(arguments: argparse.Namespace, expression: Expression | None) -> Iterator[Stream]:
    """Attach to the target, or open the recording, that the command line names.

    Operation names in the filter are compared with the kernel's before anything starts.
    """
    from uringtrace.tracer.filter import check_operations

    path = recording_from(arguments)
    if path is not None:
        from uringtrace.tracer.recording import open_recording

        recording = open_recording(path)
        if expression is not None:
            check_operations(expression, recording.context.operation_names)
        stopped = Event()
        batches = takewhile(lambda _: not stopped.is_set(), recording.batches())
        with stopping_on_signals(stopped.set):
            yield Stream(recording, batches, lambda: None)
        for problem in recording.problems:
            notice(problem)
        return
    target = target_from(arguments)
    from uringtrace.tracer.capture import start_streaming

    if expression is not None:
        check_operations(expression, kernel_operation_names())
    capture = start_streaming(target)
    with stopping_on_signals(capture.stop), capture:
        if not arguments.quiet:
            notice(start_line("logging", str(target)))
            if target.pids and not capture.rings:
                notice("no ring in the target yet: waiting for one")
        yield Stream(capture, capture.batches(), lambda: capture.child_status)


def kernel_operation_names() -> Mapping[int, str]:
    """The running kernel's operations; raises `CapabilityError` where it has no BTF."""
    from uringtrace.probes.btf import Btf
    from uringtrace.probes.layout import read_layout

    return read_layout(Btf.of_kernel()).operation_names


def write_log(
    stream: Stream, expression: Expression | None, arguments: argparse.Namespace, output: TextIO
) -> None:
    """Write what passes the filter until the source ends, then say what was lost.

    The filter works on whole batches; only rows that are written become objects.
    """
    from uringtrace.tracer.filter import evaluate
    from uringtrace.ui.text.operation_json import end_json, start_json

    source = stream.source
    context = source.context
    render = renderer(source, arguments)
    if arguments.json:
        print(start_json(context), file=output, flush=True)
    seen = shown = 0
    for batch in stream.batches:
        chosen = batch if expression is None else batch[evaluate(expression, batch, context.operation_names)]
        seen += batch.size
        shown += chosen.size
        if chosen.size:
            output.write("\n".join(render(chosen)) + "\n")
            output.flush()
    losses = source.losses
    if arguments.json:
        print(end_json(losses, source.ended_ns), file=output, flush=True)
    if not arguments.quiet or losses.total_lost or losses.untracked:
        notice(ending(source, seen, shown))


def renderer(source: Source, arguments: argparse.Namespace) -> Callable[[Batch], list[str]]:
    """The function that turns a batch into lines, as the options ask for."""
    if arguments.json:
        from uringtrace.ui.text.operation_json import OperationJson

        objects = OperationJson(source.context.operation_names)
        return lambda batch: objects.lines(batch, source.files)
    from uringtrace.ui.text.operation_line import LineFormatter, TimeStyle

    style = TimeStyle.RELATIVE if arguments.relative else TimeStyle("t" * arguments.clock)
    formatter = LineFormatter(
        source.context,
        source.files,
        time_style=style,
        durations=arguments.durations,
        limit=arguments.string_limit,
    )
    return lambda batch: formatter.lines(batch, source.files)


def ending(source: Source, seen: int, shown: int) -> str:
    """The closing notice: how much there was and what is missing from it."""
    from uringtrace.ui.text.style import Style
    from uringtrace.ui.text.summary_table import loss_line

    if not seen:
        rings = "" if source.rings else ", and no io_uring ring"
        counted = f"{source.context.target}: no io_uring operation was seen{rings}"
    elif shown == seen:
        counted = f"{seen:,} lines"
    else:
        counted = f"{shown:,} lines of {seen:,}"
    return f"{counted}; {loss_line(source.losses, Style())}"

"""`uringtrace log`: one line, or one JSON object, per operation as it completes."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import takewhile
from os import uname
from os.path import realpath
from threading import Event
from typing import TYPE_CHECKING, TextIO

from uringtrace.cli.counting import add_duration_argument, start_line
from uringtrace.cli.fresh_output import fresh_output
from uringtrace.cli.output import notice
from uringtrace.cli.signals import pass_on, stopping_on_signals
from uringtrace.cli.target_options import add_target_arguments, recording_from, target_from
from uringtrace.errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from uringtrace.tracer.capture import StreamingCapture
    from uringtrace.tracer.filter import Expression
    from uringtrace.tracer.records import Records
    from uringtrace.tracer.source import Source


@dataclass(frozen=True, slots=True)
class Stream:
    """A source that was opened; a signal ends its records."""

    source: Source
    records: Iterator[Records]
    child_status: Callable[[], int | None]


class LogCommand:
    name = "log"
    summary = "print one line per operation, as strace does"
    group = "Capture"
    epilog = """examples:
  uringtrace log 4711                            everything that completes
  uringtrace log -e 'op=READ and latency>1ms' 4711
  uringtrace log -e trace=%network,io_uring -e peer=10.0.0.0/8 4711
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
        add(
            "-P",
            "--trace-path",
            action="append",
            default=[],
            metavar="PATH",
            help="only what concerns this file; several: any of them",
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
        add_duration_argument(parser)
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
    from uringtrace.tracer.filter import FileIs, parse_all

    if arguments.clock > 3:
        raise UsageError("-t can be given three times at most", "-ttt shows unix time")
    if "" in arguments.trace_path:
        raise UsageError("-P needs a path", "for example: -P /etc/hosts")
    texts = list(arguments.filter)
    if arguments.interface != "all":
        texts.append(f"interface={arguments.interface}")
    if arguments.successful:
        texts.append("result>=0 or result<-4095")
    if arguments.failed:
        texts.append("error")
    # A call is given the path as the user may have written it; a descriptor has the real one.
    paths = tuple(dict.fromkeys(each for path in arguments.trace_path for each in (path, realpath(path))))
    return parse_all(texts, *([FileIs(paths)] if paths else []))


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
        within = completed_within(recording.records(), recording, arguments.duration)
        with stopping_on_signals(stopped.set):
            yield Stream(recording, takewhile(lambda _: not stopped.is_set(), within), lambda: None)
        for problem in recording.problems:
            notice(problem)
        return
    target = target_from(arguments)
    from uringtrace.tracer.capture import start_streaming

    if expression is not None:
        check_operations(expression, kernel_operation_names())
    capture = start_streaming(target, arguments.interface)
    with stopping_on_signals(capture.stop), capture:
        if not arguments.quiet:
            notice(start_line("logging", str(target)))
        for limit in capture.limits:
            notice(limit)
        waiting = target.pids and arguments.interface == "io_uring" and not capture.rings
        if waiting and not arguments.quiet:
            notice("no ring in the target yet: waiting for one")
        records = stopped_after(capture.records(), capture, arguments.duration)
        yield Stream(capture, records, lambda: capture.child_status)


def completed_within(records: Iterator[Records], source: Source, duration: float | None) -> Iterator[Records]:
    """Of a recording: what completed in its first `duration` seconds."""
    if duration is None:
        yield from records
        return
    end_ns = source.context.started_ns + round(duration * 1e9)
    for part in records:
        within = part.operations["completed_ns"] <= end_ns
        if within.size and not within.any():
            return
        yield part.select(within)


def stopped_after(
    records: Iterator[Records], capture: StreamingCapture, duration: float | None
) -> Iterator[Records]:
    """Stop a capture when it has taken `duration` seconds; what it still hands over follows."""
    for part in records:
        yield part
        if duration is not None and capture.ended_ns >= capture.context.started_ns + round(duration * 1e9):
            capture.stop()


def kernel_operation_names() -> Mapping[int, str]:
    """The running kernel's operations and calls; raises `CapabilityError` where it has no BTF."""
    from uringtrace.probes.btf import Btf
    from uringtrace.probes.layout import read_layout
    from uringtrace.tracer.syscalls.opcodes import call_names

    return {**read_layout(Btf.of_kernel()).operation_names, **call_names(uname().machine)}


def write_log(
    stream: Stream, expression: Expression | None, arguments: argparse.Namespace, output: TextIO
) -> None:
    """Write what passes the filter until the source ends, then say what was lost.

    The filter works on whole drains; only rows that are written become objects. Both
    interfaces come out in one order, that of completion.
    """
    import numpy as np

    from uringtrace.tracer.filter import Condition
    from uringtrace.ui.text.operation_json import end_json, start_json

    source = stream.source
    context = source.context
    render = renderer(source, arguments)
    condition = None if expression is None else Condition(expression, context.operation_names)
    if arguments.json:
        print(start_json(context), file=output, flush=True)
    seen = shown = 0
    for drained in stream.records:
        records = drained.sorted_by_completion()
        everything = np.ones(records.operations.size, bool)
        chosen = everything if condition is None else condition.holds(records, source.files)
        seen += chosen.size
        lines = render(records, chosen)
        if lines:
            shown += len(lines)
            output.write("\n".join(lines) + "\n")
            output.flush()
    losses = source.losses
    if arguments.json:
        print(end_json(losses, source.ended_ns), file=output, flush=True)
    if not arguments.quiet or losses.total_lost or losses.untracked:
        notice(ending(source, arguments.interface, seen, shown))


def renderer(
    source: Source, arguments: argparse.Namespace
) -> Callable[[Records, NDArray[np.bool_]], list[str]]:
    """The function that turns the chosen rows of records into lines, as the options ask for.

    It is given all records, since what a wait reported is known from calls that are not shown.
    """
    if arguments.json:
        from uringtrace.ui.text.operation_json import OperationJson

        objects = OperationJson(source.context.operation_names)
        return lambda records, chosen: objects.lines(records.select(chosen), source.files, source.threads)
    import numpy as np

    from uringtrace.ui.text.operation_line import LineFormatter, TimeStyle
    from uringtrace.ui.text.readiness_text import ReadinessText

    style = TimeStyle.RELATIVE if arguments.relative else TimeStyle("t" * arguments.clock)
    formatter = LineFormatter(
        source.context,
        source.files,
        time_style=style,
        durations=arguments.durations,
        limit=arguments.string_limit,
    )
    readiness = ReadinessText(source.context, source.interests, arguments.string_limit)

    def lines(records: Records, chosen: NDArray[np.bool_]) -> list[str]:
        words = readiness.lines(records, source.files, source.threads, chosen)
        texts = formatter.lines(records.select(chosen), source.files, source.threads)
        rows = np.flatnonzero(chosen).tolist()
        return [text + words.get(row, "") for row, text in zip(rows, texts, strict=True)]

    return lines


def ending(source: Source, interface: str, seen: int, shown: int) -> str:
    """The closing notice: how much there was and what is missing from it."""
    from uringtrace.ui.text.style import Style
    from uringtrace.ui.text.summary_table import loss_line

    if not seen:
        what = {"io_uring": "io_uring operation", "syscall": "system call"}.get(interface, "operation")
        rings = "" if source.rings or interface == "syscall" else ", and no io_uring ring"
        counted = f"{source.context.target}: no {what} was seen{rings}"
    elif shown == seen:
        counted = f"{seen:,} lines"
    else:
        counted = f"{shown:,} lines of {seen:,}"
    return f"{counted}; {loss_line(source.losses, Style())}"

"""What `stat` and the live screen share: a counting source from the command line, and time.

A recording and a live target come out as the same kind of source, so that neither
command knows which it has.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from uringtrace.cli.output import notice
from uringtrace.cli.signals import stopping_on_signals
from uringtrace.cli.target_options import recording_from, target_from

if TYPE_CHECKING:
    from uringtrace.tracer.source import CountingSource, LaunchingSource, Source

_FOREVER = 3600.0


def positive_seconds(text: str) -> float:
    """A duration on the command line; raises `argparse.ArgumentTypeError`."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0.001 <= value <= 1e9:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds, for example 10 or 0.5")
    return value


def add_duration_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-d", "--duration", type=positive_seconds, metavar="SEC", help="end after this time")


def add_colour_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--color",
        choices=("auto", "always", "never"),
        default="auto",
        help="auto (the default) heeds NO_COLOR and whether this is a terminal",
    )


@contextmanager
def counting_source(
    arguments: argparse.Namespace, verb: str, *, connections: bool = False, threads: bool = False
) -> Iterator[LaunchingSource]:
    """Attach to the target, or open the recording, that the command line names.

    Says on standard error what was started; from then on a signal stops it. To follow
    connections or threads the capture streams. Raises what `target_from`, `open_recording`
    and the capture raise.
    """
    path = recording_from(arguments)
    if path is not None:
        from uringtrace.tracer.recording import open_recording
        from uringtrace.tracer.replayed_counting import ReplayedCounting

        recording = open_recording(path)
        shown: Source = recording
        if arguments.interface != "all":
            from uringtrace.tracer.one_interface import OneInterface

            shown = OneInterface(recording, arguments.interface)
        replayed = ReplayedCounting(shown, connections=connections, threads=threads)
        with stopping_on_signals(replayed.stop):
            yield replayed
        for problem in recording.problems:
            notice(problem)
        return
    target = target_from(arguments)
    source: LaunchingSource
    with ExitStack() as stack:
        if connections or threads:
            from uringtrace.tracer.capture import start_streaming
            from uringtrace.tracer.replayed_counting import StreamedCounting

            streaming = start_streaming(target, arguments.interface)
            stack.enter_context(stopping_on_signals(streaming.stop))
            limits = stack.enter_context(streaming).limits
            source = StreamedCounting(streaming, connections=connections, threads=threads)
        else:
            from uringtrace.tracer.capture import start_counting

            counting = start_counting(target, arguments.interface)
            stack.enter_context(stopping_on_signals(counting.stop))
            source = stack.enter_context(counting)
            limits = counting.limits
        notice(start_line(verb, str(target)))
        for limit in limits:
            notice(limit)
        if target.pids and arguments.interface == "io_uring" and not source.rings:
            notice("no ring in the target yet: waiting for one")
        yield source
        if not (target.follow or target.everything or seen(source)):
            what = "ring was used" if arguments.interface == "io_uring" else "operation was seen"
            notice(f"no {what}; children that the target forks are traced only with -f")


def seen(source: CountingSource) -> bool:
    """Whether there was anything to count, or at least a ring."""
    return bool(source.rings) or bool(source.counters()["submitted"].any())


def start_line(verb: str, target: str) -> str:
    """What was started, in one line of a terminal however long the command is."""
    return f"{verb} {target if len(target) <= 48 else target[:47] + '…'}. Ctrl-C to end"


def run_for(
    source: CountingSource, duration: float | None, every: float | None, tick: Callable[[], None]
) -> None:
    """Wait until the source ends or `duration` is over; `tick` is called after each `every` seconds.

    The last, shorter stretch has no tick: what it brought is in the totals.
    """
    remaining = duration
    while remaining is None or remaining > 1e-9:
        step = min(every or _FOREVER, _FOREVER if remaining is None else remaining)
        if source.wait(step):
            return
        if remaining is not None:
            remaining -= step
        if every is not None and step == every:
            tick()
    source.stop()
    source.wait(0)

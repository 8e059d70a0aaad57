"""The phases of `uringtrace compare` on a running target or a command, recorded all along."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from uringtrace.cli.compare import rows_wanted, show
from uringtrace.cli.output import notice
from uringtrace.cli.signals import pass_on, stopping_on_signals
from uringtrace.cli.target_options import target_from
from uringtrace.errors import EXIT_FAILED, UsageError
from uringtrace.tracer.new_file import check_new, new_file

if TYPE_CHECKING:
    from uringtrace.tracer.capture import StreamingCapture
    from uringtrace.tracer.compare.kept import Kept
    from uringtrace.tracer.compare.live import Make, Schedule
    from uringtrace.tracer.compare.observer import Observer
    from uringtrace.tracer.launch import Launched
    from uringtrace.tracer.target import Target

_SECONDS = 5.0
_ENDED_BEFORE = "it was ended before strace was there"
_ATTACH_SECONDS = 4.0
"""Within the patience of a command that waits for its start."""


def compare_live(arguments: argparse.Namespace) -> int:
    """Run the phases and show what came of them; the command's exit code, or 1 without strace."""
    from uringtrace.tracer.compare.build import report_of
    from uringtrace.tracer.compare.strace_process import OPTIONS, obstacle, version

    target = target_from(arguments)
    if arguments.keep_log is not None:
        check_new(arguments.keep_log, force=arguments.force)
    why_not = obstacle(target.pids)
    if not why_not:
        confirm(arguments, target)
    with tempfile.TemporaryDirectory(prefix="uringtrace-") as folder:
        place, log = Path(folder) / "journal", Path(folder) / "strace.log"
        schedule, kept, status = run(arguments, target, place, log, why_not)
        if arguments.keep_log is not None and schedule.window_ns:
            keep(log, arguments.keep_log, force=arguments.force)
        report = report_of(
            log if schedule.window_ns else None,
            kept,
            rows=rows_wanted(arguments),
            window=schedule.window_ns,
            spans=schedule.spans,
            version=version(),
            options=OPTIONS,
            why_not=schedule.why_not or ("" if schedule.window_ns else _ENDED_BEFORE),
            target=str(target),
        )
        show(report, log if schedule.window_ns else None, kept, arguments)
    return pass_on(status) or (EXIT_FAILED if schedule.why_not else 0)


def keep(log: Path, path: Path, *, force: bool) -> None:
    """Copy strace's log, for its owner alone and without the keys in it. Raises what `new_file` raises."""
    from uringtrace.tracer.strace import lines_of, without_keys

    with new_file(path, force=force) as partial, partial.open("w", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in without_keys(lines_of(log)))
    notice(f"strace's log, without keys, is kept in {path}")


def confirm(arguments: argparse.Namespace, target: Target) -> None:
    """Say what strace does to the target, and ask on a terminal. Raises UsageError without a yes."""
    notice(f"strace will stop {target} at every system call, which slows it down, maybe many times")
    if arguments.yes:
        return
    if not (sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError("strace is attached only when that is wanted", "add --yes")
    print("uringtrace: attach it? [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise UsageError("not attached")


def run(
    arguments: argparse.Namespace, target: Target, place: Path, log: Path, why_not: str
) -> tuple[Schedule, Kept, int | None]:
    """Capture through all phases: how they went, what was captured, and a launched command's status."""
    from uringtrace.tracer.capture import start_streaming
    from uringtrace.tracer.compare.kept import Kept
    from uringtrace.tracer.compare.live import Schedule

    seconds = arguments.duration or (None if arguments.once and target.command else _SECONDS)
    with ExitStack() as stack:
        launched = stack.enter_context(held(target)) if target.command else None
        # strace -f follows what the target forks, so the capture does.
        followed = replace(target, follow=True)
        if launched is not None:
            followed = replace(followed, pids=(launched.pid,), command=())
        capture = stack.enter_context(start_streaming(followed))
        for limit in capture.limits:
            notice(limit)
        observers = observers_of(arguments, log)
        schedule = Schedule(capture, observers, seconds, arguments.once, notice, why_not=why_not)
        # Last in, first out: strace is gone before the capture, and that before the command.
        stack.callback(schedule.end)
        stack.enter_context(stopping_on_signals(schedule.stop))
        kept = Kept(place, capture)
        start(schedule, launched)
        try:
            drain(capture, kept, schedule)
        finally:
            kept.close()
        status = launched.status if launched is not None and launched.ended() else None
    return schedule, kept, status


@contextmanager
def held(target: Target) -> Iterator[Launched]:
    """The command as a process that waits for its start; ended as `record` would at the end."""
    from uringtrace.tracer.launch import Launched

    launched = Launched(target.command)
    try:
        yield launched
    finally:
        launched.end()


def observers_of(arguments: argparse.Namespace, log: Path) -> list[Make]:
    """What starts strace, and those of --with that are installed."""
    from uringtrace.tracer.compare.others import OTHERS, missing
    from uringtrace.tracer.compare.strace_process import StraceProcess

    found: list[Make] = [lambda pids: StraceProcess(pids, log)]
    for word in arguments.others:
        if lacks := missing(word):
            notice(lacks)
        else:
            found.append(partial(_started, OTHERS[word], log.parent))
    return found


def _started(kind: Callable[[Sequence[int], Path], Observer], folder: Path, pids: Sequence[int]) -> Observer:
    return kind(pids, folder)


def start(schedule: Schedule, launched: Launched | None) -> None:
    """Begin the phases. With --once strace is there before a command's first instruction."""
    if launched is not None and schedule.once and not schedule.why_not:
        schedule.observer = schedule.observers.pop(0)((launched.pid,))
        schedule.observer.wait_attached(_ATTACH_SECONDS)
    if launched is not None:
        launched.release()
    if schedule.why_not:
        notice(f"{schedule.why_not}; what uringtrace sees is shown alone")
    schedule.begin()


def drain(capture: StreamingCapture, kept: Kept, schedule: Schedule) -> None:
    """Store what the capture hands over until the phases, or the target, end."""
    chunks = iter(capture.chunks())
    try:
        for chunk in chunks:
            kept.append(chunk)
            schedule.step()
    finally:
        schedule.end()
        capture.stop()
        for chunk in chunks:
            kept.append(chunk)

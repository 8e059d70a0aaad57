"""Opens the terminal application on a running target or on a recording.

Whatever ends it, the probes are detached before the terminal has its prompt back.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING

from uringtrace.cli.counting import start_line
from uringtrace.cli.output import notice
from uringtrace.cli.signals import pass_on
from uringtrace.errors import EXIT_OK
from uringtrace.tracer.capture import StreamingCapture, start_streaming
from uringtrace.tracer.environment import require_capture
from uringtrace.tracer.live.early_feed import EarlyFeed
from uringtrace.tracer.target import Target

if TYPE_CHECKING:
    from uringtrace.tracer.live.capture_feed import CaptureFeed, RunningCapture
    from uringtrace.tracer.live.feed import Feed
    from uringtrace.ui.terminal.compare_work import Comparing

_SWITCH_SECONDS = 0.0005
"""After which the thread that draws hands the interpreter to the one that attaches and drains. That one
makes many short calls and gives it back by itself; with the usual 5 ms each of them waits as long."""


def show_recording(path: Path, arguments: argparse.Namespace) -> int:
    """Play a recording until the user leaves. Raises what `open_recording` raises."""
    from uringtrace.tracer.live.playback_feed import PlaybackFeed
    from uringtrace.tracer.recording import open_recording

    recording = open_recording(path)
    comparing = None
    if arguments.strace is not None:
        from uringtrace.tracer.compare.read import log_files
        from uringtrace.ui.terminal.compare_work import OfFiles

        log_files(arguments.strace)  # whether it is there is said before there is a screen
        comparing = OfFiles(arguments.strace, path)
    _show(PlaybackFeed(recording, rows=arguments.rows), arguments, lambda: comparing)
    for problem in recording.problems:
        notice(problem)
    return EXIT_OK


def show_target(target: Target, arguments: argparse.Namespace) -> int:
    """Watch a running or launched target. Raises what the capture raises."""
    require_capture()
    sys.setswitchinterval(_SWITCH_SECONDS)
    capture = start_streaming(target, arguments.interface)

    def feed(running: RunningCapture) -> CaptureFeed:
        # The kernel checks the probes meanwhile: what is imported before would let it wait.
        from uringtrace.tracer.live.capture_feed import CaptureFeed

        return CaptureFeed(running, rows=arguments.rows)

    with _entered(capture, target) as entering, EarlyFeed(entering, feed, capture.stop) as early:
        notice(start_line("watching", str(target)))

        def comparing() -> Comparing:
            from uringtrace.ui.terminal.compare_work import OfTarget

            return OfTarget(early, everything=target.everything)

        _show(early, arguments, comparing)
    return pass_on(capture.child_status)


@contextmanager
def _entered(capture: StreamingCapture, target: Target) -> Iterator[AbstractContextManager[RunningCapture]]:
    """What still has to be entered: a command is launched here, while nothing uses the terminal."""
    if not target.command:
        yield capture
        return
    with ExitStack() as stack:
        with _output_kept() as kept:
            stack.enter_context(capture)
        notice(f"the command's output goes to {kept}")
        yield nullcontext(capture)


def _show(feed: Feed, arguments: argparse.Namespace, comparing: Callable[[], Comparing | None]) -> None:
    # Takes as long as attaching does, which goes on meanwhile.
    from uringtrace.ui.terminal.app import Options, UringtraceApp
    from uringtrace.ui.terminal.lost_terminal import terminal_may_go

    options = Options(
        dark=not arguments.light, seconds=arguments.duration, compared=arguments.strace is not None
    )
    app = UringtraceApp(feed, options, comparing())
    with terminal_may_go():
        app.run()
    if app.error is not None:
        raise app.error


@contextmanager
def _output_kept() -> Iterator[Path]:
    """What is launched within this writes to a file and reads nothing: the terminal is ours."""
    sys.stdout.flush()
    sys.stderr.flush()
    saved = [os.dup(number) for number in range(3)]
    with NamedTemporaryFile(prefix="uringtrace-output-", suffix=".txt", delete=False) as file:
        nothing = os.open(os.devnull, os.O_RDONLY)
        try:
            os.dup2(nothing, 0)
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
            yield Path(file.name)
        finally:
            for number, descriptor in enumerate(saved):
                os.dup2(descriptor, number)
                os.close(descriptor)
            os.close(nothing)

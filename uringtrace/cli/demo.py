"""`uringtrace demo`: a reference server, load on it, and what strace would have seen of it.

Three processes: the server, the load generator, and this one, which counts what the
server does as `stat` does. The parts know nothing of one another, so their counts are
compared in the end.
"""

from __future__ import annotations

import argparse
import json
import os
import select
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from uringtrace.cli.counting import add_colour_argument, positive_seconds
from uringtrace.cli.output import notice
from uringtrace.cli.signals import stopping_on_signals
from uringtrace.cli.tethered import tethered
from uringtrace.errors import EXIT_FAILED, EXIT_OK, CapabilityError, Error, KernelError, UsageError
from uringtrace.targets.catalogue import ARCHITECTURES, Architecture

if TYPE_CHECKING:
    from uringtrace.tracer.capture import CountingCapture
    from uringtrace.tracer.source import CountingSource

DEFAULT = "uring-sqpoll"
CONNECTIONS = 16
RECORDING = Path("targets/demo/recording")
_STEP_SECONDS = 0.1
_PATIENCE_SECONDS = 5.0
"""For a child that was asked to end."""
_LONGEST_SETTLING_SECONDS = 0.8
"""A server that polls goes to sleep after a second, which is no answer to any request."""

Line = dict[str, Any]


class DemoCommand:
    """The command; exit code 1 when the counts of the three parts do not agree."""

    name = "demo"
    summary = "a reference server under load, traced"
    group = "Reference servers"
    epilog = (
        "Where no capture is possible it shows a recording, and says so.\n\n"
        "examples:\n"
        "  uringtrace demo                 ten seconds of a server without system calls\n"
        "  uringtrace demo epoll -d 3      the same of another (uringtrace targets)"
    )

    def configure(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "server", metavar="NAME", nargs="?", default=DEFAULT, help=f"a reference server ({DEFAULT})"
        )
        parser.add_argument(
            "-d",
            "--duration",
            type=positive_seconds,
            default=10.0,
            metavar="SEC",
            help="of load (default: 10)",
        )
        add_colour_argument(parser)

    def run(self, arguments: argparse.Namespace) -> int:
        from uringtrace.tracer.environment import require_capture

        architecture = ARCHITECTURES.get(arguments.server)
        if architecture is None:
            raise UsageError(f"no reference server is called {arguments.server}", "see: uringtrace targets")
        try:
            require_capture()
            _require(architecture)
            return demonstrate(architecture, arguments.duration, arguments.color)
        except (CapabilityError, KernelError) as error:
            return show_recording(error, arguments.color)


def _require(architecture: Architecture) -> None:
    from uringtrace.targets.support import support

    here = support(architecture)
    if here.lacks:
        raise CapabilityError(f"{architecture.name}: {here.lacks}", here.way_out)


def show_recording(reason: Error, colour: str) -> int:
    """What another machine saw, for one that can show nothing itself; on a terminal it is played."""
    from uringtrace import targets
    from uringtrace.cli.command import Command, parse
    from uringtrace.cli.live import LiveCommand, is_terminal
    from uringtrace.cli.stat import StatCommand

    print(f"No demonstration on this machine: {reason.message}")
    if reason.way_out:
        print(f"  {reason.way_out}")
    print("\nThis is NOT a capture of this machine: a recording that is shipped with the project follows.")
    path = Path(targets.__file__).parent / RECORDING.relative_to("targets")
    command: Command = StatCommand()
    if is_terminal():
        # The screen covers what was said, so it waits to be read.
        print(f"$ uringtrace {RECORDING}\nEnter plays it; q ends it then", flush=True)
        if not sys.stdin.readline():
            return EXIT_OK
        command = LiveCommand()
    else:
        print(f"$ uringtrace stat {RECORDING}", flush=True)
    return command.run(parse(command.name, command, [str(path), "--color", colour]))


def demonstrate(architecture: Architecture, duration: float, colour: str) -> int:
    """Run the three parts and print what they say; raises `uringtrace.errors.Error`."""
    from uringtrace.cli.demo_report import Seen, differences, report
    from uringtrace.tracer.capture import start_counting
    from uringtrace.tracer.statistics import difference
    from uringtrace.tracer.summary import summarise
    from uringtrace.tracer.target import Target
    from uringtrace.ui.text.style import style_for

    with ExitStack() as stack:
        said, stdout = _pipe(stack)
        # Traced from its first instruction, so that no operation began before it was seen.
        workers = ("--workers", str(CONNECTIONS)) if architecture.binds_workers else ()
        command = tethered(stdout, "serve", architecture.name, *workers)
        source = start_counting(Target(command=command, follow=True))
        stack.enter_context(stopping_on_signals(source.stop))
        stack.enter_context(source)
        os.close(stdout)
        first = _next_line(said, source, f"{architecture.name} did not start")
        before, before_ns = source.counters(), time.monotonic_ns()
        load = _load(first["listening"], architecture, duration, source)
        _settle(source)
        source.stop()
        source.wait(0)
        added = difference(source.counters(), before)
        summary = summarise(source.context, added, source.rings, source.losses, source.ended_ns - before_ns)
        truth = _end(source, said)
    seen = Seen(architecture, first["mode"], summary, load, truth)
    print("", *report(seen, style_for(colour, sys.stdout)), sep="\n", flush=True)
    found = differences(seen)
    for text in found:
        notice(text)
    return EXIT_FAILED if found else EXIT_OK


def _pipe(stack: ExitStack) -> tuple[TextIO, int]:
    """What a child will say, and the descriptor that it inherits to say it."""
    reader, writer = os.pipe()
    os.set_inheritable(writer, True)
    return stack.enter_context(os.fdopen(reader, "r")), writer


def _next_line(said: TextIO, source: CountingCapture, otherwise: str) -> Line:
    """The server's next line; raises `Error` when it ends, or is ended, without one."""
    while not select.select([said], [], [], 0)[0]:
        if source.wait(_STEP_SECONDS):
            break
    text = said.readline() if select.select([said], [], [], 0)[0] else ""
    return _parsed(text, source, otherwise)


def _parsed(text: str, source: CountingCapture, otherwise: str) -> Line:
    """A line of a child; without one either the user has ended all, or the child is to blame."""
    if not text and source.wait(0) and source.launched is not None and not source.launched.ended():
        raise KeyboardInterrupt
    if not text:
        raise Error(otherwise)
    line: Line = json.loads(text)
    return line


def _load(address: str, architecture: Architecture, duration: float, source: CountingCapture) -> Line:
    """Put load on the server and return what the generator says of it; a signal shortens it."""
    url = f"{'https' if architecture.tls else 'http'}://{address}/"
    arguments = ["load", url, "--connections", str(CONNECTIONS), "-d", f"{duration:g}"]
    if architecture.binds_workers and not architecture.workers:
        # It has one worker: who keeps a connection would keep out all others.
        arguments.append("--new-connections")
    print(f"$ uringtrace serve {architecture.name}")
    print(f"$ uringtrace {' '.join(arguments)}", flush=True)
    with ExitStack() as stack:
        said, stdout = _pipe(stack)
        command = tethered(stdout, *arguments, "--json")
        process = stack.enter_context(subprocess.Popen(command, pass_fds=(stdout,)))
        os.close(stdout)
        try:
            while process.poll() is None:
                if source.wait(_STEP_SECONDS):
                    process.terminate()
                    process.wait(_PATIENCE_SECONDS)
        finally:
            if process.poll() is None:
                process.kill()
        text = said.read()
    return _parsed(text, source, "the load generator did not say what it did")


def _settle(source: CountingSource) -> None:
    """Wait until the server has done what the load left for it to do."""
    deadline = time.monotonic() + _LONGEST_SETTLING_SECONDS
    before, now = -1, int(source.counters()["completions"].sum())
    while now != before and time.monotonic() < deadline:
        time.sleep(_STEP_SECONDS)
        before, now = now, int(source.counters()["completions"].sum())


def _end(source: CountingCapture, said: TextIO) -> Line:
    """End the server; what it says of itself."""
    launched = source.launched
    if launched is not None and not launched.ended():
        os.kill(launched.pid, signal.SIGTERM)
    text = said.read()
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while launched is not None and not launched.ended() and time.monotonic() < deadline:
        time.sleep(_STEP_SECONDS / 10)
    if not text:
        raise Error("the server did not say what it did")
    line: Line = json.loads(text)
    return line

"""`uringtrace diagnose`: what is wrong with a target's I/O, from a capture or a recording."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import takewhile
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

from uringtrace.cli.counting import add_colour_argument, add_duration_argument, start_line
from uringtrace.cli.output import notice
from uringtrace.cli.signals import pass_on, stopping_on_signals
from uringtrace.cli.target_options import add_target_arguments, recording_from, target_from
from uringtrace.cli.wake_chain import add_wake_chain_argument, show_wake_chain, wanted
from uringtrace.errors import EXIT_GATE

if TYPE_CHECKING:
    from uringtrace.tracer.capture import StreamingCapture
    from uringtrace.tracer.findings import Diagnosed
    from uringtrace.tracer.findings.regression import Compared
    from uringtrace.tracer.findings.regression_samples import Samples
    from uringtrace.tracer.records import Records
    from uringtrace.tracer.source import Source

LOOK_NS = 250_000_000
"""Between two looks at the threads of a running target."""
JUDGED_SLOTS = 49_152
"""Of what waits, so much is judged at once: rules cost by the step as well as by the row."""
GATES = ("info", "warn", "critical")


@dataclass(frozen=True, slots=True)
class Stream:
    """A source that was opened; a signal ends its records."""

    source: Source
    records: Iterator[Records]
    child_status: Callable[[], int | None]
    pids: Callable[[], frozenset[int] | None] | None = None
    """The target's processes while they run; None for a recording."""


class DiagnoseCommand:
    """The command; its exit code is 3 where the gate of --fail-on tripped, else as that of record."""

    name = "diagnose"
    summary = "say what is wrong, with evidence and what to change"
    group = "Capture"
    epilog = """examples:
  uringtrace diagnose 4711               until Ctrl-C, then what was found
  uringtrace diagnose -d 10 -f 4711      ten seconds, children too
  uringtrace diagnose night              of a recording
  uringtrace diagnose --fail-on warn -- ./server-test
  uringtrace diagnose --fail-on warn --baseline before after
  uringtrace diagnose --wake-chain slowest -d 10 4711
                                         who woke whom for the slowest request
what each finding means: docs/findings.md, chains: docs/wake-chain.md
JSON: docs/json.md"""

    def configure(self, parser: argparse.ArgumentParser) -> None:
        add_target_arguments(parser, recording=True)
        add_duration_argument(parser)
        form = parser.add_mutually_exclusive_group()
        form.add_argument("--json", action="store_true", help="one JSON object")
        form.add_argument(
            "--markdown", action="store_true", help="GitHub-flavoured Markdown, as for $GITHUB_STEP_SUMMARY"
        )
        parser.add_argument(
            "--baseline",
            type=Path,
            metavar="RECORDING",
            help="an earlier recording: say what is worse than there; counts as a warning for --fail-on",
        )
        parser.add_argument(
            "--fail-on",
            choices=GATES,
            metavar="SEVERITY",
            help=f"exit code 3 for a finding at least so severe: {', '.join(GATES)}",
        )
        add_wake_chain_argument(parser)
        add_colour_argument(parser)

    def run(self, arguments: argparse.Namespace) -> int:
        request = wanted(arguments)
        if request is not None:
            with opened(arguments) as stream:
                show_wake_chain(stream, request, arguments)
            return pass_on(stream.child_status())
        import uringtrace.tracer.findings  # noqa: F401  (what is slow to load, before anything is attached)

        baseline = None if arguments.baseline is None else Baseline.read(arguments.baseline)
        with opened(arguments) as stream:
            diagnosed, compared = diagnose(stream, baseline)
        show(diagnosed, arguments, compared)
        if tripped(diagnosed, arguments.fail_on):
            return EXIT_GATE
        return pass_on(stream.child_status())


@dataclass(frozen=True, slots=True)
class Baseline:
    """What a capture is compared with."""

    samples: Samples

    @classmethod
    def read(cls, path: Path) -> Baseline:
        """Raises RecordingError where it is no recording."""
        from uringtrace.tracer.findings.regression_samples import samples_of
        from uringtrace.tracer.recording import open_recording

        recording = open_recording(path)
        samples = samples_of(recording)
        for problem in recording.problems:
            notice(f"baseline: {problem}")
        return cls(samples)


def diagnose(stream: Stream, baseline: Baseline | None) -> tuple[Diagnosed, tuple[Compared, ...]]:
    """Take everything in, then judge; what is worse than in a baseline is a finding as well."""
    from uringtrace.tracer.findings import Diagnosis
    from uringtrace.tracer.findings.regression import compare, verdicts
    from uringtrace.tracer.findings.regression_samples import SampleTaker

    source = stream.source
    diagnosis = Diagnosis(source.context)
    taker = None if baseline is None else SampleTaker(source.context)
    looked_ns = 0
    for records in stream.records:
        if stream.pids is not None and source.ended_ns >= looked_ns + LOOK_NS:
            looked_ns = source.ended_ns
            diagnosis.look(stream.pids() or (), looked_ns)
        diagnosis.add(records, source)
        if taker is not None:
            taker.add(records, source)
    diagnosed = diagnosis.judge(source)
    if baseline is None or taker is None:
        return diagnosed, ()
    compared = compare(baseline.samples, taker.samples(source))
    return replace(diagnosed, verdicts=(*diagnosed.verdicts, *verdicts(compared))), compared


def tripped(diagnosed: Diagnosed, gate: str | None) -> bool:
    """Whether a finding is as severe as `gate`; what the capture lost is no finding."""
    if gate is None or diagnosed.worst is None:
        return False
    return diagnosed.worst >= least_severity(gate)


def least_severity(gate: str) -> int:
    """The `Severity` that trips this gate, as a number."""
    return GATES.index(gate) + 1


def show(diagnosed: Diagnosed, arguments: argparse.Namespace, compared: Sequence[Compared] = ()) -> None:
    """In the form that was asked for; `compared` is empty without a baseline."""
    if arguments.json:
        from uringtrace.ui.text.findings_json import diagnosis_json

        print(diagnosis_json(diagnosed, compared))
        return
    if arguments.markdown:
        from uringtrace.ui.report.findings_markdown import diagnosis_markdown

        print(diagnosis_markdown(diagnosed, compared, str(arguments.baseline)), end="")
        return
    from uringtrace.ui.text.findings_text import findings_lines
    from uringtrace.ui.text.style import style_for

    print(*findings_lines(diagnosed, style_for(arguments.color, sys.stdout)), sep="\n")
    if compared:
        from uringtrace.ui.terminal.safe import printable
        from uringtrace.ui.text.regression_text import regression_lines

        print("", *regression_lines(compared, printable(str(arguments.baseline))), sep="\n")


def drained_first(capture: StreamingCapture) -> Iterator[Records]:
    """The records of a capture; what comes faster than it is judged waits in memory.

    In the kernel's buffer what does not fit is lost. Empty records mark an idle drain, or one that was only
    kept.
    """
    from uringtrace.probes.ring_buffer import LONGEST_RUN
    from uringtrace.tracer.decode import decode_records
    from uringtrace.tracer.live.backlog import Backlog
    from uringtrace.tracer.live.capture_feed import MOST_SLOTS
    from uringtrace.tracer.records import empty_records

    backlog = Backlog(JUDGED_SLOTS)
    for slots in capture.chunks():
        backlog.append(slots)
        more = len(slots) >= LONGEST_RUN and backlog.waiting <= MOST_SLOTS
        piece = None if more else backlog.take()
        yield empty_records() if piece is None else decode_records(piece)
    while (piece := backlog.take()) is not None:
        yield decode_records(piece)


@contextmanager
def opened(arguments: argparse.Namespace) -> Iterator[Stream]:
    """Attach to the target, or open the recording, that the command line names.

    Raises what `target_from`, `open_recording` and the capture raise.
    """
    from uringtrace.cli.log import completed_within, stopped_after

    path = recording_from(arguments)
    if path is not None:
        from uringtrace.tracer.recording import open_recording

        recording = open_recording(path)
        shown: Source = recording
        if arguments.interface != "all":
            from uringtrace.tracer.one_interface import OneInterface

            shown = OneInterface(recording, arguments.interface)
        stopped = Event()
        within = completed_within(shown.records(), shown, arguments.duration)
        with stopping_on_signals(stopped.set):
            yield Stream(shown, takewhile(lambda _: not stopped.is_set(), within), lambda: None)
        for problem in recording.problems:
            notice(problem)
        return
    target = target_from(arguments)
    from uringtrace.tracer.capture import start_streaming

    capture = start_streaming(target, arguments.interface)
    with stopping_on_signals(capture.stop), capture:
        notice(start_line("diagnosing", str(target)))
        for limit in capture.limits:
            notice(limit)
        records = stopped_after(drained_first(capture), capture, arguments.duration)
        yield Stream(capture, records, lambda: capture.child_status, lambda: capture.pids)

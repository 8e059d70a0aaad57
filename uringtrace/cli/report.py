"""`uringtrace report`: a recording, or a capture of some seconds, as a page, Markdown or an image."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from uringtrace.cli.counting import add_duration_argument
from uringtrace.cli.fresh_output import fresh_output
from uringtrace.cli.output import notice
from uringtrace.cli.signals import pass_on, stopping_on_signals
from uringtrace.cli.target_options import add_target_arguments, recording_from, target_from
from uringtrace.errors import UsageError

if TYPE_CHECKING:
    from typing import TextIO

    from uringtrace.tracer.recording import Recording
    from uringtrace.tracer.report import Report

FIGURES = (
    "throughput", "timeline", "in-flight", "heat-map", "percentiles", "histogram", "paths", "connections",
    "threads",
)  # fmt: skip
"""As `uringtrace.ui.report.figures`, which loads plotly; a test compares."""


class ReportCommand:
    """The command; its exit code is the launched program's, as that of record."""

    name = "report"
    summary = "a recording as an HTML page, Markdown or an image"
    group = "Recordings"
    epilog = """examples:
  uringtrace report run -o report.html
  uringtrace report -p 4242 -d 10 -o report.html   record for 10 s, then report
  uringtrace report run --redact -o report.html    without addresses and paths
  uringtrace report run --format md                  tables for a pull request
  uringtrace report run --fragment --figure timeline -o timeline.html
  uringtrace report run --figure percentiles --image latency.svg"""

    def configure(self, parser: argparse.ArgumentParser) -> None:
        add_target_arguments(parser, recording=True)
        add_duration_argument(parser)
        parser.add_argument("-o", "--output", metavar="FILE", help="where to; - or nothing: standard output")
        parser.add_argument("--force", action="store_true", help="overwrite the file")
        parser.add_argument("--format", choices=("html", "md"), default="html", help="default: html")
        parser.add_argument("--fragment", action="store_true", help="HTML to embed in another page: a <div>")
        parser.add_argument(
            "--without-plotly",
            action="store_true",
            help="a fragment that uses plotly.js of the page, or of another fragment on it",
        )
        parser.add_argument(
            "--figure", action="append", choices=FIGURES, metavar="NAME",
            help=f"only this one, repeatable: {', '.join(FIGURES)}",
        )  # fmt: skip
        parser.add_argument("--image", metavar="FILE", help="one figure as .svg, .png or .pdf; needs kaleido")
        parser.add_argument(
            "--redact", action="store_true", help="pseudonyms for addresses, paths, names and arguments"
        )

    def run(self, arguments: argparse.Namespace) -> int:
        check(arguments)
        if arguments.image is not None:
            from uringtrace.ui.report.image import require_kaleido

            require_kaleido()
        path = arguments.image if arguments.image is not None else arguments.output
        with fresh_output(path, arguments.force) as output, recording_of(arguments) as (recording, status):
            write(arguments, report_of(recording, redact=arguments.redact), output)
        return pass_on(status)


def check(arguments: argparse.Namespace) -> None:
    """Raise UsageError for options that do not go together, before anything is opened."""
    if arguments.image is not None:
        from uringtrace.ui.report.image import image_format

        if arguments.output is not None or arguments.fragment or arguments.format == "md":
            raise UsageError("--image is the output: no -o, --fragment or --format md beside it")
        if len(arguments.figure or ()) != 1:
            raise UsageError("an image is of one figure", f"add --figure NAME: {', '.join(FIGURES)}")
        if image_format(arguments.image) and arguments.image.startswith(("-", "|")):
            raise UsageError("an image goes to a file")
    elif arguments.format == "md" and (arguments.fragment or arguments.figure):
        raise UsageError("Markdown has no figures: leave --fragment and --figure out")
    elif arguments.figure and not arguments.fragment:
        raise UsageError(
            "--figure chooses what a fragment or an image shows", "add --fragment or --image FILE"
        )
    elif arguments.format == "html" and arguments.output is None and sys.stdout.isatty():
        raise UsageError("a page is nothing for a terminal", "name a file: -o report.html")
    if arguments.without_plotly and not arguments.fragment:
        raise UsageError("only a fragment can do without plotly.js", "add --fragment")
    if recording_from(arguments) is not None:
        if arguments.duration is not None:
            raise UsageError("-d is for a capture: a recording has its length")
        if arguments.interface != "all":
            raise UsageError("--interface is for a capture: a report is of all that was recorded")


@contextmanager
def recording_of(arguments: argparse.Namespace) -> Iterator[tuple[Recording, int | None]]:
    """The recording that is named, or one of the target; with the launched program's status, if any."""
    from uringtrace.tracer.recording import open_recording

    path = recording_from(arguments)
    if path is not None:
        yield open_recording(path), None
        return
    target_from(arguments)  # what is wrong with it is said before a directory is made
    with tempfile.TemporaryDirectory(prefix="uringtrace-") as folder:
        place = Path(folder) / "recording"
        status = capture_to(place, arguments)
        yield open_recording(place), status


def capture_to(path: Path, arguments: argparse.Namespace) -> int | None:
    """Record the target; returns the launched program's status, None without one."""
    from uringtrace.cli.record import record, summary_lines
    from uringtrace.tracer.capture import start_streaming
    from uringtrace.tracer.recording import Writer
    from uringtrace.tracer.recording.chunks import SLOTS

    target = target_from(arguments)
    capture = start_streaming(target, arguments.interface)
    with stopping_on_signals(capture.stop), capture:
        writer = Writer(path, capture, SLOTS)
        notice(f"recording {target} for a report; Ctrl-C to end")
        for limit in capture.limits:
            notice(limit)
        with writer:
            record(capture, writer, arguments.duration)
    for line in summary_lines(writer, capture.losses):
        notice(line.replace(f", in {path}", ""))
    return capture.child_status


def report_of(recording: Recording, *, redact: bool) -> Report:
    """The report; what is to be known of the recording's state goes to standard error as well."""
    from uringtrace.tracer.report import read_report

    report = read_report(recording)
    for problem in recording.problems:
        notice(problem)
    if redact:
        from uringtrace.tracer.report.redact import redacted

        report = redacted(report)
    return report


def write(arguments: argparse.Namespace, report: Report, output: TextIO) -> None:
    """Write the report in the form that was asked for."""
    if arguments.format == "md":
        from uringtrace.ui.report.markdown import markdown

        output.write(markdown(report))
    elif arguments.image is not None:
        from uringtrace.ui.report.figures import FIGURES as KINDS
        from uringtrace.ui.report.image import image, image_format

        figure = KINDS[arguments.figure[0]].draw(report)
        output.buffer.write(image(figure, image_format(arguments.image)))
    elif arguments.fragment:
        from uringtrace.ui.report.page import fragment

        names = tuple(dict.fromkeys(arguments.figure or FIGURES))
        output.write(fragment(report, names, with_plotly=not arguments.without_plotly))
    else:
        from uringtrace.ui.report.page import page

        output.write(page(report))

"""`uringtrace record`: every operation of a target, to a recording on disk."""

from __future__ import annotations

import argparse
import math
import re
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from uringtrace.cli.output import notice
from uringtrace.cli.signals import pass_on, stopping_on_signals
from uringtrace.cli.target_options import add_target_arguments, target_from

if TYPE_CHECKING:
    from uringtrace.tracer.recording import Writer
    from uringtrace.tracer.recording.chunks import Chunk
    from uringtrace.tracer.source import Losses

_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
_SMALLEST = 1 << 20


class ChunkSource(Protocol):
    """What this command needs of a streaming capture."""

    def chunks(self) -> Iterable[Chunk]: ...

    def stop(self) -> None: ...


class RecordCommand:
    """The command; its exit code is the launched program's, 1 when the disk was full."""

    name = "record"
    summary = "write every operation to a recording"
    group = "Capture"
    epilog = (
        "A recording is a directory with meta.json and Parquet files (docs/recording.md).\n\n"
        "examples:\n"
        "  uringtrace record 4242 -o slow-start -d 30\n"
        "  uringtrace record -o run -f -- ./server --port 8080\n"
        "  uringtrace record -a -o night --max-size 2G\n"
        "  uringtrace query run 'SELECT operation, count(*) FROM operations GROUP BY 1'"
    )

    def configure(self, parser: argparse.ArgumentParser) -> None:
        add_target_arguments(parser, recording=False)
        parser.add_argument(
            "-o", "--output", required=True, type=Path, metavar="NAME", help="the directory to create"
        )
        parser.add_argument("-d", "--duration", type=seconds, metavar="SEC", help="end after SEC seconds")
        parser.add_argument(
            "--max-size",
            type=size,
            metavar="SIZE",
            help="end before the recording takes more; units K, M, G (1024)",
        )
        parser.add_argument("--force", action="store_true", help="replace a recording of that name")

    def run(self, arguments: argparse.Namespace) -> int:
        from uringtrace.tracer.recording import Writer, check_output
        from uringtrace.tracer.recording.chunks import SLOTS

        path: Path = arguments.output
        target = target_from(arguments)
        check_output(path, force=arguments.force)

        from uringtrace.tracer.capture import start_streaming

        capture = start_streaming(target, arguments.interface)
        with stopping_on_signals(capture.stop), capture:
            writer = Writer(
                path,
                capture,
                SLOTS,
                max_size=arguments.max_size,
                force=arguments.force,
                on_wait=lambda segments: notice(f"converting {segments} journal segments to Parquet…"),
            )
            notice(f"recording {target} to {path}; Ctrl-C to end")
            for limit in capture.limits:
                notice(limit)
            try:
                with writer:
                    record(capture, writer, arguments.duration)
            finally:
                for line in summary_lines(writer, capture.losses):
                    notice(line)
        return pass_on(capture.child_status)


def record(capture: ChunkSource, writer: Writer, duration: float | None) -> None:
    """Append the capture's chunks until it ends, is to end, or no more may be written."""
    deadline = math.inf if duration is None else time.monotonic() + duration
    chunks: Iterator[Chunk] = iter(capture.chunks())
    try:
        for chunk in chunks:
            if not writer.append(chunk):
                break
            if time.monotonic() >= deadline:
                capture.stop()
    finally:
        # Whatever ended it: the probes are detached before the conversion, which takes time.
        capture.stop()
        for _ in chunks:
            continue


def summary_lines(writer: Writer, losses: Losses) -> list[str]:
    """What was recorded, and how it ended where that was not as asked."""
    lines = []
    if writer.status.startswith("stopped: "):
        lines.append(f"recording {writer.status}")
    lines.append(
        f"{writer.rows:,} operations, {human_size(writer.bytes)}, in {writer.path}; "
        f"lost {losses.total_lost:,}, untracked {losses.untracked:,}"
    )
    lines += [f"lost {kind}: {count:,}" for kind, count in losses.lost.items()]
    return lines


def seconds(text: str) -> float:
    """A duration above zero, for argparse."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds above 0")
    return value


def size(text: str) -> int:
    """A size with an optional unit K, M or G, at least 1M, in bytes, for argparse."""
    match = re.fullmatch(r"(\d+)([KMG]?)", text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a size, such as 500M or 2G")
    value = int(match[1]) * _UNITS[match[2]]
    if value < _SMALLEST:
        raise argparse.ArgumentTypeError(f"{text}: a recording needs at least 1M")
    return value


def human_size(value: int) -> str:
    """Bytes in the largest unit of 1024 that keeps a number above 1."""
    for unit, factor in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if value >= factor:
            return f"{value / factor:.1f} {unit}"
    return f"{value} bytes"

"""`python -m bench`: measures and prints what capturing costs on this machine.

Needs root, as capturing does. It takes some minutes, and means something only while the
machine has nothing else to do.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

from bench import table
from bench.bystander import measure_bystander
from bench.competitors import competitors
from bench.epoll import measure_epoll
from bench.fio import measure_fio
from bench.following import measure_following
from bench.launch import Failed
from bench.nop import measure_nop
from bench.report import measure_report
from bench.servers import measure_servers
from bench.startup import measure_startup
from bench.streaming import measure_streaming
from bench.terminal import measure_terminal
from uringtrace.errors import Error
from uringtrace.targets.build import binary

SCHEMA = 1
FIO_ROUNDS = 3
"""Rounds of fio for one of the others: its runs are short, and vary more."""
PARTS = (
    "nop",
    "fio",
    "epoll",
    "bystander",
    "streaming",
    "following",
    "startup",
    "servers",
    "terminal",
    "report",
)


def main() -> int:
    arguments = _parser().parse_args()
    # Where this is set every start compiles the whole program; one that is installed never does.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    try:
        program = binary("nop")
    except Error as error:
        print(f"bench: {error.message}\n  {error.way_out}", file=sys.stderr)
        return error.exit_code
    results: dict[str, Any] = {
        "schema": SCHEMA,
        "kernel": platform.release(),
        "processors": os.cpu_count(),
        "rounds": arguments.rounds,
        "batch": arguments.batch,
    }
    with tempfile.TemporaryDirectory(prefix="uringtrace-bench.") as name:
        for part in arguments.only or PARTS:
            result, lines = _measure(part, arguments, program, Path(name))
            results[part] = _plain(result)
            print(*lines, sep="\n", end="\n\n", flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1) + "\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description="What capturing costs here.")
    parser.add_argument("--rounds", type=int, default=7, metavar="N", help="interleaved rounds (7)")
    parser.add_argument("--batch", type=int, default=32, metavar="N", help="operations per system call (32)")
    parser.add_argument(
        "--stream", type=int, default=20_000_000, metavar="N", help="operations to record (20,000,000)"
    )
    parser.add_argument("--only", action="append", choices=PARTS, help="measure this part; repeatable")
    parser.add_argument("--json", type=Path, metavar="PATH", help="write all results, too")
    return parser


def _measure(
    part: str, arguments: argparse.Namespace, program: Path, folder: Path
) -> tuple[Any, Iterator[str]]:
    """One part's result and its lines; a `str` result says why there is none."""
    rounds: int = arguments.rounds
    try:
        if part == "nop":
            rows = measure_nop(program, arguments.batch, competitors(folder), rounds, _progress)
            return rows, table.nop_lines(rows, arguments.batch, rounds)
        if part == "fio":
            fio = measure_fio(folder, rounds * FIO_ROUNDS, _progress)
            return fio, table.fio_lines(fio)
        if part == "epoll":
            shares = measure_epoll(binary("epoll"), rounds, folder, _progress)
            return shares, table.epoll_lines(shares, rounds)
        if part == "bystander":
            kinds = measure_bystander(binary("calls"), binary("epoll"), rounds, folder, _progress)
            return kinds, table.bystander_lines(kinds, rounds)
        if part == "streaming":
            streamed = measure_streaming(program, arguments.stream, arguments.batch, folder, _progress)
            return streamed, table.streaming_lines(streamed)
        if part == "following":
            followed = measure_following(rounds, _progress)
            return followed, table.following_lines(followed, rounds)
        if part == "terminal":
            terminal = measure_terminal(program, arguments.batch, _progress)
            return terminal, table.terminal_lines(terminal)
        if part == "servers":
            servers = measure_servers(rounds, folder, _progress)
            return servers, table.servers_lines(servers, rounds)
        if part == "report":
            report = measure_report(folder, _progress)
            return report, table.report_lines(report)
        startup = measure_startup(rounds, _progress)
        return startup, table.startup_lines(startup)
    except Failed as failure:
        return failure.reason, iter([f"{part}: – {failure.reason}"])


def _progress(text: str) -> None:
    print(text, file=sys.stderr)


def _plain(result: Any) -> Any:
    if isinstance(result, dict):
        return {name: _plain(value) for name, value in result.items()}
    if isinstance(result, tuple):
        return [_plain(item) for item in result]
    if is_dataclass(result) and not isinstance(result, type):
        return asdict(result)
    return {"skipped": result} if isinstance(result, str) else result


if __name__ == "__main__":
    sys.exit(main())

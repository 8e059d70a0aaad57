"""`uringtrace check`: what this machine offers, and what each missing piece costs."""

from __future__ import annotations

import argparse
import json
import platform
import textwrap
from collections.abc import Mapping
from dataclasses import asdict
from itertools import chain

from uringtrace import __version__
from uringtrace.errors import EXIT_FAILED, EXIT_OK
from uringtrace.tracer.check import Check, Status, first_blocking
from uringtrace.tracer.environment import examine

SCHEMA = 1
WIDTH = 80
_NAME_WIDTH = 26
_MARGIN = 2 + 10 + _NAME_WIDTH

Checks = Mapping[str, tuple[Check, ...]]


class CheckCommand:
    """The command; its exit code says whether a capture is possible."""

    name = "check"
    summary = "say what this machine offers"
    group = "This machine"
    epilog = (
        "exit code: 0 a capture is possible, 1 it is not\n\n"
        "examples:\n"
        "  uringtrace check\n"
        "  uringtrace check --json | jq .capture_possible"
    )

    def configure(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="one JSON object (docs/check.md)")

    def run(self, arguments: argparse.Namespace) -> int:
        checks = examine()
        print(as_json(checks) if arguments.json else as_text(checks))
        return EXIT_OK if blocking_of(checks) is None else EXIT_FAILED


def blocking_of(checks: Checks) -> Check | None:
    """The first check, in reading order, that makes a capture impossible."""
    return first_blocking(chain.from_iterable(checks.values()))


def as_json(checks: Checks) -> str:
    """The report as one JSON object; its fields are documented in docs/check.md."""
    blocking = blocking_of(checks)
    return json.dumps(
        {
            "schema": SCHEMA,
            "uringtrace": __version__,
            "kernel": platform.release(),
            "machine": platform.machine(),
            "capture_possible": blocking is None,
            "reason": None if blocking is None else f"{blocking.name}: {blocking.detail}",
            "checks": [
                {"group": group.lower(), **asdict(check)} for group, rows in checks.items() for check in rows
            ],
        },
        indent=2,
    )


def as_text(checks: Checks) -> str:
    """The report for a terminal of 80 columns: the status is a word, then the facts."""
    lines = [f"uringtrace {__version__} on Linux {platform.release()} {platform.machine()}"]
    for group, rows in checks.items():
        lines += ["", group, *(line for check in rows for line in check_lines(check))]
    return "\n".join([*lines, "", *verdict(checks)])


def verdict(checks: Checks) -> list[str]:
    """Whether a capture is possible, or all that stands in its way and what to do."""
    blocking = [check for check in chain.from_iterable(checks.values()) if check.blocks]
    if not blocking:
        return ["A capture is possible."]
    reasons = (f"{check.name}: {check.detail}" for check in blocking)
    lines = ["No capture is possible:"]
    for reason in reasons:
        lines += textwrap.wrap(reason, WIDTH, initial_indent="  ", subsequent_indent="    ")
    # Not wrapped: a command that is to be copied stays in one piece.
    return [
        *lines,
        "What to do:",
        *(f"  {text}" for text in dict.fromkeys(c.way_out for c in blocking) if text),
    ]


def check_lines(check: Check) -> list[str]:
    """One check, its text wrapped in the last column and its way out below."""
    head = f"  {check.status:<10}{check.name:<{_NAME_WIDTH}}"
    detail = textwrap.wrap(check.detail, WIDTH - _MARGIN, break_on_hyphens=False) or [""]
    lines = [head + detail[0], *(" " * _MARGIN + text for text in detail[1:])]
    if check.way_out and not check.blocks and check.status is not Status.OK:
        indent = " " * _MARGIN
        lines += textwrap.wrap(check.way_out, WIDTH, initial_indent=indent, subsequent_indent=indent)
    return lines

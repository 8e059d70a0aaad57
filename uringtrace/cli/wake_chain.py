"""`uringtrace diagnose --wake-chain REQUEST`: who woke whom for one request."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from uringtrace.cli.output import notice
from uringtrace.errors import Error, UsageError

if TYPE_CHECKING:
    from uringtrace.cli.diagnose import Stream
    from uringtrace.tracer.wakes import RequestName


def add_wake_chain_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--wake-chain",
        metavar="REQUEST",
        help="in place of findings: who woke whom for one request: `slowest`, CONNECTION for its "
        "slowest, or CONNECTION#REQUEST, with the numbers of stat --connections",
    )


def wanted(arguments: argparse.Namespace) -> RequestName | None:
    """The request that was asked for; None: findings were.

    Raises UsageError where it names none, or options do not go together.
    """
    if arguments.wake_chain is None:
        return None
    from uringtrace.tracer.wakes.request import request_name

    name = request_name(arguments.wake_chain)
    for option in ("markdown", "baseline", "fail_on"):
        if getattr(arguments, option):
            written = option.replace("_", "-")
            raise UsageError(f"--wake-chain does not go with --{written}", "ask for one of the two")
    if arguments.interface == "io_uring":
        raise UsageError("a chain of wake-ups is made of system calls", "leave --interface out")
    return name


def show_wake_chain(stream: Stream, name: RequestName, arguments: argparse.Namespace) -> None:
    """Take everything in, then print the chain. Raises Error where there was no such request."""
    from uringtrace.tracer.wakes import WakeFollower

    source = stream.source
    follower = WakeFollower(source.context, name)
    for records in stream.records:
        follower.add(records, source)
    chain = follower.chain(source)
    if follower.left_out:
        notice(f"{follower.left_out:,} requests took too long for the records that are kept: not considered")
    if chain is None:
        raise Error(
            f"no request was answered that could be {name}",
            "stat --connections shows which connections answered requests, and how many",
        )
    if arguments.json:
        from uringtrace.ui.text.wake_chain_json import chain_json

        print(chain_json(chain, source, follower.requests, follower.left_out))
        return
    from uringtrace.ui.text.style import style_for
    from uringtrace.ui.text.summary_table import loss_line
    from uringtrace.ui.text.wake_chain_text import chain_lines

    style = style_for(arguments.color, sys.stdout)
    print(*chain_lines(chain, style), loss_line(source.losses, style), sep="\n")

"""`uringtrace targets`: the reference servers, and which of them this machine runs."""

from __future__ import annotations

import argparse
import json
import textwrap

from uringtrace.errors import EXIT_OK
from uringtrace.targets.catalogue import ARCHITECTURES, FAULTS, Architecture
from uringtrace.targets.support import Support, support

SCHEMA = 1
WIDTH = 80
_NAME_WIDTH = 15
_FAULT_WIDTH = 22


class TargetsCommand:
    """The command; a server that this machine does not run is no failure."""

    name = "targets"
    summary = "list the reference servers and what runs here"
    group = "Reference servers"
    epilog = (
        "examples:\n"
        "  uringtrace targets              a line each, and what is missing here\n"
        "  uringtrace targets -v           their modes and faults as well\n"
        "  uringtrace targets --json | jq '.servers[] | select(.runs) | .name'"
    )

    def configure(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("-v", "--verbose", action="store_true", help="also modes and faults")
        parser.add_argument("--json", action="store_true", help="one JSON object (docs/servers.md)")

    def run(self, arguments: argparse.Namespace) -> int:
        found = [(architecture, support(architecture)) for architecture in ARCHITECTURES.values()]
        print(as_json(found) if arguments.json else as_text(found, verbose=arguments.verbose))
        return EXIT_OK


Found = list[tuple[Architecture, Support]]


def as_json(found: Found) -> str:
    """The list as one JSON object; its fields are documented in docs/servers.md."""
    servers = [
        {
            "name": architecture.name,
            "summary": architecture.summary,
            "runs": not here.lacks,
            "lacks": here.lacks or None,
            "way_out": here.way_out or None,
            "modes": architecture.modes,
            "modes_here": here.modes,
            "note": here.note or None,
            "faults": architecture.faults,
            "workers": architecture.workers,
            "tls": architecture.tls,
        }
        for architecture, here in found
    ]
    return json.dumps({"schema": SCHEMA, "servers": servers, "faults": dict(FAULTS)}, indent=2)


def as_text(found: Found, *, verbose: bool) -> str:
    """The list for a terminal of 80 columns."""
    lines = ["One HTTP service in the architectures of thirty years, the oldest first.", ""]
    for architecture, here in found:
        lines.append(f"  {architecture.name:<{_NAME_WIDTH}}{architecture.summary}")
        for remark in remarks(architecture, here, verbose=verbose):
            lines += _wrapped(" " * (2 + _NAME_WIDTH), remark)
    if verbose:
        lines += ["", "Faults, for `uringtrace serve NAME --fault FAULT`:"]
        for fault, text in FAULTS.items():
            lines += _wrapped(f"  {fault:<{_FAULT_WIDTH}}", text)
    ways_out = dict.fromkeys(here.way_out for _, here in found if here.way_out)
    if ways_out:
        # Not wrapped: a command that is to be copied stays in one piece.
        lines += ["", "What to do:", *(f"  {way}" for way in ways_out)]
    lines += ["", "Run one: uringtrace serve NAME", "See one traced: uringtrace demo NAME"]
    return "\n".join(lines)


def _wrapped(start: str, text: str) -> list[str]:
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=start,
        subsequent_indent=" " * (len(start) + 2),
        break_on_hyphens=False,
    )


def remarks(architecture: Architecture, here: Support, *, verbose: bool) -> list[str]:
    """What is to be said of a server below its line; of one that just runs nothing."""
    if here.lacks:
        said = [f"not on this machine: {here.lacks}"]
    elif here.note:
        said = [f"here in mode {here.modes[0]}: {here.note}"]
    elif architecture.probes_mode:
        said = [f"here in mode {here.modes[0]}"]
    else:
        said = []
    if verbose and architecture.modes:
        said.append("modes: " + ", ".join(architecture.modes))
    if verbose and architecture.faults:
        said.append("faults: " + ", ".join(architecture.faults))
    return said

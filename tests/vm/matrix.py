"""Feature × kernel: what is tried on each kernel, and docs/kernels.md, which says how it went.

`python -m tests.vm.matrix` writes the document from the results that the tests of
test_matrix.py kept in build/kernels. Every cell is from a real run.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tests.vm.machine import REPOSITORY
from tests.vm.observation import COUNTED, NO, Observation, Result
from uringtrace.targets.catalogue import ARCHITECTURES

KERNELS = ("5.10", "6.1", "6.12", "newest")
"""As fetch-kernel.sh names them."""
RESULTS = REPOSITORY / "build/kernels"
DOCUMENT = REPOSITORY / "docs/kernels.md"

TLS_BY_COMMAND = "TLS of a connection, set by an io_uring command"

Compare = Callable[[Observation], Result]


def operations_in(capture: str) -> Compare:
    return lambda observation: observation.operations(capture)


def tls_set_by(way: str) -> Compare:
    return lambda observation: observation.tls(way)


def log_of(name: str) -> Compare:
    return lambda observation: observation.server(name)


CAPTURES: Mapping[str, Compare] = {
    "a capture is possible (`check`)": Observation.check,
    "io_uring operations, counted (`stat`)": operations_in("stat"),
    "io_uring operations, streamed (`stat --connections`)": operations_in("streamed"),
    "system calls, counted (`stat`)": Observation.counted_calls,
    "connections of the servers (`stat --connections`)": Observation.connections,
}
"""What the slice of every test run tries as well."""

LONGER: Mapping[str, Compare] = {
    "system calls, as lines (`log`)": Observation.logged_calls,
    "io_uring alone (`--interface io_uring`)": Observation.only_io_uring,
    "TLS of a connection, set by setsockopt(2)": tls_set_by("call"),
    TLS_BY_COMMAND: tls_set_by("command"),
}


def servers(names: Sequence[str] = tuple(ARCHITECTURES)) -> dict[str, Compare]:
    """One feature for each reference server: its log."""
    return {f"`log` of `{name}`": log_of(name) for name in names}


FEATURES: Mapping[str, Compare] = {**CAPTURES, **LONGER, **servers()}

_HEAD = """# Kernels

What `uringtrace` shows on Debian's kernels, each booted in a virtual machine by `make test-kernels`, which
wrote this page. *yes* means that every number agreed with what the programs themselves counted, and that
nothing was lost; *no* has its reason below.

"""
_SERVERS = f"""
The servers are the reference servers. Each answers four requests on two connections; its log has every
connection, and lost nothing. Bytes are compared with the last lines of {", ".join(COUNTED)}.
"""


def document(results: Mapping[str, Mapping[str, Any]]) -> str:
    """The page, from what `as_json` kept of each of `KERNELS`."""
    columns = [results[name] for name in KERNELS]
    lines = [
        "| | " + " | ".join(each["kernel"].split()[0] for each in columns) + " |",
        "|---" * (len(columns) + 1) + "|",
    ]
    notes: dict[str, int] = {}
    for feature in FEATURES:
        cells = []
        for column in columns:
            (result,) = (each for each in column["results"] if each["feature"] == feature)
            cell: str = result["outcome"]
            if result["outcome"] == NO:
                cell += f" [{notes.setdefault(result['detail'], len(notes) + 1)}]"
            elif result["detail"] and feature.startswith("`log`"):
                cell += f", {result['detail']}"
            cells.append(cell)
        lines.append(f"| {feature} | {' | '.join(cells)} |")
    lines += [
        "",
        *(f"{number}. {text}" for text, number in notes.items()),
        _SERVERS,
    ]
    lines += ["## The kernels", ""]
    for column in columns:
        lines.append(f"- {column['kernel']}")
        lines += [f"  - missing: {text}" for text in column["missing"]]
    return _HEAD + "\n".join(lines) + "\n"


def main() -> int:
    kept = {name: RESULTS / f"{name}.json" for name in KERNELS}
    absent = [name for name, path in kept.items() if not path.exists()]
    if absent:
        print(f"docs/kernels.md stays as it is: no results of {', '.join(absent)}", file=sys.stderr)
        return 0
    DOCUMENT.write_text(document({name: json.loads(path.read_text()) for name, path in kept.items()}))
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""What `hand_over` says of its requests, and what a chain must be to agree with it.

The program notes moments between its calls, so that each step lies between two of them: there is no
tolerance.
"""

from __future__ import annotations

import json
from typing import Any

from uringtrace.tracer.wakes import StepKind, WakeChain

Account = dict[str, dict[str, int]]
"""What happened to one request: `ns` and `tid` of each moment."""

ORDER = (
    StepKind.ARRIVED, StepKind.ROUSED, StepKind.READ, StepKind.WOKE, StepKind.LEFT, StepKind.WOKE,
    StepKind.LEFT, StepKind.BEGAN, StepKind.ANSWERED,
)  # fmt: skip
CALLS = (None, "recvfrom", "recvfrom", "futex", "futex", "write", "epoll_wait", "sendto", "sendto")


def accounts(lines: list[str]) -> dict[int, Account]:
    """By number of the request."""
    found: dict[int, Account] = {}
    for line in lines:
        said: dict[str, Any] = json.loads(line)
        found[said.pop("request")] = said
    return found


def agrees(chain: WakeChain, said: Account) -> None:
    """Threads, order and calls are those of the program, and no step is outside of its moments."""
    assert tuple(step.kind for step in chain.steps) == ORDER
    assert tuple(step.call for step in chain.steps) == CALLS
    assert chain.complete
    network, worker, loop = (said[name]["tid"] for name in ("read", "taken", "heard"))
    assert chain.threads == (network, worker, loop)
    _, roused, read, signal, taken, told, heard, began, answered = (step.ns for step in chain.steps)
    moment = {name: said[name]["ns"] for name in said}
    assert roused <= read <= moment["read"] <= signal <= moment["signalled"]
    assert signal <= taken <= moment["taken"] <= moment["told"] <= told <= heard <= moment["heard"]
    assert moment["heard"] <= began <= answered <= moment["answered"]
    assert sum(step.delay_ns for step in chain.steps) == chain.total_ns

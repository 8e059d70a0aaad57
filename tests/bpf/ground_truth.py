"""What `kinds` says it did and what we saw, in the same shape, so that both can be compared.

The expectation is a plain dictionary made from the program's JSON alone; the
observation one with the same keys, made from counters and rings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tests.bpf.processes import Json
from uringtrace.tracer.record import FIRST_CALL, UNKNOWN_OPCODE
from uringtrace.tracer.source import Losses, Ring
from uringtrace.tracer.statistics import Counters

COUNTS = ("submitted", "completions", "ended", "errors", "bytes", "notifications")
PATHS = ("inline", "poll", "io_wq")
RING_FACTS = {
    "overflows": lambda rings: sum(ring.overflows for ring in rings),
    "dropped": lambda rings: sum(ring.dropped for ring in rings),
    "max_in_flight": lambda rings: max(ring.in_flight_max for ring in rings),
    "registered_files": lambda rings: max(ring.registered_files or 0 for ring in rings),
    "registered_buffers": lambda rings: max(ring.registered_buffers or 0 for ring in rings),
    "sq_thread": lambda rings: rings[0].sq_thread,
}
"""Facts that only some subjects state."""


def expected(subject: Json) -> Json:
    """What there is to see of one subject.

    Requests that a subject abandons are cancelled by the kernel when their process has
    gone (io_uring/io_uring.c: io_ring_exit_work): completions that nobody reaped.
    """
    operations = {
        name: {field: operation[field] for field in (*COUNTS, *PATHS) if field in operation}
        for name, operation in subject["operations"].items()
    }
    if subject["abandoned"]:
        [left] = [each for each in operations.values() if each["submitted"] > each["ended"]]
        for field in ("completions", "ended", "errors"):
            left[field] += subject["abandoned"]
    return {
        "operations": operations,
        "silent": subject["silent"],
        "rings": subject["rings"],
        "processes": subject["processes"] if subject["subject"] != "exit_in_flight" else 2,
        "completions": subject["cqe_total"] + subject["abandoned"],
        "messages": subject["messages"],
        "left in flight": 0,
        "lost": {},
        "untracked": 0,
        **({"batches": subject["batches"]} if subject["batches"] is not None else {}),
        **{fact: subject[fact] for fact in RING_FACTS if fact in subject},
    }


def observed(
    counters: Counters,
    operation_names: Mapping[int, str],
    rings: Sequence[Ring],
    losses: Losses,
    like: Json,
) -> Json:
    """The same keys as `like` (an expectation), from what a capture saw of io_uring.

    An opcode that the kernel does not know has its number for a name, as in the
    program's JSON; counting mode keeps those in one row and does not know the number.
    """
    unknown = [name for name in like["operations"] if name.isdecimal()]
    counters = counters[:FIRST_CALL]
    seen = counters["submitted"] | counters["completions"] | counters["notifications"]
    operations = {}
    for opcode in seen.nonzero()[0].tolist():
        name = operation_names.get(opcode, str(opcode))
        if opcode == UNKNOWN_OPCODE and unknown:
            [name] = unknown
        fields = like["operations"].get(name, dict.fromkeys(COUNTS))
        operations[name] = {field: int(counters[field][opcode]) for field in fields}
    used = [ring for ring in rings if ring.ring]
    return {
        "operations": operations,
        "silent": int(counters["silent"].sum()),
        "rings": len(used),
        "processes": len({ring.tgid for ring in used}),
        "completions": sum(ring.completions for ring in used),
        "messages": sum(ring.messages for ring in used),
        "left in flight": sum(ring.in_flight for ring in used),
        "lost": dict(losses.lost),
        "untracked": losses.untracked,
        **({"batches": sum(ring.batches for ring in used)} if "batches" in like else {}),
        **{fact: read(used) for fact, read in RING_FACTS.items() if fact in like},
    }

"""The rings of a capture: what the probes counted, joined with what /proc knew.

A ring that the probes saw is numbered in order of appearance. One that only /proc
shows made no request while we looked, and has number 0.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uringtrace.probes.setup_flags import SQ_REWIND, SQPOLL
from uringtrace.probes.slots import RingSeen
from uringtrace.tracer.source import Ring


def rings_from_table(table: NDArray[Any]) -> tuple[Ring, ...]:
    """Rings in the order of their numbers; `table` has dtype `slots.RING`.

    The shared entry 0 (no number of its own) appears when it was needed.
    """
    has_ring = table["number"] != 0
    shared = table[:1]
    has_ring[:1] |= (shared["completions"] != 0) | (shared["submitted"] != 0)
    used = table[has_ring]
    return tuple(_ring(row) for row in used[np.argsort(used["number"], kind="stable")])


def _ring(row: np.void) -> Ring:
    seen = int(row["seen"])
    flags = int(row["flags"])
    in_flight = int(row["submitted"]) - int(row["hidden"]) - int(row["superseded"]) - int(row["ended"])
    sizes = bool(seen & RingSeen.SIZES)
    registered = bool(seen & RingSeen.REGISTERED)
    return Ring(
        ring=int(row["number"]),
        tgid=int(row["tgid"]),
        fd=int(row["fd"]) if seen & RingSeen.FD else None,
        flags=flags,
        sq_entries=int(row["sq_entries"]) if sizes else None,
        cq_entries=int(row["cq_entries"]) if sizes else None,
        sq_thread=int(row["sq_thread"]) or None if flags & SQPOLL else None,
        registered_files=int(row["files"]) if registered else None,
        registered_buffers=int(row["buffers"]) if registered else None,
        submitted=int(row["submitted"]),
        completions=int(row["completions"]),
        # With SQ_REWIND the kernel does not publish the queue's head, which tells batches apart.
        batches=0 if flags & SQ_REWIND else int(row["batches"]),
        in_flight=max(in_flight, 0),
        in_flight_max=int(row["in_flight_max"]),
        overflows=int(row["overflows"]),
        dropped=int(row["dropped"]),
        messages=int(row["messages"]),
        untracked=int(row["untracked"]),
    )


def join_rings(seen: Iterable[Ring], listed: Iterable[Ring]) -> tuple[Ring, ...]:
    """`seen` by the probes, completed by and followed by those only `listed` in /proc.

    A ring that was closed may have left its descriptor to another one, so /proc's
    facts go to the last ring seen with that descriptor.
    """
    rings = list(seen)
    latest: dict[tuple[int, int | None], int] = {
        (ring.tgid, ring.fd): index for index, ring in enumerate(rings) if ring.fd is not None
    }
    for other in listed:
        index = latest.get((other.tgid, other.fd))
        if index is None:
            rings.append(other)
        else:
            rings[index] = _completed(rings[index], other)
    return tuple(rings)


def _completed(ring: Ring, listed: Ring) -> Ring:
    def known(seen: int | None, listed: int | None) -> int | None:
        return listed if seen is None else seen

    return replace(
        ring,
        sq_entries=known(ring.sq_entries, listed.sq_entries),
        cq_entries=known(ring.cq_entries, listed.cq_entries),
        sq_thread=known(ring.sq_thread, listed.sq_thread),
        registered_files=known(ring.registered_files, listed.registered_files),
        registered_buffers=known(ring.registered_buffers, listed.registered_buffers),
    )

"""How full the queues of rings are and how busy their SQ threads, from /proc.

The kernel prints `SqHead` … `CqTail` in a ring's fdinfo (io_uring/fdinfo.c). It prints every
waiting entry below them too, holding the ring's lock: of rings with large queues the memory is
read instead that they share with their process. One that cannot be told from another which now
has its descriptor is left alone.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from uringtrace.probes.setup_flags import SQ_REWIND
from uringtrace.tracer.live.ring_memory import mapped_fills, waiting
from uringtrace.tracer.live.thread_states import on_processor_ns
from uringtrace.tracer.procfs import PROC
from uringtrace.tracer.source import Ring

LARGEST_QUEUE = 4096
"""Entries; beyond it a ring's fdinfo may be a megabyte."""

_NUMBER = re.compile(r"^(SqMask|SqHead|SqTail|CqMask|CqHead|CqTail):[ \t]*(0x[0-9a-f]+|[0-9]+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class RingState:
    """Of one ring; None where it was not observed."""

    sq_fill: int | None = None
    cq_fill: int | None = None
    sq_thread_busy: float | None = None
    """Share of a processor since the look before."""
    batching: float | None = None
    """SQEs that the kernel took at once, on average since the look before."""
    rate: float | None = None
    """Completions per second since the look before."""


class RingWatch:
    """Looks at rings, again and again."""

    def __init__(self, proc: Path = PROC) -> None:
        self._proc = proc
        self._before: tuple[int, Mapping[int, int], Mapping[int, tuple[int, int, int]]] | None = None

    def states(self, rings: Iterable[Ring], now_ns: int) -> dict[tuple[int, int], RingState]:
        """By process and number. Call it about once a second."""
        rings = tuple(rings)
        ran: dict[int, int] = {}
        for ring in rings:
            if ring.sq_thread and (ns := on_processor_ns(ring.tgid, ring.sq_thread, self._proc)) is not None:
                ran[ring.sq_thread] = ns
        taken = {ring.ring: (ring.submitted, ring.batches, ring.completions) for ring in rings if ring.ring}
        then, ran_before, taken_before = self._before or (now_ns, {}, {})
        self._before = now_ns, ran, taken
        passed = now_ns - then
        found = {}
        for ring in rings:
            busy = batching = rate = None
            thread = ring.sq_thread
            if thread and passed > 0 and thread in ran and thread in ran_before:
                busy = min(1.0, max(0.0, (ran[thread] - ran_before[thread]) / passed))
            if ring.ring in taken_before:
                submitted, batches, completions = taken_before[ring.ring]
                more = ring.batches - batches
                rate = (ring.completions - completions) * 1e9 / passed if passed > 0 else None
                batching = (ring.submitted - submitted) / more if more > 0 else None
            found[ring.tgid, ring.ring] = RingState(*self._fill(ring), busy, batching, rate)
        return found

    def _fill(self, ring: Ring) -> tuple[int | None, int | None]:
        if ring.fd is None or ring.sq_entries is None or ring.cq_entries is None:
            return None, None
        folder = f"{self._proc}/{ring.tgid}"
        try:
            if os.readlink(f"{folder}/fd/{ring.fd}") != "anon_inode:[io_uring]":  # noqa: PTH115  (a text, no path)
                return None, None
            if max(ring.sq_entries, ring.cq_entries) > LARGEST_QUEUE:
                sq, cq = mapped_fills(ring.tgid, ring.fd, ring.sq_entries, ring.cq_entries, self._proc)
            else:
                text = Path(f"{folder}/fdinfo/{ring.fd}").read_text("utf-8", "backslashreplace")
                sq, cq = queue_fills(text, ring.sq_entries, ring.cq_entries)
        except OSError:
            return None, None
        # With SQ_REWIND the kernel does not publish how far it is.
        return (None if (ring.flags or 0) & SQ_REWIND else sq), cq


def queue_fills(fdinfo: str, sq_entries: int, cq_entries: int) -> tuple[int | None, int | None]:
    """Entries that wait in the two queues; None where it is not printed or cannot be of such a ring."""
    numbers = {name: int(value, 0) for name, value in _NUMBER.findall(fdinfo)}

    def fill(queue: str, entries: int) -> int | None:
        head, tail = numbers.get(f"{queue}Head"), numbers.get(f"{queue}Tail")
        if head is None or tail is None or numbers.get(f"{queue}Mask") != entries - 1:
            return None
        return waiting(head, tail, entries)

    return fill("Sq", sq_entries), fill("Cq", cq_entries)

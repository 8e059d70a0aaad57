"""Rings on the real kernel, where it allows them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from uringtrace.errors import CapabilityError
from uringtrace.targets.uring.ring import Ring

MakeRing = Callable[..., Ring]


@pytest.fixture
def make_ring() -> Iterator[MakeRing]:
    """`Ring(…)`; skipped with the reason where this kernel refuses, closed when the test ends."""
    made: list[Ring] = []

    def make(entries: int, flags: int = 0, *, completions: int = 0, idle_ms: int = 0) -> Ring:
        try:
            ring = Ring(entries, flags, completions=completions, idle_ms=idle_ms)
        except CapabilityError as refusal:
            pytest.skip(refusal.message)
        made.append(ring)
        return ring

    yield make
    for ring in made:
        ring.close()

"""Loads compiled programs into the kernel, several at once.

The kernel's verifier takes most of the time to attach, and works for one program on one
processor.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, MutableMapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from uringtrace.errors import KernelError
from uringtrace.probes.bpf_syscall import load_typed_program, update_element
from uringtrace.probes.compiler import CompiledProbes, relocate

CONTINUATIONS = "continuations"
"""Name of the map of the programs that a probe goes on with; each tracepoint has its own."""
_LOADERS = 4
"""Programs that are loaded at once, where there are so many processors."""


@dataclass(frozen=True, slots=True)
class Probe:
    """A compiled function as the program for one tracepoint."""

    function: str
    type_id: int
    """BTF id of the tracepoint."""
    own: tuple[tuple[str, int], ...]
    """Maps that it does not share with the probes of other tracepoints: name and descriptor."""
    place: int | None
    """Its own place in CONTINUATIONS; None for a probe that is attached itself."""

    @property
    def continuations(self) -> int | None:
        """Descriptor of its map of continuations."""
        return dict(self.own).get(CONTINUATIONS)


def load_all(
    probes: Iterable[Probe],
    compiled: CompiledProbes,
    maps: Sequence[int],
    pid: int,
    programs: MutableMapping[Probe, int],
) -> None:
    """Load every probe, and put those that others go on with where these find them.

    `maps` has the descriptors for `compiled.maps`. `programs` gets the descriptor of each
    program, even when another one fails. Raises `KernelError`.
    """

    def load(probe: Probe) -> None:
        own = dict(probe.own)
        described = zip(compiled.maps, maps, strict=True)
        numbers = {index: own.get(each.name, shared) for index, (each, shared) in enumerate(described)}
        code = relocate(compiled.functions[probe.function], numbers, pid)
        programs[probe] = load_typed_program(probe.function, code, probe.type_id)

    # So that none of the longest is left for one processor at the end.
    longest_first = sorted(probes, key=lambda probe: len(compiled.functions[probe.function]), reverse=True)
    with ThreadPoolExecutor(min(_LOADERS, len(os.sched_getaffinity(0)))) as loaders:
        for _ in loaders.map(load, longest_first):
            pass
    for probe in longest_first:
        if probe.place is None or probe.continuations is None:
            continue
        place, program = probe.place.to_bytes(4, "little"), programs[probe].to_bytes(4, "little")
        if not update_element(probe.continuations, place, program):
            raise KernelError(f"the kernel refused the tail call to {probe.function}")

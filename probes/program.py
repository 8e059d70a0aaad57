"""Loads the probes into the kernel, attaches them, and maps what they share with us.

Invariant: everything the kernel holds for us hangs on descriptors of this process, so
that the end of the process, however it comes, leaves nothing attached.
"""

from __future__ import annotations

import mmap
import os
import resource
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import astuple, dataclass
from enum import Enum
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uringtrace.errors import CapabilityError
from uringtrace.probes import cache
from uringtrace.probes.bpf_syscall import (
    attach_raw_tracepoint,
    create_map,
    map_values,
    recursion_misses,
)
from uringtrace.probes.btf import Btf
from uringtrace.probes.compiler import (
    PID_PLACEHOLDER,
    CompiledProbes,
    MapDescription,
    compile_probes,
    source_text,
)
from uringtrace.probes.interfaces import IO_URING_NEEDS, Interfaces, interfaces_of
from uringtrace.probes.layout import Layout, read_layout
from uringtrace.probes.loading import CONTINUATIONS, Probe, load_all
from uringtrace.probes.ring_buffer import RingBuffer
from uringtrace.probes.tracepoints import Chosen, are_preempted, choose
from uringtrace.probes.twins import TWIN, is_scratch, with_twins

_WAKES_REQUEST = "io_uring_task_add"
_CONTINUED: Mapping[str, tuple[str, ...]] = {
    "io_uring_complete": ("describe_file",),
    "sys_enter": ("describe_file", "call_memory_entry", "read_memory_entry"),
    "sys_exit": ("describe_file", "call_memory_exit", "read_memory_exit"),
}
"""Probes that end in a tail call, and the programs they call, in the order of enum continuation."""
PID_LIMIT = 4_194_304
"""Largest possible process id (PID_MAX_LIMIT, include/linux/threads.h)."""
SETS = 65_536
"""Sets of the table of requests in flight: times 4 ways."""
SPILL = 65_536
"""Entries behind the table, for requests that found their set full."""
FACT_PAGES = 1024


class Mode(Enum):
    """What the probes do with a completion."""

    COUNT = "count"
    STREAM = "stream"
    STREAM_ARGUMENTS = "stream with arguments"
    FLOOR = "floor"
    """Count events and nothing else: what attaching alone costs, for benchmarks."""


class Interface(Enum):
    """Which operations are captured, by how they are asked for."""

    ALL = "all"
    IO_URING = "io_uring"
    SYSCALL = "syscall"


class Filter(Enum):
    """How the kernel tells a target from a bystander."""

    EVERYTHING = "everything"
    """But for one process, which is the tracer's own."""
    ONE = "one process"
    BITS = "a set of processes"
    FOLLOW = "a set of processes and their children"


@dataclass(frozen=True, slots=True)
class Settings:
    """What one capture compiles in."""

    mode: Mode
    filter: Filter
    pid: int = 0
    """The process, for `Filter.ONE`; for `Filter.EVERYTHING` the one that is left out."""
    ring_bytes: int = 64 << 20
    """Size of the operations ring buffer; a power of two."""
    interface: Interface = Interface.ALL
    namespace: int = 0
    """Inode of the pid namespace whose process ids are meant, when it is not the machine's."""


def possible_cpus(path: Path = Path("/sys/devices/system/cpu/possible")) -> int:
    """One more than the largest processor number the kernel may ever use."""
    return int(path.read_text().strip().replace(",", "-").split("-")[-1]) + 1


def _constants(settings: Settings, layout: Layout, chosen: Sequence[Chosen], cpus: int) -> dict[str, str]:
    constants = {
        **layout.constants,
        "CPUS": str(cpus),
        "SETS": str(SETS),
        "SPILL": str(SPILL),
        "FACT_PAGES": str(FACT_PAGES),
        "PID_LIMIT": str(PID_LIMIT),
    }
    if settings.namespace:
        constants |= {"NAMESPACE_INODE": f"{settings.namespace}u", "SIZE_UPID": "(OFF_UPID_NAMESPACE + 8)"}
    if not interfaces_of(layout, chosen).lacks_io_uring:
        constants["IO_URING"] = "1"
    if captures_calls(settings, layout, chosen):
        constants["CALLS"] = "1"
    for choice in chosen:
        if choice.prototype:
            constants |= {name: str(value) for name, value in choice.prototype.constants.items()}
    if settings.mode in (Mode.STREAM, Mode.STREAM_ARGUMENTS):
        constants["STREAM"] = str(settings.ring_bytes // mmap.PAGESIZE)
    if settings.mode is Mode.STREAM_ARGUMENTS:
        constants["ARGUMENTS"] = "1"
    if settings.mode is Mode.FLOOR:
        constants["FLOOR"] = "1"
    if settings.filter is Filter.ONE:
        constants["FILTER_ONE"] = str(PID_PLACEHOLDER)
    if settings.filter is Filter.EVERYTHING:
        constants["FILTER_NOT"] = str(PID_PLACEHOLDER)
    if settings.filter in (Filter.BITS, Filter.FOLLOW):
        constants["FILTER_BITS"] = "1"
    if settings.filter is Filter.FOLLOW:
        constants["FOLLOW"] = "1"
    return constants


def builds(constants: dict[str, str], *, preempted: bool) -> tuple[dict[str, str], ...]:
    """The constants of each build: of the probes, and where these may be put aside of their twins."""
    if not preempted:
        return (constants,)
    return constants | {"PREEMPTED": "1"}, constants | {"PREEMPTED": "1", "TWIN": "1"}


def captures_calls(settings: Settings, layout: Layout, chosen: Sequence[Chosen]) -> bool:
    """System calls need their arguments or nothing of themselves: streaming without has none."""
    wanted = settings.interface is not Interface.IO_URING and settings.mode is not Mode.STREAM
    return wanted and not interfaces_of(layout, chosen).lacks_calls


def _require_one(settings: Settings, interfaces: Interfaces) -> None:
    """Raise `CapabilityError` where nothing of what these settings ask for can be captured."""
    wants_calls = settings.interface is not Interface.IO_URING and settings.mode is not Mode.STREAM
    if settings.interface is Interface.SYSCALL and interfaces.lacks_calls:
        raise CapabilityError(f"no system call can be captured: {interfaces.lacks_calls}")
    if interfaces.lacks_io_uring and (interfaces.lacks_calls or not wants_calls):
        raise CapabilityError(
            f"no io_uring operation can be captured: {interfaces.lacks_io_uring}",
            f"they need {IO_URING_NEEDS}"
            + ("" if interfaces.lacks_calls else "; --interface syscall captures system calls here"),
        )


class Program:
    """The loaded probes of one capture. A context manager; leaving it detaches and frees."""

    def __init__(self, settings: Settings, load_bcc: Callable[[], ModuleType]) -> None:
        """Make the programs for the running kernel and create their maps.

        `load_bcc` is called only when there is something to compile. Raises
        `CapabilityError` when the kernel or the machine lacks what is needed and
        `KernelError` when the kernel refuses a map.
        """
        self.settings = settings
        self.cpus = possible_cpus()
        btf = Btf.of_kernel()
        self.layout = read_layout(btf)
        self.chosen = choose(btf)
        self.interfaces = interfaces_of(self.layout, self.chosen)
        _require_one(settings, self.interfaces)
        self._programs: dict[Probe, int] = {}
        self._links: list[int] = []
        self._maps: dict[str, int] = {}
        constants = _constants(settings, self.layout, self.chosen, self.cpus)
        self._preempted = are_preempted(btf)
        compiled = [_compiled(each, load_bcc) for each in builds(constants, preempted=self._preempted)]
        self._compiled = compiled[0]
        if self._preempted:
            self._compiled = with_twins(compiled[0], compiled[1], _CONTINUED)
        _lift_memory_limit()
        for description in self._compiled.maps:
            self._maps[description.name] = create_map(*astuple(description))

    def __enter__(self) -> Program:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.detach()
        for descriptor in (*self._programs.values(), *self._maps.values()):
            os.close(descriptor)
        self._programs.clear()
        self._maps.clear()

    def attach(self) -> tuple[str, ...]:
        """Load and attach every function that this kernel and these settings have.

        Completions are attached before submissions, so that a request that is seen
        being submitted is always seen completing. Returns the tracepoints' names.
        """
        names, probes = [], list[Probe]()
        for choice in sorted(self.chosen, key=lambda choice: choice.subject.begins):
            function = choice.subject.function
            if choice.prototype is None or choice.type_id is None or function not in self._compiled.functions:
                continue
            if self.settings.interface is Interface.SYSCALL and function.startswith("io_uring"):
                continue
            probes += self._plan(function, choice.type_id)
            names.append(choice.prototype.tracepoint)
        maps = [self._maps[each.name] for each in self._compiled.maps]
        load_all(probes, self._compiled, maps, self.settings.pid, self._programs)
        for probe in probes:
            if probe.place is None:
                self._links.append(attach_raw_tracepoint(probe.function, self._programs[probe]))
        return tuple(names)

    def _plan(self, function: str, type_id: int) -> list[Probe]:
        """The programs of the tracepoint `type_id`: the probe, its twin, and what it goes on with."""
        probes = []
        for suffix in ("", TWIN):
            if function + suffix not in self._compiled.functions:
                continue
            continued = _CONTINUED.get(function, ()) if self.has_map(CONTINUATIONS) else ()
            own = tuple(self._own_maps(f"{type_id}{suffix}", continues=bool(continued)))
            programs: list[tuple[str, int | None]] = [(function, None)]
            programs += [(each, index) for index, each in enumerate(continued)]
            probes += [Probe(each + suffix, type_id, own, index) for each, index in programs]
        return [probe for probe in probes if probe.function in self._compiled.functions]

    def _own_maps(self, owner: str, *, continues: bool) -> Iterator[tuple[str, int]]:
        for description in self._compiled.maps:
            if (continues and description.name == CONTINUATIONS) or (
                self._preempted and is_scratch(description)
            ):
                descriptor = create_map(*astuple(description))
                self._maps[f"{description.name} {owner}"] = descriptor
                yield description.name, descriptor

    def detach(self) -> None:
        """Detach all probes; the maps stay readable until the context is left."""
        while self._links:
            os.close(self._links.pop())

    def skipped(self) -> int:
        """Events for which the kernel did not run a probe (recursion on one processor).

        Those that a twin took are among them. What is skipped for a twin is no loss: the
        probe itself ran (probes/bpf/socket.c). Neither is a wake of a request: what is not
        known for it shows when it completes.
        """
        return sum(
            recursion_misses(program)
            for probe, program in self._programs.items()
            if not probe.function.endswith(TWIN) and probe.function != _WAKES_REQUEST
        )

    def ring_buffer(self, name: str) -> RingBuffer:
        """The reader of the ring buffer map `name`; ask once per map."""
        return RingBuffer(self._maps[name], self._describe(name).max_entries)

    def shared(self, name: str, dtype: np.dtype[Any], *, writable: bool = False) -> NDArray[Any]:
        """The mmapable array map `name`: reading it costs no system call.

        Where the map's values are several items of `dtype`, the array has that many more.
        """
        description = self._describe(name)
        size = description.value_size * description.max_entries
        pages = -(-size // mmap.PAGESIZE) * mmap.PAGESIZE
        protection = mmap.PROT_READ | (mmap.PROT_WRITE if writable else 0)
        memory = mmap.mmap(self._maps[name], pages, mmap.MAP_SHARED, protection)
        return np.frombuffer(memory, dtype, size // dtype.itemsize)

    def hash_values(self, name: str) -> bytes:
        """The values of the hash map `name`, one after another."""
        description = self._describe(name)
        return b"".join(map_values(self._maps[name], description.key_size, description.value_size))

    def has_map(self, name: str) -> bool:
        """Whether these settings have the map `name`."""
        return any(description.name == name for description in self._compiled.maps)

    def _describe(self, name: str) -> MapDescription:
        return next(description for description in self._compiled.maps if description.name == name)


def _compiled(constants: Mapping[str, str], load_bcc: Callable[[], ModuleType]) -> CompiledProbes:
    text = source_text()
    folder, key = cache.cache_folder(), cache.cache_key(text, constants)
    probes = cache.load(folder, key)
    if probes is None:
        probes = compile_probes(load_bcc(), text, constants)
        cache.store(folder, key, probes)
    return probes


def _lift_memory_limit() -> None:
    # Before 5.11 map memory counts against this limit; later kernels ignore it.
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

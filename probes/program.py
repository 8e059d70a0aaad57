"""Compiles the probes with bcc, attaches them, and maps what they share with us.

Invariant: everything the kernel holds for us hangs on descriptors of this process, so
that the end of the process, however it comes, leaves nothing attached.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import re
import resource
import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uringtrace.errors import KernelError
from uringtrace.probes.bpf_syscall import attach_raw_tracepoint, load_typed_program, recursion_misses
from uringtrace.probes.btf import Btf
from uringtrace.probes.kernel_headers import kernel_headers
from uringtrace.probes.layout import Layout, read_layout
from uringtrace.probes.tracepoints import Chosen, choose

_SOURCES = Path(__file__).parent / "bpf"
_INCLUDE = re.compile(r'^#include "([a-z_]+\.h)"$')
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


class Filter(Enum):
    """How the kernel tells a target from a bystander."""

    EVERYTHING = "everything"
    ONE = "one process"
    BITS = "a set of processes"
    FOLLOW = "a set of processes and their children"


@dataclass(frozen=True, slots=True)
class Settings:
    """What one capture compiles in."""

    mode: Mode
    filter: Filter
    pid: int = 0
    """The process, for `Filter.ONE`."""
    ring_bytes: int = 64 << 20
    """Size of the operations ring buffer; a power of two."""


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
        constants["FILTER_ONE"] = str(settings.pid)
    if settings.filter in (Filter.BITS, Filter.FOLLOW):
        constants["FILTER_BITS"] = "1"
    if settings.filter is Filter.FOLLOW:
        constants["FOLLOW"] = "1"
    return constants


class SharedArray:
    """An mmapable BPF array as a numpy array: reading it costs no system call."""

    def __init__(self, descriptor: int, dtype: np.dtype[Any], length: int, *, writable: bool = False) -> None:
        size = -(-dtype.itemsize * length // mmap.PAGESIZE) * mmap.PAGESIZE
        protection = mmap.PROT_READ | (mmap.PROT_WRITE if writable else 0)
        self._memory = mmap.mmap(descriptor, size, mmap.MAP_SHARED, protection)
        self.array: NDArray[Any] = np.frombuffer(self._memory, dtype, length)


class Program:
    """The compiled and loaded probes of one capture. A context manager; leaving detaches."""

    def __init__(self, bcc: ModuleType, settings: Settings) -> None:
        """Compile for the running kernel.

        Raises `CapabilityError` when the kernel or the machine lacks what is needed and
        `KernelError` when the kernel refuses a program.
        """
        self.settings = settings
        # Past bcc's Python tables, which want to know every field of every map's values.
        self._library = bcc.libbcc.lib
        self.cpus = possible_cpus()
        btf = Btf.of_kernel()
        self.layout = read_layout(btf)
        self.chosen = choose(btf)
        self._programs: dict[str, int] = {}
        self._links: list[int] = []
        self._bpf = _compile(bcc, _constants(settings, self.layout, self.chosen, self.cpus))

    def __enter__(self) -> Program:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.detach()
        for descriptor in self._programs.values():
            os.close(descriptor)
        self._programs.clear()
        self._bpf.cleanup()

    def attach(self) -> tuple[str, ...]:
        """Load and attach every function that this kernel and these settings have.

        Completions are attached before submissions, so that a request that is seen
        being submitted is always seen completing. Returns the tracepoints' names.
        """
        names = []
        library, module = self._library, self._bpf.module
        compiled = {
            library.bpf_function_name(module, index).decode()
            for index in range(library.bpf_num_functions(module))
        }
        for choice in sorted(self.chosen, key=lambda choice: choice.subject.function.endswith("submit_req")):
            function = choice.subject.function
            if choice.prototype is None or choice.type_id is None:
                continue
            if function not in compiled:
                continue
            program = load_typed_program(function, self._bpf.dump_func(function), choice.type_id)
            if function == "io_uring_complete" and "describe_file" in compiled:
                self._link_tail_call("describe_file", choice.type_id)
            self._programs[function] = program
            self._links.append(attach_raw_tracepoint(function, program))
            names.append(choice.prototype.tracepoint)
        return tuple(names)

    def _link_tail_call(self, function: str, type_id: int) -> None:
        program = load_typed_program(function, self._bpf.dump_func(function), type_id)
        self._programs[function] = program
        key, value = ctypes.c_int(0), ctypes.c_int(program)
        descriptor = self.map_descriptor("file_programs")
        if self._library.bpf_update_elem(descriptor, ctypes.byref(key), ctypes.byref(value), 0):
            raise KernelError(f"the kernel refused the tail call to {function}")

    def detach(self) -> None:
        """Detach all probes; the maps stay readable until the context is left."""
        while self._links:
            os.close(self._links.pop())

    def skipped(self) -> int:
        """Events for which the kernel did not run a probe (recursion on one processor)."""
        return sum(recursion_misses(program) for program in self._programs.values())

    def map_descriptor(self, name: str) -> int:
        return int(self._library.bpf_table_fd(self._bpf.module, name.encode()))

    def hash_values(self, name: str, size: int) -> bytes:
        """The values of a hash map with 8-byte keys, each `size` bytes, one after another."""
        descriptor = self.map_descriptor(name)
        key, value = ctypes.c_uint64(), ctypes.create_string_buffer(size)
        values = []
        more = self._library.bpf_get_first_key(descriptor, ctypes.byref(key), 8) == 0
        while more:
            if self._library.bpf_lookup_elem(descriptor, ctypes.byref(key), value) == 0:
                values.append(value.raw)
            more = self._library.bpf_get_next_key(descriptor, ctypes.byref(key), ctypes.byref(key)) == 0
        return b"".join(values)

    def shared(self, name: str, dtype: np.dtype[Any], length: int, *, writable: bool = False) -> SharedArray:
        """The mmapable array map `name` as a numpy array."""
        return SharedArray(self.map_descriptor(name), dtype, length, writable=writable)


def source_text(files: Sequence[str]) -> str:
    """The probes as one text: bcc rewrites maps and functions of the main file only."""
    included: set[str] = set()

    def lines(file: str) -> list[str]:
        if file in included:
            return []
        included.add(file)
        result: list[str] = []
        for line in (_SOURCES / file).read_text().splitlines():
            include = _INCLUDE.match(line)
            if include:
                result += lines(include[1])
            elif line != "#pragma once":
                result.append(line)
        return result

    return "\n".join(line for file in files for line in lines(file)) + "\n"


def _compile(bcc: ModuleType, constants: Mapping[str, str]) -> Any:
    # Before 5.11 map memory counts against this limit; later kernels ignore it.
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    flags = ["-w", *(f"-D{name}={value}" for name, value in constants.items())]
    text = source_text(("io_uring.c", "process.c"))
    previous = os.environ.get("BCC_KERNEL_SOURCE")
    with kernel_headers() as tree, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        os.environ["BCC_KERNEL_SOURCE"] = str(tree)
        try:
            return bcc.BPF(text=text, cflags=flags)
        except Exception as error:
            raise KernelError(
                f"the probes could not be compiled or their maps created: {error}",
                "run `uringtrace check`; with URINGTRACE_DEBUG=1 the compiler's messages are shown",
            ) from error
        finally:
            if previous is None:
                del os.environ["BCC_KERNEL_SOURCE"]
            else:
                os.environ["BCC_KERNEL_SOURCE"] = previous

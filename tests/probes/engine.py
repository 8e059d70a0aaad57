"""The probes' own C code as a shared library, with a fake kernel's memory around it."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests.probes.fake_btf import FIELDS, FakeBtf
from uringtrace.probes import program
from uringtrace.probes.layout import read_layout
from uringtrace.probes.program import Filter, Mode, Settings
from uringtrace.probes.slots import OPERATION_SLOT, RING, Counter, Slots
from uringtrace.probes.tracepoints import choose
from uringtrace.tracer.statistics import COUNTERS, Counters, empty_counters

HERE = Path(__file__).parent
PROBES = HERE.parent.parent / "probes" / "bpf"
CPUS = 2
SETS = 4
SPILL = 8
"""So small that every way to overflow is taken."""
_MEMORY_SIZE = 1 << 20
_RING_BUFFER_SIZE = 1 << 18


class _Table(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_char_p),
        ("key_size", ctypes.c_uint32),
        ("value_size", ctypes.c_uint32),
        ("entries", ctypes.c_uint32),
        ("used", ctypes.c_uint32),
        ("keys", ctypes.c_void_p),
        ("values", ctypes.c_void_p),
        ("next", ctypes.c_void_p),
    )


class _RingBuffer(ctypes.Structure):
    _fields_ = (
        ("capacity", ctypes.c_uint32),
        ("used", ctypes.c_uint32),
        ("data", ctypes.c_uint8 * _RING_BUFFER_SIZE),
    )


def constants(mode: Mode, which: Filter = Filter.EVERYTHING, btf: FakeBtf | None = None) -> dict[str, str]:
    """The -D options a capture would use, with tables small enough to overflow."""
    btf = btf or FakeBtf()
    chosen = choose(btf)
    real = program._constants(Settings(mode, which, ring_bytes=1 << 16), read_layout(btf), chosen, CPUS)
    return {**real, "SETS": str(SETS), "SPILL": str(SPILL)}


def compile_engine(folder: Path, name: str, options: Mapping[str, str]) -> Engine:
    """Build userspace/engine.c as a library; the compiler must accept it without a warning of types."""
    library = folder / f"{name}.so"
    definitions = [f"-D{key}={value}" for key, value in options.items()]
    command = ["cc", "-shared", "-fPIC", "-O1", "-w", "-fno-strict-aliasing", f"-I{PROBES}", *definitions]
    subprocess.run([*command, "-o", str(library), str(HERE / "userspace/engine.c")], check=True, timeout=60)
    return Engine(library, options)


def has_compiler() -> bool:
    """Whether there is a C compiler with the kernel's UAPI headers."""
    return shutil.which("cc") is not None and Path("/usr/include/linux/bpf.h").exists()


class Engine:
    """One build of the probes; `reset` before each use."""

    def __init__(self, library: Path, options: Mapping[str, str]) -> None:
        self._library = ctypes.CDLL(str(library))
        self._arguments = (ctypes.c_uint64 * 8)()
        self._functions: dict[str, ctypes.c_void_p] = {}
        self._environment = {
            name: kind.in_dll(self._library, name)
            for name, kind in (
                ("clock_ns", ctypes.c_uint64),
                ("current_pid_tgid", ctypes.c_uint64),
                ("current_task", ctypes.c_uint64),
                ("current_cpu", ctypes.c_uint32),
            )
        }
        memory = (ctypes.c_uint8 * _MEMORY_SIZE).in_dll(self._library, "memory")
        self.base = ctypes.addressof(memory)
        """Address of the fake kernel's memory."""
        self.memory: NDArray[np.uint8] = np.frombuffer(memory, np.uint8)
        self._opcodes = int(options["OPCODES"])
        self._views = {size: self.memory.view(f"<u{size}") for size in (1, 2, 4, 8)}
        self._rings = self.table("rings").view(RING)
        self._counters = self.table("counters").view("<u8").reshape(CPUS, len(Counter))
        self._started = self.table("started").view("<u8")
        self.streams = "STREAM" in options

    def reset(self) -> None:
        self._library.reset()
        self._started[0] = 1

    def set(self, **values: int) -> None:
        """Set `clock_ns`, `current_pid_tgid`, `current_task` or `current_cpu`."""
        for name, value in values.items():
            self._environment[name].value = value

    def fire(self, function: str, *arguments: int) -> None:
        """Run one probe with a tracepoint's arguments, if this build has it."""
        if function not in self._functions:
            probe = getattr(self._library, function, None)
            self._functions[function] = ctypes.cast(probe, ctypes.c_void_p)
        if not self._functions[function]:
            return
        for index, value in enumerate(arguments):
            self._arguments[index] = value & (1 << 64) - 1
        self._library.fire(self._functions[function], self._arguments)

    def put(self, address: int, size: int, value: int) -> None:
        """Write an unsigned integer into the fake kernel's memory."""
        self._views[size][(address - self.base) // size] = value & (1 << 8 * size) - 1

    def get(self, address: int, size: int) -> int:
        return int(self._views[size][(address - self.base) // size])

    def write(self, struct: str, address: int, **members: int) -> None:
        """Write members of a fake kernel structure; `a__b` stands for the path `a.b`."""
        for name, value in members.items():
            field = FIELDS[struct, name.replace("__", ".")]
            self.put(address + field.offset, field.size, value)

    def write_bytes(self, address: int, data: bytes) -> None:
        start = address - self.base
        self.memory[start : start + len(data)] = np.frombuffer(data, np.uint8)

    def table(self, name: str) -> NDArray[np.uint8]:
        """The values of a map as bytes, not copied."""
        table = _Table.in_dll(self._library, f"{name}_table")
        size = table.value_size * table.entries
        return np.frombuffer((ctypes.c_uint8 * size).from_address(table.values), np.uint8)

    def hash_values(self, name: str) -> bytes:
        """The values in use of a hash map, one after another."""
        table = _Table.in_dll(self._library, f"{name}_table")
        return ctypes.string_at(table.values, table.value_size * table.used)

    @property
    def rings(self) -> NDArray[np.void]:
        return self._rings

    def losses(self) -> dict[Counter, int]:
        """The event counters that are not zero."""
        totals = self._counters.sum(axis=0)
        return {counter: int(totals[counter]) for counter in Counter if totals[counter]}

    def totals(self) -> Counters:
        """Counting mode's totals per opcode over all processors, shape (256,)."""
        per_cpu = self.table("totals").view(COUNTERS).reshape(CPUS, self._opcodes)
        result = empty_counters()
        rows = self._opcodes - 1
        for name in COUNTERS.names or ():
            combined = per_cpu[name].max(axis=0) if name == "max_ns" else per_cpu[name].sum(axis=0)
            result[name][:rows] = combined[:rows]
            result[name][255] = combined[rows]
        return result

    def limit(self, ring_buffer: str, capacity: int) -> None:
        """Give a ring buffer no more than `capacity` bytes."""
        _RingBuffer.in_dll(self._library, f"{ring_buffer}_buffer").capacity = capacity

    def slots(self) -> Slots:
        """Take what the operations ring buffer holds."""
        buffer = _RingBuffer.in_dll(self._library, "operations_buffer")
        data = ctypes.string_at(ctypes.addressof(buffer.data), buffer.used)
        buffer.used = 0
        return np.frombuffer(data, OPERATION_SLOT)

    def facts(self) -> Iterator[bytes]:
        """Take the records of the facts ring buffer."""
        buffer = _RingBuffer.in_dll(self._library, "facts_buffer")
        data = ctypes.string_at(ctypes.addressof(buffer.data), buffer.used)
        buffer.used = 0
        at = 0
        while at < len(data):
            length = int.from_bytes(data[at : at + 4], "little")
            yield data[at + 8 : at + 8 + length]
            at += (length + 8 + 7) & ~7

    def bucket(self, latency_ns: int) -> int:
        """The C code's histogram bucket."""
        self._library.bucket.argtypes = [ctypes.c_uint64]
        self._library.bucket.restype = ctypes.c_uint32
        return int(self._library.bucket(latency_ns))

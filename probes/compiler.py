"""C to BPF instructions, by bcc; the result needs neither bcc nor LLVM any more.

bcc compiles one text: it rewrites maps and functions of the main file only. What it
leaves is taken apart into map descriptions and instructions that name maps by index,
so that they can be kept (`uringtrace.probes.cache`) and loaded by any later process.
"""

from __future__ import annotations

import ctypes
import os
import re
import struct
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from uringtrace.errors import KernelError
from uringtrace.probes.kernel_headers import kernel_headers

SOURCES = ("io_uring.c", "syscall.c", "interrupt.c", "wake.c", "socket.c", "process.c")
_FOLDER = Path(__file__).parent / "bpf"
_INCLUDE = re.compile(r'^#include "([a-z_]+\.h)"$')
_INSTRUCTION = struct.Struct("<BBhi")
_LOAD_MAP = 0x18
"""BPF_LD | BPF_IMM | BPF_DW: with source register 1 (BPF_PSEUDO_MAP_FD) it loads a map."""
_PSEUDO_MAP = 1
PID_PLACEHOLDER = 0x7E57_B1D5
"""Compiled in where the target's process id belongs; no process can have it."""
_LIBBCC = {
    "bpf_table_fd_id": ctypes.c_int,
    "bpf_table_name": ctypes.c_char_p,
    "bpf_table_key_size_id": ctypes.c_size_t,
    "bpf_table_leaf_size_id": ctypes.c_size_t,
}


@dataclass(frozen=True, slots=True)
class MapDescription:
    """What bpf(BPF_MAP_CREATE) needs."""

    name: str
    type: int
    key_size: int
    value_size: int
    max_entries: int
    flags: int


@dataclass(frozen=True, slots=True)
class CompiledProbes:
    """Programs for one kernel and one set of constants."""

    maps: tuple[MapDescription, ...]
    functions: Mapping[str, bytes]
    """Name → instructions, in which a map is named by its index in `maps`."""


def source_text(files: Sequence[str] = SOURCES) -> str:
    """The probes as one text, every header included once."""
    included: set[str] = set()

    def lines(file: str) -> list[str]:
        if file in included:
            return []
        included.add(file)
        result: list[str] = []
        for line in (_FOLDER / file).read_text().splitlines():
            include = _INCLUDE.match(line)
            if include:
                result += lines(include[1])
            elif line != "#pragma once":
                result.append(line)
        return result

    return "\n".join(line for file in files for line in lines(file)) + "\n"


def compile_probes(bcc: ModuleType, text: str, constants: Mapping[str, str]) -> CompiledProbes:
    """Compile `text` with `constants` as -D options.

    Raises `KernelError` when bcc cannot compile it or the kernel refuses a map, and
    `CapabilityError` when the C headers are missing.
    """
    flags = ["-w", *(f"-D{name}={value}" for name, value in constants.items())]
    previous = os.environ.get("BCC_KERNEL_SOURCE")
    with kernel_headers() as tree, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        os.environ["BCC_KERNEL_SOURCE"] = str(tree)
        try:
            module = bcc.BPF(text=text, cflags=flags)
        except Exception as error:
            raise KernelError(
                f"the probes could not be compiled or their maps created: {error}",
                "run `uringtrace check` and report both outputs",
            ) from error
        finally:
            if previous is None:
                del os.environ["BCC_KERNEL_SOURCE"]
            else:
                os.environ["BCC_KERNEL_SOURCE"] = previous
    try:
        return _take_apart(bcc.libbcc.lib, module)
    finally:
        module.cleanup()


def _take_apart(library: Any, bpf: Any) -> CompiledProbes:
    _declare(library)
    module = bpf.module
    maps = []
    indexes = {}
    for index in range(library.bpf_num_tables(module)):
        indexes[library.bpf_table_fd_id(module, index)] = index
        maps.append(
            MapDescription(
                name=library.bpf_table_name(module, index).decode(),
                type=library.bpf_table_type_id(module, index),
                key_size=library.bpf_table_key_size_id(module, index),
                value_size=library.bpf_table_leaf_size_id(module, index),
                max_entries=library.bpf_table_max_entries_id(module, index),
                flags=library.bpf_table_flags_id(module, index),
            )
        )
    functions = {}
    for index in range(library.bpf_num_functions(module)):
        name = library.bpf_function_name(module, index).decode()
        functions[name] = relocate(bpf.dump_func(name.encode()), indexes, PID_PLACEHOLDER)
    return CompiledProbes(tuple(maps), functions)


def _declare(library: Any) -> None:
    """Give the functions of libbcc that its Python package leaves undeclared their types."""
    for name, result in _LIBBCC.items():
        function = getattr(library, name)
        function.restype = result
        function.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
    library.bpf_num_tables.restype = ctypes.c_size_t
    library.bpf_num_tables.argtypes = [ctypes.c_void_p]


def relocate(instructions: bytes, maps: Mapping[int, int], pid: int = 0) -> bytes:
    """The instructions with every map number replaced by what `maps` has for it.

    `pid` takes the place of `PID_PLACEHOLDER`.
    """
    code = bytearray(instructions)
    size = _INSTRUCTION.size
    for at in range(0, len(code), size):
        operation, registers, offset, immediate = _INSTRUCTION.unpack_from(code, at)
        if operation == _LOAD_MAP and registers >> 4 == _PSEUDO_MAP:
            immediate = maps[immediate]
        elif immediate == PID_PLACEHOLDER:
            immediate = pid
        else:
            continue
        _INSTRUCTION.pack_into(code, at, operation, registers, offset, immediate)
    return bytes(code)

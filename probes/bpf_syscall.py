"""The bpf(2) commands that creating maps and attaching probes takes.

bcc would load raw tracepoint programs only untyped. A program of type
BPF_PROG_TYPE_TRACING attached as BPF_TRACE_RAW_TP (what libbpf calls "tp_btf") may
dereference its arguments directly. Layouts: include/uapi/linux/bpf.h, union bpf_attr.
"""

from __future__ import annotations

import ctypes
import os
import platform
from collections.abc import Iterator

from uringtrace.errors import CapabilityError, KernelError

_CALL_NUMBERS = {"x86_64": 321, "aarch64": 280, "riscv64": 280, "ppc64le": 361, "s390x": 351}
_MAP_CREATE = 0
_MAP_LOOKUP_ELEM = 1
_MAP_UPDATE_ELEM = 2
_MAP_GET_NEXT_KEY = 4
_PROG_LOAD = 5
_OBJ_GET_INFO_BY_FD = 15
_RAW_TRACEPOINT_OPEN = 17
_PROG_TYPE_TRACING = 26
_TRACE_RAW_TP = 23
_LOG_SIZE = 1 << 22


class _MapCreate(ctypes.Structure):
    _fields_ = (
        ("map_type", ctypes.c_uint32),
        ("key_size", ctypes.c_uint32),
        ("value_size", ctypes.c_uint32),
        ("max_entries", ctypes.c_uint32),
        ("map_flags", ctypes.c_uint32),
        ("inner_map_fd", ctypes.c_uint32),
        ("numa_node", ctypes.c_uint32),
        ("map_name", ctypes.c_char * 16),
    )


class _MapElement(ctypes.Structure):
    _fields_ = (
        ("map_fd", ctypes.c_uint32),
        ("padding", ctypes.c_uint32),
        ("key", ctypes.c_uint64),
        ("value_or_next_key", ctypes.c_uint64),
        ("flags", ctypes.c_uint64),
    )


class _ProgramLoad(ctypes.Structure):
    _fields_ = (
        ("prog_type", ctypes.c_uint32),
        ("insn_cnt", ctypes.c_uint32),
        ("insns", ctypes.c_uint64),
        ("license", ctypes.c_uint64),
        ("log_level", ctypes.c_uint32),
        ("log_size", ctypes.c_uint32),
        ("log_buf", ctypes.c_uint64),
        ("kern_version", ctypes.c_uint32),
        ("prog_flags", ctypes.c_uint32),
        ("prog_name", ctypes.c_char * 16),
        ("prog_ifindex", ctypes.c_uint32),
        ("expected_attach_type", ctypes.c_uint32),
        ("unused", ctypes.c_uint32 * 9),
        ("attach_btf_id", ctypes.c_uint32),
        ("attach_prog_fd", ctypes.c_uint32),
    )


class _RawTracepointOpen(ctypes.Structure):
    _fields_ = (("name", ctypes.c_uint64), ("prog_fd", ctypes.c_uint32), ("padding", ctypes.c_uint32))


class _InfoByFd(ctypes.Structure):
    _fields_ = (("bpf_fd", ctypes.c_uint32), ("info_len", ctypes.c_uint32), ("info", ctypes.c_uint64))


class _ProgramInfo(ctypes.Structure):
    _fields_ = (("before", ctypes.c_uint8 * 208), ("recursion_misses", ctypes.c_uint64))


_libc = ctypes.CDLL(None, use_errno=True)


def _bpf(command: int, attributes: ctypes.Structure) -> int:
    machine = platform.machine()
    if machine not in _CALL_NUMBERS:
        raise CapabilityError(f"processors of type {machine} are not supported")
    return int(
        _libc.syscall(_CALL_NUMBERS[machine], command, ctypes.byref(attributes), ctypes.sizeof(attributes))
    )


def create_map(name: str, map_type: int, key_size: int, value_size: int, max_entries: int, flags: int) -> int:
    """Create a map and return its descriptor; raises `KernelError`."""
    attributes = _MapCreate(map_type, key_size, value_size, max_entries, flags)
    attributes.map_name = name.encode()[:15]
    descriptor = _bpf(_MAP_CREATE, attributes)
    if descriptor < 0:
        reason = os.strerror(ctypes.get_errno())
        raise KernelError(
            f"the kernel refused the map {name} ({max_entries} entries of {value_size} bytes): {reason}"
        )
    return descriptor


def update_element(descriptor: int, key: bytes, value: bytes) -> bool:
    """Write one element of a map; False when the kernel refuses."""
    keys, values = ctypes.create_string_buffer(key, len(key)), ctypes.create_string_buffer(value, len(value))
    element = _MapElement(descriptor, 0, ctypes.addressof(keys), ctypes.addressof(values), 0)
    return _bpf(_MAP_UPDATE_ELEM, element) == 0


def map_values(descriptor: int, key_size: int, value_size: int) -> Iterator[bytes]:
    """The values of a hash map that nobody writes to any more."""
    key, value = ctypes.create_string_buffer(key_size), ctypes.create_string_buffer(value_size)
    place = ctypes.addressof(key)
    step = _MapElement(descriptor, 0, 0, place, 0)
    while _bpf(_MAP_GET_NEXT_KEY, step) == 0:
        step.key = place
        if _bpf(_MAP_LOOKUP_ELEM, _MapElement(descriptor, 0, place, ctypes.addressof(value), 0)) == 0:
            yield value.raw


def load_typed_program(name: str, instructions: bytes, type_id: int) -> int:
    """Load a program for the tracepoint with BTF id `type_id`; returns its descriptor.

    Raises `KernelError` with the verifier's last words when the kernel refuses it.
    """
    attributes = _ProgramLoad()
    code = ctypes.create_string_buffer(instructions, len(instructions))
    licence = ctypes.create_string_buffer(b"Dual MIT/GPL")
    attributes.prog_type = _PROG_TYPE_TRACING
    attributes.insn_cnt = len(instructions) // 8
    attributes.insns = ctypes.addressof(code)
    attributes.license = ctypes.addressof(licence)
    attributes.prog_name = name.removeprefix("io_uring_").encode()[:15]
    attributes.expected_attach_type = _TRACE_RAW_TP
    attributes.attach_btf_id = type_id
    descriptor = _bpf(_PROG_LOAD, attributes)
    if descriptor >= 0:
        return descriptor
    error = ctypes.get_errno()
    log = ctypes.create_string_buffer(_LOG_SIZE)
    attributes.log_level = 1
    attributes.log_size = _LOG_SIZE
    attributes.log_buf = ctypes.addressof(log)
    descriptor = _bpf(_PROG_LOAD, attributes)
    if descriptor >= 0:
        return descriptor
    words = log.value.decode(errors="replace").strip().splitlines()
    reason = next((line for line in reversed(words) if line and not line.startswith("processed")), "")
    raise KernelError(f"the kernel refused the probe {name}: {os.strerror(error)} {reason}".rstrip())


def attach_raw_tracepoint(name: str, program: int) -> int:
    """Attach a loaded typed program; closing the returned descriptor detaches it."""
    attributes = _RawTracepointOpen()
    attributes.prog_fd = program
    descriptor = _bpf(_RAW_TRACEPOINT_OPEN, attributes)
    if descriptor < 0:
        raise KernelError(f"cannot attach the probe {name}: {os.strerror(ctypes.get_errno())}")
    return descriptor


def recursion_misses(program: int) -> int:
    """Events for which the kernel skipped the program because it was already running on
    that processor (kernel/trace/bpf_trace.c); 0 on kernels that do not report it."""
    info = _ProgramInfo()
    attributes = _InfoByFd(program, ctypes.sizeof(info), ctypes.addressof(info))
    if _bpf(_OBJ_GET_INFO_BY_FD, attributes) < 0:
        return 0
    return int(info.recursion_misses)

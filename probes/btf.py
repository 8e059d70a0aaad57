"""Type information of the running kernel, read through libbpf's C interface.

BTF is what makes the probes independent of a kernel version: offsets of struct
members, arguments of tracepoints and values of enums are looked up by name when the
program starts. Nothing here knows io_uring. Format: Documentation/bpf/btf.rst.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import math
import struct
import sys
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeVar

from uringtrace.errors import CapabilityError

VMLINUX = Path("/sys/kernel/btf/vmlinux")

INT, PTR, ARRAY, STRUCT, UNION, ENUM = 1, 2, 3, 4, 5, 6
TYPEDEF, VOLATILE, CONST, RESTRICT, FUNC_PROTO, FLOAT, TYPE_TAG, ENUM64 = 8, 9, 10, 11, 13, 16, 18, 19
_TRANSPARENT = frozenset({TYPEDEF, VOLATILE, CONST, RESTRICT, TYPE_TAG})
_SIZED = frozenset({INT, STRUCT, UNION, ENUM, FLOAT, ENUM64})
_HEADER_SIZE = 12
_BLOB_HEADER = struct.Struct("=HBBIIIII")
"""struct btf_header, include/uapi/linux/btf.h; offsets in it count from its end."""


_T = TypeVar("_T", bound=ctypes.Structure)


class _Type(ctypes.Structure):
    _fields_ = (("name", ctypes.c_uint32), ("info", ctypes.c_uint32), ("size_or_type", ctypes.c_uint32))


class _Member(ctypes.Structure):
    _fields_ = (("name", ctypes.c_uint32), ("type", ctypes.c_uint32), ("offset", ctypes.c_uint32))


class _Parameter(ctypes.Structure):
    _fields_ = (("name", ctypes.c_uint32), ("type", ctypes.c_uint32))


class _Enumerator(ctypes.Structure):
    _fields_ = (("name", ctypes.c_uint32), ("value", ctypes.c_int32))


class _Enumerator64(ctypes.Structure):
    _fields_ = (("name", ctypes.c_uint32), ("low", ctypes.c_uint32), ("high", ctypes.c_uint32))


@dataclass(frozen=True, slots=True)
class Field:
    """A struct member found by a dotted path."""

    offset: int
    """Bytes from the start of the outermost struct."""
    size: int
    """Bytes; pointers are 8."""


@cache
def _libbpf() -> ctypes.CDLL:
    for name in ("libbpf.so.1", "libbpf.so.0", ctypes.util.find_library("bpf")):
        if name is None:
            continue
        try:
            library = ctypes.CDLL(name, use_errno=True)
        except OSError:
            continue
        library.btf__new.restype = ctypes.c_void_p
        library.btf__new.argtypes = [ctypes.c_char_p, ctypes.c_uint32]
        library.btf__free.argtypes = [ctypes.c_void_p]
        library.btf__type_by_id.restype = ctypes.c_void_p
        library.btf__type_by_id.argtypes = [ctypes.c_void_p, ctypes.c_uint32]
        library.btf__find_by_name_kind.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_uint32]
        library.btf__name_by_offset.restype = ctypes.c_char_p
        library.btf__name_by_offset.argtypes = [ctypes.c_void_p, ctypes.c_uint32]
        library.libbpf_get_error.restype = ctypes.c_long
        library.libbpf_get_error.argtypes = [ctypes.c_void_p]
        library.libbpf_set_print.argtypes = [ctypes.c_void_p]
        library.libbpf_set_print(None)  # what it would say of a bad blob, our error says
        return library
    raise CapabilityError(
        "libbpf is not installed",
        "install it: Debian and Ubuntu libbpf1 (or libbpf0), Fedora libbpf, Arch libbpf",
    )


class Btf:
    """One BTF blob. Lookups return None for what the kernel does not have."""

    def __init__(self, blob: bytes) -> None:
        """Parse a blob in the format of /sys/kernel/btf/vmlinux.

        Raises `CapabilityError` when libbpf is missing or does not accept the blob.
        """
        self._library = _libbpf()
        self._blob = blob
        self._found: dict[tuple[str, int], int] = {}
        self._handle = self._library.btf__new(blob, len(blob))
        if not self._handle or self._library.libbpf_get_error(self._handle):
            self._handle = None
            raise CapabilityError("the kernel's BTF type information cannot be parsed")

    def __del__(self) -> None:
        if getattr(self, "_handle", None):
            self._library.btf__free(self._handle)

    @classmethod
    def of_kernel(cls, path: Path = VMLINUX) -> Btf:
        """The running kernel's BTF; raises `CapabilityError` when it has none."""
        try:
            return cls(path.read_bytes())
        except OSError as error:
            raise CapabilityError(
                f"no kernel type information: {path}: {error.strerror}",
                "this needs a kernel built with CONFIG_DEBUG_INFO_BTF=y (distribution kernels are)",
            ) from error

    def field(self, struct: str, path: str) -> Field | None:
        """The member `path` ("a.b.c", anonymous members looked through) of `struct`."""
        type_id = self._find(struct, STRUCT)
        if type_id is None:
            return None
        bits = 0
        for name in path.split("."):
            found = self._member(type_id, name)
            if found is None:
                return None
            offset, type_id = found
            bits += offset
        return Field(bits // 8, self._size(type_id))

    def enum(self, name: str) -> dict[str, int] | None:
        """Enumerators of `enum name` as name → value."""
        for kind in (ENUM, ENUM64):
            type_id = self._find(name, kind)
            if type_id is not None:
                return dict(self._enumerators(type_id))
        return None

    def enumerators(self, prefix: str, containing: str) -> dict[str, int]:
        """Enumerators that start with `prefix`, of the unnamed enum that has `containing`."""
        for type_id in self._mentioning(containing):
            kind = self._kind(type_id)
            if kind in (ENUM, ENUM64) and not self._type(type_id).name:
                values = dict(self._enumerators(type_id))
                if containing in values:
                    return {name: value for name, value in values.items() if name.startswith(prefix)}
        return {}

    def tracepoint(self, name: str) -> tuple[str, ...] | None:
        """Argument types of a tracepoint ("io_kiocb *", "int", …), or None when absent.

        The kernel's TRACE_EVENT macro declares `typedef void (*btf_trace_NAME)(void *, …)`
        (include/trace/bpf_probe.h); the leading `void *` is not an argument.
        """
        type_id = self.tracepoint_id(name)
        if type_id is None:
            return None
        prototype = self._strip(self._type(self._strip(type_id)).size_or_type)
        parameters = self._trailing(prototype, _Parameter)
        return tuple(self._type_name(parameter.type) for parameter in parameters)[1:]

    def tracepoint_id(self, name: str) -> int | None:
        """BTF id by which a typed raw tracepoint program names its tracepoint."""
        return self._find(f"btf_trace_{name}", TYPEDEF)

    def has_typedef(self, name: str) -> bool:
        """Whether there is a typedef of this name."""
        return self._find(name, TYPEDEF) is not None

    def _find(self, name: str, kind: int) -> int | None:
        type_id = self._found.get((name, kind))
        if type_id is None:
            type_id = int(self._library.btf__find_by_name_kind(self._handle, name.encode(), kind))
            self._found[name, kind] = type_id
        return type_id if type_id > 0 else None

    def _mentioning(self, name: str) -> Iterator[int]:
        """Types that may have something of this name, by rising id: a walk through all the
        hundred thousand takes too long."""
        *_, length, type_offset, type_length, text_offset, text_length = _BLOB_HEADER.unpack_from(self._blob)
        types, text = length + type_offset, length + text_offset
        at = self._blob.find(b"\0" + name.encode() + b"\0", text, text + text_length) + 1
        if not at:
            return
        mention = (at - text).to_bytes(4, sys.byteorder)
        # libbpf keeps all types one after another, as they come in the blob.
        first, place, end = self._address(1), types, types + type_length
        while (place := self._blob.find(mention, place, end)) >= 0:
            if (place - types) % 4 == 0:
                ids = range(1, 1 << 20)  # BTF_MAX_TYPE, include/uapi/linux/btf.h
                yield bisect_right(ids, first + place - types, key=lambda id: self._address(id) or math.inf)
            place += 1

    def _address(self, type_id: int) -> int:
        return int(self._library.btf__type_by_id(self._handle, type_id) or 0)

    def _type(self, type_id: int) -> _Type:
        address = self._address(type_id)
        if not address:
            raise CapabilityError("the kernel's BTF type information is inconsistent")
        return _Type.from_address(address)

    def _kind(self, type_id: int) -> int:
        return int(self._type(type_id).info >> 24) & 0x1F

    def _name(self, offset: int) -> str:
        name: bytes = self._library.btf__name_by_offset(self._handle, offset) or b""
        return name.decode()

    def _trailing(self, type_id: int, layout: type[_T]) -> list[_T]:
        count = self._type(type_id).info & 0xFFFF
        return list((layout * count).from_address(self._address(type_id) + _HEADER_SIZE))

    def _strip(self, type_id: int) -> int:
        while type_id and self._kind(type_id) in _TRANSPARENT:
            type_id = self._type(type_id).size_or_type
        return type_id

    def _size(self, type_id: int) -> int:
        type_id = self._strip(type_id)
        return int(self._type(type_id).size_or_type) if self._kind(type_id) in _SIZED else 8

    def _member(self, type_id: int, name: str) -> tuple[int, int] | None:
        type_id = self._strip(type_id)
        if self._kind(type_id) not in (STRUCT, UNION):
            return None
        has_bitfields = self._type(type_id).info >> 31
        for member in self._trailing(type_id, _Member):
            offset = member.offset & 0xFFFFFF if has_bitfields else member.offset
            member_name = self._name(member.name)
            if member_name == name:
                return offset, member.type
            if not member_name:
                found = self._member(member.type, name)
                if found is not None:
                    return offset + found[0], found[1]
        return None

    def _enumerators(self, type_id: int) -> Iterator[tuple[str, int]]:
        if self._kind(type_id) == ENUM64:
            signed = self._type(type_id).info >> 31
            for wide in self._trailing(type_id, _Enumerator64):
                value = wide.high << 32 | wide.low
                yield self._name(wide.name), value - (1 << 64) if signed and wide.high >> 31 else value
        else:
            for enumerator in self._trailing(type_id, _Enumerator):
                yield self._name(enumerator.name), enumerator.value

    def _type_name(self, type_id: int) -> str:
        if not type_id:
            return "void"
        kind = self._kind(type_id)
        if kind == PTR:
            return f"{self._type_name(self._type(type_id).size_or_type)} *"
        if kind in (CONST, VOLATILE, RESTRICT, TYPE_TAG):
            return self._type_name(self._type(type_id).size_or_type)
        return self._name(self._type(type_id).name)

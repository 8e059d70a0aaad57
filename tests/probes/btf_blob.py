"""Builds a small BTF blob, byte by byte as Documentation/bpf/btf.rst describes the format.

`python -m tests.probes.btf_blob` writes it to small.btf beside this file; a test checks
that the file is what this builds, and that `bpftool btf dump` agrees about its contents.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path

PATH = Path(__file__).with_name("small.btf")

INT, PTR, ARRAY, STRUCT, UNION, ENUM = 1, 2, 3, 4, 5, 6
TYPEDEF, VOLATILE, CONST, FUNC_PROTO, TYPE_TAG, ENUM64 = 8, 9, 10, 13, 18, 19
_MAGIC = 0xEB9F
_HEADER_SIZE = 24
Members = Sequence[tuple[str, int, int]]


class Blob:
    """Types are numbered from 1 in the order in which they are added; 0 is void."""

    def __init__(self) -> None:
        self._types = bytearray()
        self._strings = bytearray(b"\0")
        self._count = 0

    def _name(self, name: str) -> int:
        if not name:
            return 0
        self._strings += name.encode() + b"\0"
        return len(self._strings) - len(name) - 1

    def _add(
        self, name: str, kind: int, length: int, size_or_type: int, more: bytes = b"", flag: int = 0
    ) -> int:
        self._types += struct.pack("<III", self._name(name), flag << 31 | kind << 24 | length, size_or_type)
        self._types += more
        self._count += 1
        return self._count

    def integer(self, name: str, size: int) -> int:
        return self._add(name, INT, 0, size, struct.pack("<I", 8 * size))

    def reference(self, kind: int, to: int, name: str = "") -> int:
        """A pointer, a typedef, const, volatile or a type tag."""
        return self._add(name, kind, 0, to)

    def array(self, of: int, index: int, length: int) -> int:
        return self._add("", ARRAY, 0, 0, struct.pack("<III", of, index, length))

    def compound(self, kind: int, name: str, size: int, members: Members) -> int:
        """A struct or union; members are (name, type, offset in bits)."""
        more = b"".join(struct.pack("<III", self._name(member), kind, at) for member, kind, at in members)
        return self._add(name, kind, len(members), size, more)

    def bitfields(self, name: str, size: int, members: Sequence[tuple[str, int, int, int]]) -> int:
        """A struct with bitfields; members are (name, type, offset in bits, width or 0)."""
        more = b"".join(
            struct.pack("<III", self._name(member), kind, width << 24 | at)
            for member, kind, at, width in members
        )
        return self._add(name, STRUCT, len(members), size, more, flag=1)

    def enum(self, name: str, values: Sequence[tuple[str, int]], *, signed: bool = False) -> int:
        more = b"".join(struct.pack("<Ii", self._name(each), value) for each, value in values)
        return self._add(name, ENUM, len(values), 4, more, flag=signed)

    def enum64(self, name: str, values: Sequence[tuple[str, int]], *, signed: bool = False) -> int:
        more = b"".join(
            struct.pack("<III", self._name(each), value & 0xFFFFFFFF, value >> 32 & 0xFFFFFFFF)
            for each, value in values
        )
        return self._add(name, ENUM64, len(values), 8, more, flag=signed)

    def prototype(self, arguments: Sequence[int]) -> int:
        more = b"".join(struct.pack("<II", 0, argument) for argument in arguments)
        return self._add("", FUNC_PROTO, len(arguments), 0, more)

    def tracepoint(self, name: str, arguments: Sequence[int], void_pointer: int) -> int:
        """typedef void (*btf_trace_NAME)(void *, …), as TRACE_EVENT declares it."""
        pointer = self.reference(PTR, self.prototype([void_pointer, *arguments]))
        return self.reference(TYPEDEF, pointer, f"btf_trace_{name}")

    def encode(self) -> bytes:
        lengths = struct.pack("<IIII", 0, len(self._types), len(self._types), len(self._strings))
        header = struct.pack("<HBBI", _MAGIC, 1, 0, _HEADER_SIZE) + lengths
        return header + bytes(self._types) + bytes(self._strings)


def small() -> bytes:
    """What the tests read; see test_btf.py for the C declarations it stands for."""
    blob = Blob()
    u8, u32, u64 = blob.integer("unsigned char", 1), blob.integer("unsigned int", 4), blob.integer("u64", 8)
    void_pointer = blob.reference(PTR, 0)
    cqe = blob.compound(STRUCT, "io_cqe", 16, [("user_data", u64, 0), ("res", u32, 64), ("fd", u32, 96)])
    const_u32 = blob.reference(CONST, blob.reference(VOLATILE, u32))
    alias = blob.reference(TYPEDEF, const_u32, "alias_t")
    inner = blob.compound(STRUCT, "", 16, [("deep", u32, 32), ("wide", u64, 64)])
    either = blob.compound(UNION, "", 16, [("", inner, 0), ("first", u8, 0)])
    words = blob.array(u32, u32, 4)
    request = blob.compound(
        STRUCT,
        "io_kiocb",
        80,
        [
            ("file", void_pointer, 0),
            ("opcode", u8, 64),
            ("state", alias, 96),
            ("cqe", cqe, 128),
            ("", either, 256),
            ("words", words, 384),
        ],
    )
    blob.bitfields("flags", 8, [("low", u32, 0, 3), ("high", u32, 3, 5), ("plain", u32, 32, 0)])
    blob.enum("io_uring_op", [("IORING_OP_NOP", 0), ("IORING_OP_READ", 22), ("IORING_OP_LAST", 23)])
    blob.enum("sign", [("BELOW", -3), ("ABOVE", 7)], signed=True)
    blob.enum("", [("OTHER", 1)])
    blob.enum("", [("REQ_F_FIXED_FILE_BIT", 0), ("REQ_F_LAST_BIT", 41), ("UNRELATED", 9)])
    blob.enum64("wide", [("HUGE", 1 << 40), ("TOP", 1 << 63)])
    blob.enum64("wide_sign", [("LEAST", -(1 << 40)), ("ONE", 1)], signed=True)
    to_request = blob.reference(PTR, request)
    tagged = blob.reference(PTR, blob.reference(TYPE_TAG, blob.reference(CONST, cqe), "user"))
    blob.tracepoint("io_uring_submit_req", [to_request], void_pointer)
    blob.tracepoint("io_uring_complete", [void_pointer, tagged, alias, u64], void_pointer)
    blob.tracepoint("nothing", [], void_pointer)
    return blob.encode()


if __name__ == "__main__":
    PATH.write_bytes(small())

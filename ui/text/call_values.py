"""What a decoded piece of user memory is made of, as a line's text and as JSON.

A value is a `dict` (a structure), a `list`, an `int`, `None` (a null pointer), or one of the
classes here. `text` writes it as strace does, `plain` makes it something JSON can hold.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

Value: TypeAlias = Any
"""One of the types named above."""


class Word(str):
    """Text that is written as it is: a constant's name, a pointer."""


@dataclass(frozen=True, slots=True)
class Quoted:
    """A string of the target's; `complete` is False when more of it followed."""

    content: bytes
    complete: bool = True


@dataclass(frozen=True, slots=True)
class Written:
    """A value that lines write in a form of their own."""

    line: str
    value: Value


class Rest:
    """Stands for fields or items that are not shown."""


REST = Rest()
PAYLOAD = Written("…", None)
"""In place of data that is never read."""
NOTHING = Quoted(b"")


def text(value: Value) -> str:
    """As strace writes it."""
    kind = type(value)
    if kind is int or kind is Word:
        return str(value)
    if kind is dict:
        return "{" + ", ".join([_field(name, each) for name, each in value.items()]) + "}"
    if kind is list:
        return "[" + ", ".join([text(each) for each in value]) + "]"
    if kind is Written:
        return str(value.line)
    if kind is Quoted:
        return quoted(value.content) + ("" if value.complete else "...")
    return "NULL" if value is None else "..."


def _field(name: str, value: Value) -> str:
    return "..." if value is REST else f"{name}={text(value)}"


def plain(value: Value) -> Any:
    """As JSON has it: strings of the target's with what is no UTF-8 as lone surrogates replaced."""
    if isinstance(value, dict):
        return {name: plain(each) for name, each in value.items() if each is not REST}
    if isinstance(value, list):
        return [plain(each) for each in value if each is not REST]
    if isinstance(value, Written):
        return plain(value.value)
    if isinstance(value, Quoted):
        return value.content.decode("utf-8", "backslashreplace")
    return value


def quoted(content: bytes) -> str:
    """A C string: printable ASCII as it is, the rest escaped, as short as strace does it."""
    plainly = content.decode("latin-1")
    if plainly.isascii() and plainly.isprintable() and '"' not in plainly and "\\" not in plainly:
        return f'"{plainly}"'
    parts = []
    for place, byte in enumerate(content):
        following = content[place + 1] if place + 1 < len(content) else 0
        parts.append(_escaped(byte, following))
    return '"' + "".join(parts) + '"'


_ESCAPES: Mapping[int, str] = {
    0x22: '\\"',
    0x5C: "\\\\",
    0x09: "\\t",
    0x0A: "\\n",
    0x0B: "\\v",
    0x0C: "\\f",
    0x0D: "\\r",
}


def _escaped(byte: int, following: int) -> str:
    known = _ESCAPES.get(byte)
    if known is not None:
        return known
    if 0x20 <= byte < 0x7F:
        return chr(byte)
    # A digit that follows would be read as part of a short escape.
    return f"\\{byte:03o}" if 0x30 <= following <= 0x39 else f"\\{byte:o}"


def pointer(value: int) -> str:
    return f"{value:#x}" if value else "NULL"


def signed32(value: int) -> int:
    """The low 32 bits of a register as the kernel reads an `int`."""
    value &= 0xFFFFFFFF
    return value - 2**32 if value >= 2**31 else value


def signed64(value: int) -> int:
    return value - 2**64 if value >= 2**63 else value

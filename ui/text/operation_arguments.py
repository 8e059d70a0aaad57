"""The text between the parentheses of a log line: `fd=7<…>, len=4096, flags=0`.

For each opcode the table of `tracer.arguments` is turned once into a list of steps;
a row then costs one call per argument. A step may answer "" to leave its argument out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from uringtrace.tracer.arguments import SOCKET_COMMAND_ARGUMENTS, Argument, Form, arguments_of
from uringtrace.tracer.record import OPERATION, SQE_BUFFER_SELECT, SQE_FIXED_FILE
from uringtrace.tracer.source import File
from uringtrace.ui.text.flags import DECODERS, socket_option

Row: TypeAlias = tuple[Any, ...]
"""One row of a batch as Python values, in the order of `OPERATION`."""

FIELDS: Mapping[str, int] = {name: number for number, name in enumerate(OPERATION.names or ())}
"""Where each field is in a `Row`."""

_FD, _FILE, _SQE_FLAGS = FIELDS["fd"], FIELDS["file"], FIELDS["sqe_flags"]
_SUBMITTED = FIELDS["submitted_ns"]
_OFF, _ADDR, _LEN, _OP_FLAGS = FIELDS["off"], FIELDS["addr"], FIELDS["len"], FIELDS["op_flags"]
_FILE_INDEX, _BUF_INDEX, _OPCODE = FIELDS["file_index"], FIELDS["buf_index"], FIELDS["opcode"]
_HAS_ARGUMENTS, _PERSONALITY = FIELDS["has_arguments"], FIELDS["personality"]

_AT_FDCWD = -100
_ANY_SLOT = 2**32 - 1
_SPLICE_F_FD_IN_FIXED = 1 << 31
_CANCEL_FD, _CANCEL_FD_FIXED, _CANCEL_OP = 1 << 1, 1 << 3, 1 << 5
_CANCEL_BY_USER_DATA = 1 << 4
_CANCEL_OTHERWISE = _CANCEL_FD | 1 << 2 | _CANCEL_OP
_SOCKET_OPTION_COMMANDS = (2, 3)

_SOCKET = re.compile(r"(TCP|UDP|UNIX|RAW|PING|NETLINK|PACKET|SCTP|VSOCK|MPTCP|socket)\b", re.IGNORECASE)

Show: TypeAlias = Callable[[int, Row], str]
Step: TypeAlias = tuple[str, int, bool, Show]


def signed32(value: int) -> int:
    """A 32-bit field that the kernel reads as signed."""
    return value - 2**32 if value >= 2**31 else value


class ArgumentsText:
    """Remembers the steps of each opcode and the text of each descriptor.

    `files` is the source's mapping and may grow; what it did not know is asked again.
    """

    def __init__(
        self, operation_names: Mapping[int, str], files: Mapping[int, File], limit: int | None
    ) -> None:
        self._operation_names = operation_names
        self.files = files
        self._limit = limit
        self._steps: dict[int, list[Step]] = {}
        self._descriptors: dict[tuple[int, int, bool], str] = {}
        self._special: Mapping[Form, Show] = {
            Form.DESCRIPTOR: self._own_descriptor,
            Form.CLOSED_DESCRIPTOR: self._closed,
            Form.CANCEL_OPERATION: self._cancel_operation,
        }
        self._socket_steps = self._compile(SOCKET_COMMAND_ARGUMENTS)

    def text(self, row: Row) -> str:
        """The arguments of one row; `…` stands for what was not captured."""
        steps = self._steps_for(row)
        if not row[_HAS_ARGUMENTS]:
            return self._own_descriptor_only(steps, row)
        parts = []
        for label, field, optional, show in steps:
            value = row[field]
            if value or not optional:
                text = show(value, row)
                if text:
                    parts.append(label + text)
        if row[_SQE_FLAGS] & SQE_BUFFER_SELECT:
            parts.append(f"buf_group={row[_BUF_INDEX]}")
        if row[_PERSONALITY]:
            parts.append(f"personality={row[_PERSONALITY]}")
        return ", ".join(parts)

    def is_socket(self, row: Row) -> bool:
        """Whether the row's file is known to be a socket."""
        file = self.files.get(row[_FILE]) if row[_FILE] else None
        return file is not None and _SOCKET.match(file.description) is not None

    def _own_descriptor_only(self, steps: list[Step], row: Row) -> str:
        for label, field, _, show in steps:
            if field == _FD and label in ("fd=", "dfd=", "epfd="):
                return f"{label}{show(row[_FD], row)}, …"
        return "…"

    def _steps_for(self, row: Row) -> list[Step]:
        opcode: int = row[_OPCODE]
        name = self._operation_names.get(opcode, "")
        if name == "URING_CMD" and self.is_socket(row):
            return self._socket_steps
        steps = self._steps.get(opcode)
        if steps is None:
            steps = self._steps[opcode] = self._compile(arguments_of(name))
        return steps

    def _compile(self, arguments: tuple[Argument, ...]) -> list[Step]:
        return [
            (f"{argument.name}=", FIELDS[argument.field], argument.optional, self._show(argument.form))
            for argument in arguments
            if not argument.detail
        ]

    def _show(self, form: Form) -> Show:
        if form in self._special:
            return self._special[form]
        if form in _PLAIN:
            return _PLAIN[form]
        decoder = DECODERS[form]
        return lambda value, row: decoder(value)

    def descriptor(self, number: int, file: int, direct: bool) -> str:
        """`7<TCP …>`, `fixed:3<…>`, or the number alone where the file is not known."""
        key = (number, file, direct)
        text = self._descriptors.get(key)
        if text is None:
            text = f"fixed:{number}" if direct else str(number)
            known = self.files.get(file) if file else None
            if known is not None:
                text = f"{text}<{self._shortened(known.description)}>"
            if known is not None or not file:
                self._descriptors[key] = text
        return text

    def _shortened(self, description: str) -> str:
        text = description.translate(_CONTROL)
        if self._limit is not None and len(text) > self._limit:
            return f"{text[: self._limit]}…"
        return text

    def _own_descriptor(self, value: int, row: Row) -> str:
        text = self.descriptor(row[_FD], row[_FILE], bool(row[_SQE_FLAGS] & SQE_FIXED_FILE))
        # The request of an operation begun before the capture has forgotten its number.
        return text if row[_SUBMITTED] or row[_FD] != -1 else text.replace("-1", "?", 1)

    def _closed(self, value: int, row: Row) -> str:
        slot: int = row[_FILE_INDEX]
        return self.descriptor(slot - 1, row[_FILE], True) if slot else self._own_descriptor(value, row)

    def _cancel_operation(self, value: int, row: Row) -> str:
        if not row[_OP_FLAGS] & _CANCEL_OP:
            return ""
        return self._operation_names.get(value, str(value))


_CONTROL = {number: f"\\x{number:02x}" for number in (*range(32), 127)}
"""A path may hold a newline or an escape sequence; a log line may not."""


def _directory(value: int, row: Row) -> str:
    number = signed32(value)
    return "AT_FDCWD" if number == _AT_FDCWD else str(number)


def _splice_source(value: int, row: Row) -> str:
    number = signed32(value)
    return f"fixed:{number}" if row[_OP_FLAGS] & _SPLICE_F_FD_IN_FIXED else str(number)


def _cancel_descriptor(value: int, row: Row) -> str:
    if not row[_OP_FLAGS] & _CANCEL_FD:
        return ""
    return f"fixed:{value}" if row[_OP_FLAGS] & _CANCEL_FD_FIXED else str(value)


def _cancel_user_data(value: int, row: Row) -> str:
    flags = row[_OP_FLAGS]
    by_user_data = not flags & _CANCEL_OTHERWISE or flags & _CANCEL_BY_USER_DATA
    return f"{value:#x}" if by_user_data else ""


def _slot(value: int, row: Row) -> str:
    if value == _ANY_SLOT:
        return "ALLOC"
    return f"fixed:{value - 1}" if value else "0"


def _offset(value: int, row: Row) -> str:
    return "-1" if value == 2**64 - 1 else str(value)


def _socket_level(value: int, row: Row) -> str:
    return DECODERS[Form.SOCKET_LEVEL](value & 0xFFFFFFFF) if _takes_option(row) else ""


def _socket_option(value: int, row: Row) -> str:
    return socket_option(value & 0xFFFFFFFF, value >> 32) if _takes_option(row) else ""


def _socket_option_length(value: int, row: Row) -> str:
    return str(value) if _takes_option(row) else ""


def _takes_option(row: Row) -> bool:
    return row[_OFF] & 0xFFFFFFFF in _SOCKET_OPTION_COMMANDS


_PLAIN: Mapping[Form, Show] = {
    Form.SPLICE_DESCRIPTOR: _splice_source,
    Form.CANCEL_DESCRIPTOR: _cancel_descriptor,
    Form.CANCEL_USER_DATA: _cancel_user_data,
    Form.DIRECTORY: _directory,
    Form.UNSIGNED: lambda value, row: str(value),
    Form.SIGNED: lambda value, row: str(signed32(value)),
    Form.PLAIN_DESCRIPTOR: lambda value, row: str(signed32(value & 0xFFFFFFFF)),
    Form.POINTER: lambda value, row: f"{value:#x}" if value else "NULL",
    Form.HEXADECIMAL: lambda value, row: f"{value:#x}" if value else "0",
    Form.MODE: lambda value, row: f"{value:#05o}".replace("0o", "0"),
    Form.LOW_HALF: lambda value, row: f"{value & 0xFFFFFFFF:#x}",
    Form.OFFSET: _offset,
    Form.SLOT: _slot,
    Form.SOCKET_COMMAND: lambda value, row: DECODERS[Form.SOCKET_COMMAND](value & 0xFFFFFFFF),
    Form.SOCKET_LEVEL: _socket_level,
    Form.SOCKET_OPTION: _socket_option,
    Form.SOCKET_OPTION_LENGTH: _socket_option_length,
}

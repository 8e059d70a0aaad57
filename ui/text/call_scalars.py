"""The text of the arguments of system calls that are no pointers to something decoded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from uringtrace.tracer.syscalls.signature import ValueForm
from uringtrace.ui.text.call_constants import CONSTANTS
from uringtrace.ui.text.call_flags import FLAGS
from uringtrace.ui.text.call_memory import ARGUMENTS, Memories
from uringtrace.ui.text.call_names import text_of
from uringtrace.ui.text.call_structures import file_mode, octal, signal_name
from uringtrace.ui.text.call_values import pointer, signed32, signed64
from uringtrace.ui.text.operation_arguments import Row
from uringtrace.ui.text.socket_constants import INTERNET_PROTOCOLS, NETLINK_PROTOCOLS, OPTIONS

Show: TypeAlias = Callable[[int, Row, Memories], str]
"""An argument's value, its row and the row's memory to the argument's text."""

_LOW = 0xFFFFFFFF
_INTERNET_FAMILIES, _NETLINK = frozenset({2, 10}), 16
_NO_ID = _LOW


def hexadecimal(value: int) -> str:
    return f"{value:#x}" if value else "0"


def named(names: str) -> Show:
    """The function for a set of names."""
    known = FLAGS.get(names) or CONSTANTS[names]
    return lambda value, row, memory: text_of(known, value)


def protocol(value: int, row: Row, memory: Memories) -> str:
    """Of socket(2): its names depend on the family."""
    family = row[ARGUMENTS[0]] & _LOW
    if family in _INTERNET_FAMILIES:
        return text_of(INTERNET_PROTOCOLS, value)
    return text_of(NETLINK_PROTOCOLS, value) if family == _NETLINK else str(value & _LOW)


def socket_option(value: int, row: Row, memory: Memories) -> str:
    """Of setsockopt(2): its names depend on the level."""
    options = OPTIONS.get(row[ARGUMENTS[1]] & _LOW)
    return text_of(options, value) if options else str(value & _LOW)


def identifier(value: int) -> str:
    """A user or a group."""
    value &= _LOW
    return "-1" if value == _NO_ID else str(value)


_COMMAND_TYPES = ("_IOC_NONE", "_IOC_WRITE", "_IOC_READ", "_IOC_READ|_IOC_WRITE")
_CLOSE_ON_EXEC = frozenset({0x5450, 0x5451})
_GETTERS = frozenset({1, 3, 9, 11, 1025, 1032, 1034})
"""fcntl's commands without an argument: F_GETFD, F_GETFL, F_GETOWN, F_GETSIG, …"""
_NUMBERS = frozenset({0, 8, 10, 1030, 1031})
"""Those that take a number: F_DUPFD, F_SETOWN, F_SETSIG, F_DUPFD_CLOEXEC, F_SETPIPE_SZ."""
_COMMAND_FLAGS = {2: "descriptor", 4: "open", 1026: "directory_notify", 1033: "seals"}


def control_command(value: int) -> str:
    """Of ioctl: its name, or the four parts that it is made of (asm-generic/ioctl.h)."""
    value &= _LOW
    name = CONSTANTS["ioctl"].numbers.get(value)
    if name is not None:
        return name
    kind, size = value >> 30, value >> 16 & 0x3FFF
    return (
        f"_IOC({_COMMAND_TYPES[kind]}, {hexadecimal(value >> 8 & 0xFF)}, "
        f"{hexadecimal(value & 0xFF)}, {hexadecimal(size)})"
    )


def _control_value(value: int, row: Row, memory: Memories) -> str:
    return "" if row[ARGUMENTS[1]] & _LOW in _CLOSE_ON_EXEC else pointer(value)


def _file_command_value(value: int, row: Row, memory: Memories) -> str:
    command = row[ARGUMENTS[1]] & _LOW
    if command in _GETTERS:
        return ""
    if command in _NUMBERS:
        return str(signed32(value))
    names = _COMMAND_FLAGS.get(command)
    return text_of(FLAGS[names], value) if names else hexadecimal(value)


SCALARS: Mapping[ValueForm, Show] = {
    ValueForm.PLAIN_DESCRIPTOR: lambda value, row, memory: str(signed32(value)),
    ValueForm.SIGNED: lambda value, row, memory: str(signed32(value)),
    ValueForm.UNSIGNED: lambda value, row, memory: str(value & _LOW),
    ValueForm.LONG: lambda value, row, memory: str(signed64(value)),
    ValueForm.SIZE: lambda value, row, memory: str(value),
    ValueForm.HEXADECIMAL: lambda value, row, memory: hexadecimal(value),
    ValueForm.HEXADECIMAL_32: lambda value, row, memory: hexadecimal(value & _LOW),
    ValueForm.MODE: lambda value, row, memory: octal(value & 0xFFFF),
    ValueForm.FILE_MODE: lambda value, row, memory: file_mode(value & 0xFFFF),
    ValueForm.IDENTIFIER: lambda value, row, memory: identifier(value),
    ValueForm.SIGNAL: lambda value, row, memory: signal_name(signed32(value)),
    ValueForm.POINTER: lambda value, row, memory: pointer(value),
    ValueForm.CONTROL_COMMAND: lambda value, row, memory: control_command(value),
    ValueForm.CONTROL_VALUE: _control_value,
    ValueForm.FILE_COMMAND_VALUE: _file_command_value,
    ValueForm.HIGH_HALF: lambda value, row, memory: "",
}
"""By form, whatever the arguments beside it are."""

"""The form of a system call: its arguments, what is behind them, and its result.

Signatures are written as one line for each call, in `files.py`, `sockets.py` and so on:

    openat(dfd dir, filename path, flags @open, mode created) fd

An argument is its name in the kernel's source and a word of `WORDS`, or `@` and the name of
a set of constants that the text of a line knows. The word after the parentheses is a
`Result`; without one the result is a number. Nothing here says how a value looks.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto

from uringtrace.probes.slots import Capture, CaptureFlag

PATH_BYTES = 1008
"""Of a path that is read at most: 21 pieces. PATH_MAX is 4096, but such paths are rare."""
NAME_BYTES = 288
"""Of other strings, as names of extended attributes, which have at most 255 characters."""

AT_RETURN = CaptureFlag(0)
"""Memory is read when the call returns, whatever it returns."""
ENTRY = CaptureFlag.ENTRY
"""Memory is read when the call begins."""


class ValueForm(Enum):
    """What kind of value an argument of a system call is."""

    DESCRIPTOR = auto()
    DIRECTORY = auto()
    """A directory's descriptor or AT_FDCWD."""
    PLAIN_DESCRIPTOR = auto()
    """A number of a descriptor that is not looked at, as that of another process."""
    SIGNED = auto()
    """32 bits."""
    UNSIGNED = auto()
    """32 bits."""
    LONG = auto()
    """Signed, 64 bits."""
    SIZE = auto()
    """Unsigned, 64 bits."""
    HEXADECIMAL = auto()
    HEXADECIMAL_32 = auto()
    MODE = auto()
    """Permission bits, octal."""
    CREATION_MODE = auto()
    """The same, used only when the flags before it create a file."""
    FILE_MODE = auto()
    """Type and permissions of a file."""
    DEVICE = auto()
    """A device number, of which only special files have one."""
    IDENTIFIER = auto()
    """A user or a group; all ones: -1."""
    SIGNAL = auto()
    NAMED = auto()
    """Flags or a constant; `Parameter.names` says of which set."""
    POINTER = auto()
    PAYLOAD = auto()
    """Data that the call takes: never read, its length is another argument."""
    RECEIVED_PAYLOAD = auto()
    """Data that the call delivers: never read, its length is the result."""
    PATH = auto()
    STRING = auto()
    RETURNED_STRING = auto()
    """A string that the call delivers, its length is the result."""
    ADDRESS = auto()
    """A socket address; the next argument is its length."""
    RETURNED_ADDRESS = auto()
    """A socket address the call delivers; the next argument points to its length."""
    ADDRESS_LENGTH = auto()
    """A pointer to the length of an address, before; after it is that of the address."""
    MESSAGE = auto()
    RECEIVED_MESSAGE = auto()
    VECTORS = auto()
    RECEIVED_VECTORS = auto()
    DESCRIPTOR_PAIR = auto()
    POLL_LIST = auto()
    EPOLL_EVENT = auto()
    EPOLL_EVENTS = auto()
    DESCRIPTOR_SET = auto()
    TIME = auto()
    """struct __kernel_timespec."""
    RETURNED_TIME = auto()
    REMAINING_TIME = auto()
    """Written only when the call was interrupted."""
    LEFT_TIME = auto()
    """A timeout that the call replaces by what is left of it."""
    MICROSECONDS_TIME = auto()
    """struct __kernel_old_timeval."""
    RETURNED_MICROSECONDS_TIME = auto()
    LEFT_MICROSECONDS_TIME = auto()
    TIMER = auto()
    """struct __kernel_itimerspec."""
    RETURNED_TIMER = auto()
    MICROSECONDS_TIMER = auto()
    RETURNED_MICROSECONDS_TIMER = auto()
    SIGNAL_SET = auto()
    RETURNED_SIGNAL_SET = auto()
    LIMIT = auto()
    RETURNED_LIMIT = auto()
    OFFSET_POINTER = auto()
    """A pointer to a position in a file, before the call."""
    MOVED_OFFSET_POINTER = auto()
    """The same; the call moves it by its result."""
    FILE_STATUS = auto()
    """struct stat."""
    OPTION = auto()
    """A socket option; its names depend on the level before it."""
    OPTION_VALUE = auto()
    RETURNED_OPTION_VALUE = auto()
    OPTION_LENGTH = auto()
    """A pointer to the length of an option, before."""
    WAIT_STATUS = auto()
    CONTROL_COMMAND = auto()
    """Of ioctl."""
    CONTROL_VALUE = auto()
    """Of ioctl: its meaning depends on the command."""
    FILE_COMMAND_VALUE = auto()
    """Of fcntl: its meaning depends on the command."""
    OPEN_HOW = auto()
    RING_PARAMETERS = auto()
    CLONE_ARGUMENTS = auto()
    HIGH_HALF = auto()
    """The upper half of the position before it; always 0 where registers have 64 bits."""


class Result(Enum):
    """What kind of value a system call returns."""

    NUMBER = "number"
    DESCRIPTOR = "fd"
    POINTER = "pointer"
    OCTAL = "octal"
    READY = "ready"
    """A number of descriptors; 0: the time was over."""
    THREAD = "thread"
    """The id of a thread that the call begins, in which it returns a second time."""
    NOTHING = "nothing"
    """It does not return."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What of the memory behind an argument is read; `size` in bytes, see `Capture`."""

    capture: Capture
    size: int = 0
    flags: CaptureFlag = AT_RETURN


@dataclass(frozen=True, slots=True)
class Parameter:
    """One argument: its name in the kernel's source, its form, and what it leads to."""

    name: str
    form: ValueForm
    names: str = ""
    """Of NAMED: the set of names."""
    reading: Reading | None = None


@dataclass(frozen=True, slots=True)
class Signature:
    """A system call."""

    parameters: tuple[Parameter, ...]
    result: Result


_FORM = ValueForm
_OUT = CaptureFlag.OUTPUT


def _fixed(size: int, flags: CaptureFlag = AT_RETURN) -> Reading:
    return Reading(Capture.FIXED, size, flags)


WORDS: Mapping[str, tuple[ValueForm, Reading | None]] = {
    "fd": (_FORM.DESCRIPTOR, None),
    "dir": (_FORM.DIRECTORY, None),
    "number": (_FORM.PLAIN_DESCRIPTOR, None),
    "int": (_FORM.SIGNED, None),
    "uint": (_FORM.UNSIGNED, None),
    "long": (_FORM.LONG, None),
    "size": (_FORM.SIZE, None),
    "hex": (_FORM.HEXADECIMAL, None),
    "hex32": (_FORM.HEXADECIMAL_32, None),
    "mode": (_FORM.MODE, None),
    "created": (_FORM.CREATION_MODE, None),
    "filemode": (_FORM.FILE_MODE, None),
    "device": (_FORM.DEVICE, None),
    "id": (_FORM.IDENTIFIER, None),
    "signal": (_FORM.SIGNAL, None),
    "pointer": (_FORM.POINTER, None),
    "data": (_FORM.PAYLOAD, None),
    "received": (_FORM.RECEIVED_PAYLOAD, None),
    "path": (_FORM.PATH, Reading(Capture.STRING, PATH_BYTES)),
    # The call replaces the memory that the path is in.
    "program": (_FORM.PATH, Reading(Capture.STRING, PATH_BYTES, ENTRY)),
    "string": (_FORM.STRING, Reading(Capture.STRING, NAME_BYTES)),
    "target": (_FORM.RETURNED_STRING, Reading(Capture.RETURNED, 1, _OUT)),
    "address": (_FORM.ADDRESS, Reading(Capture.ADDRESS)),
    "sender": (_FORM.RETURNED_ADDRESS, Reading(Capture.RETURNED_ADDRESS, 0, _OUT)),
    "length": (_FORM.ADDRESS_LENGTH, _fixed(4, ENTRY)),
    "message": (_FORM.MESSAGE, Reading(Capture.MESSAGE)),
    "inbox": (_FORM.RECEIVED_MESSAGE, Reading(Capture.MESSAGE, 0, _OUT)),
    "vectors": (_FORM.VECTORS, Reading(Capture.COUNTED, 16)),
    "filled": (_FORM.RECEIVED_VECTORS, Reading(Capture.COUNTED, 16)),
    "pair": (_FORM.DESCRIPTOR_PAIR, _fixed(8, _OUT)),
    "polled": (_FORM.POLL_LIST, Reading(Capture.COUNTED, 8)),
    "event": (_FORM.EPOLL_EVENT, _fixed(12)),
    "events": (_FORM.EPOLL_EVENTS, Reading(Capture.RETURNED, 12, _OUT)),
    # One capture takes all three sets.
    "sets": (_FORM.DESCRIPTOR_SET, Reading(Capture.SETS)),
    "set": (_FORM.DESCRIPTOR_SET, None),
    "time": (_FORM.TIME, _fixed(16)),
    "clock": (_FORM.RETURNED_TIME, _fixed(16, _OUT)),
    "remaining": (_FORM.REMAINING_TIME, _fixed(16)),
    "timeout": (_FORM.LEFT_TIME, _fixed(16, ENTRY)),
    "left": (_FORM.LEFT_TIME, _fixed(16)),
    "timeval": (_FORM.MICROSECONDS_TIME, _fixed(16)),
    "clockval": (_FORM.RETURNED_MICROSECONDS_TIME, _fixed(16, _OUT)),
    "leftval": (_FORM.LEFT_MICROSECONDS_TIME, _fixed(16)),
    "timer": (_FORM.TIMER, _fixed(32)),
    "oldtimer": (_FORM.RETURNED_TIMER, _fixed(32, _OUT)),
    "timerval": (_FORM.MICROSECONDS_TIMER, _fixed(32)),
    "oldtimerval": (_FORM.RETURNED_MICROSECONDS_TIMER, _fixed(32, _OUT)),
    "signals": (_FORM.SIGNAL_SET, _fixed(8)),
    "oldsignals": (_FORM.RETURNED_SIGNAL_SET, _fixed(8, _OUT)),
    "limit": (_FORM.LIMIT, _fixed(16)),
    "oldlimit": (_FORM.RETURNED_LIMIT, _fixed(16, _OUT)),
    "at": (_FORM.OFFSET_POINTER, _fixed(8, ENTRY)),
    # The kernel keeps one argument from the beginning on: the other one is shown as a pointer.
    "also_at": (_FORM.OFFSET_POINTER, None),
    "moved": (_FORM.MOVED_OFFSET_POINTER, _fixed(8, ENTRY)),
    "status": (_FORM.FILE_STATUS, _fixed(144, _OUT)),
    "option": (_FORM.OPTION, None),
    # Never more: behind the first four bytes of SOL_TLS' option there are keys.
    "value": (_FORM.OPTION_VALUE, _fixed(4)),
    "oldvalue": (_FORM.RETURNED_OPTION_VALUE, _fixed(4, _OUT)),
    "valuelength": (_FORM.OPTION_LENGTH, _fixed(4, ENTRY)),
    "ended": (_FORM.WAIT_STATUS, _fixed(4, _OUT)),
    "control": (_FORM.CONTROL_COMMAND, None),
    "controlled": (_FORM.CONTROL_VALUE, _fixed(4)),
    "commanded": (_FORM.FILE_COMMAND_VALUE, None),
    "how": (_FORM.OPEN_HOW, _fixed(24)),
    "ring": (_FORM.RING_PARAMETERS, _fixed(120, _OUT)),
    "cloned": (_FORM.CLONE_ARGUMENTS, _fixed(88)),
    "high": (_FORM.HIGH_HALF, None),
}
"""Word → form, and what is read of the memory behind it."""

_LINE = re.compile(r"(\w+)\((.*)\)(?: (\w+))?$")


def parse(table: str) -> dict[str, Signature]:
    """The signatures of a table of lines, by the names of the calls.

    Raises `ValueError` or `KeyError` for a line that is not in the form given above.
    """
    found: dict[str, Signature] = {}
    for line in filter(None, map(str.strip, table.splitlines())):
        match = _LINE.match(line)
        if match is None:
            raise ValueError(f"not a signature: {line}")
        name, arguments, result = match.groups()
        parameters = tuple(_parameter(each) for each in arguments.split(", ") if each)
        found[name] = Signature(parameters, Result(result or "number"))
    return found


def _parameter(text: str) -> Parameter:
    name, word = text.split(" ")
    if word.startswith("@"):
        return Parameter(name, ValueForm.NAMED, word[1:])
    form, reading = WORDS[word]
    return Parameter(name, form, reading=reading)

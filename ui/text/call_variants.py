"""Calls whose first arguments decide what the others mean, or that lines order differently.

Each takes the functions that show the arguments one by one and makes one for all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from uringtrace.ui.text.call_constants import CONSTANTS
from uringtrace.ui.text.call_flags import FLAGS
from uringtrace.ui.text.call_memory import ARGUMENTS, Memories
from uringtrace.ui.text.call_names import text_of
from uringtrace.ui.text.call_scalars import Show, hexadecimal
from uringtrace.ui.text.call_structures import signal_name
from uringtrace.ui.text.call_values import pointer
from uringtrace.ui.text.operation_arguments import FIELDS, Row

Whole: TypeAlias = Callable[[Row, Memories], str]
_RESULT = FIELDS["result"]
_LOW = 0xFFFFFFFF
_EXIT_SIGNAL = 0xFF
_CLONE_SETTLS, _CLONE_PARENT_SETTID, _CLONE_CHILD = 1 << 19, 1 << 20, 1 << 21 | 1 << 24
_MATCH_ANY = 0xFFFFFFFF
_CLOCK_REALTIME, _PRIVATE = 256, 128
_MREMAP_FIXED = 1 | 2

_FUTEX: Mapping[int, str] = {
    0: "avt",
    1: "av",
    2: "av",
    3: "avno",
    4: "avnod",
    5: "avnox",
    6: "at",
    7: "a",
    8: "a",
    9: "avtb",
    10: "avb",
    11: "avto",
    12: "avnod",
    13: "at",
}
"""futex(2)'s operations → the arguments they use beside the operation: address, value, time,
number instead of a time, other address, bits, decimal or hexadecimal third value."""


def _clone(shows: Sequence[Show]) -> Whole:
    """clone(2): x86-64 passes what a thread keeps for itself last, strace shows the stack first."""

    def whole(row: Row, memory: Memories) -> str:
        flags, stack, parent, child, storage = (row[field] for field in ARGUMENTS[:5])
        names = text_of(FLAGS["clone"], flags & ~_EXIT_SIGNAL)
        number = flags & _EXIT_SIGNAL
        words = [] if names == "0" and number else [names]
        words += [signal_name(number)] if number else []
        parts = [f"child_stack={pointer(stack)}", f"flags={'|'.join(words)}"]
        if flags & _CLONE_PARENT_SETTID:
            # The kernel stores there what it returns.
            result = row[_RESULT]
            parts.append(f"parent_tid=[{result}]" if result > 0 else f"parent_tid={pointer(parent)}")
        if flags & _CLONE_SETTLS:
            parts.append(f"tls={pointer(storage)}")
        if flags & _CLONE_CHILD:
            parts.append(f"child_tidptr={pointer(child)}")
        return ", ".join(parts)

    return whole


def _futex(shows: Sequence[Show]) -> Whole:
    def whole(row: Row, memory: Memories) -> str:
        operation = row[ARGUMENTS[1]] & _LOW
        wanted = _FUTEX.get(operation & ~(_CLOCK_REALTIME | _PRIVATE), "avtox")
        number = row[ARGUMENTS[5]] & _LOW
        texts = {
            "a": lambda: pointer(row[ARGUMENTS[0]]),
            "v": lambda: str(row[ARGUMENTS[2]] & _LOW),
            "t": lambda: shows[3](row[ARGUMENTS[3]], row, memory),
            "n": lambda: str(row[ARGUMENTS[3]] & _LOW),
            "o": lambda: pointer(row[ARGUMENTS[4]]),
            "b": lambda: "FUTEX_BITSET_MATCH_ANY" if number == _MATCH_ANY else f"{number:#x}",
            "d": lambda: str(number),
            "x": lambda: hexadecimal(number),
        }
        parts = [texts[each]() for each in wanted]
        parts.insert(1, futex_operation(operation))
        return ", ".join(parts)

    return whole


def futex_operation(operation: int) -> str:
    """`FUTEX_WAIT_BITSET_PRIVATE|FUTEX_CLOCK_REALTIME`"""
    names = CONSTANTS["futex"].numbers
    name = names.get(operation & ~_CLOCK_REALTIME)
    if name is None:
        return text_of(CONSTANTS["futex"], operation)
    return f"{name}|FUTEX_CLOCK_REALTIME" if operation & _CLOCK_REALTIME else name


_PROCESS_CONTROL: Mapping[int, str] = {
    1: "s",
    3: "",
    4: "m",
    7: "",
    8: "d",
    13: "",
    14: "d",
    15: "x",
    16: "x",
    21: "",
    22: "c",
    26: "d",
    27: "",
    29: "d",
    30: "",
    31: "",
    32: "",
    36: "d",
    37: "x",
    38: "dxxx",
    41: "dxxx",
}
"""prctl(2)'s options → the arguments they use: signal, dump mode, seccomp mode, decimal, hexadecimal."""
_WORDS: Mapping[str, Mapping[int, str]] = {
    "m": {0: "SUID_DUMP_DISABLE", 1: "SUID_DUMP_USER", 2: "SUID_DUMP_ROOT"},
    "c": {0: "SECCOMP_MODE_DISABLED", 1: "SECCOMP_MODE_STRICT", 2: "SECCOMP_MODE_FILTER"},
}


def _process_control(shows: Sequence[Show]) -> Whole:
    def whole(row: Row, memory: Memories) -> str:
        option = row[ARGUMENTS[0]] & _LOW
        parts = [text_of(CONSTANTS["prctl"], option)]
        for kind, field in zip(_PROCESS_CONTROL.get(option, "xxxx"), ARGUMENTS[1:], strict=False):
            parts.append(_control(kind, row[field]))
        return ", ".join(parts)

    return whole


def _control(kind: str, value: int) -> str:
    if kind == "s":
        return signal_name(value & _LOW)
    if kind == "d":
        return str(value)
    return _WORDS.get(kind, {}).get(value) or hexadecimal(value)


def _remap(shows: Sequence[Show]) -> Whole:
    """mremap(2): the new address counts only with MREMAP_MAYMOVE|MREMAP_FIXED."""

    def whole(row: Row, memory: Memories) -> str:
        count = 5 if row[ARGUMENTS[3]] & _MREMAP_FIXED == _MREMAP_FIXED else 4
        shown = zip(ARGUMENTS[:count], shows, strict=False)
        return ", ".join([show(row[field], row, memory) for field, show in shown])

    return whole


def _restarted(shows: Sequence[Show]) -> Whole:
    """restart_syscall(2) goes on with a call that a signal interrupted; which one is not told."""
    return lambda row, memory: "<... resuming interrupted system call ...>"


VARIANTS: Mapping[str, Callable[[Sequence[Show]], Whole]] = {
    "clone": _clone,
    "futex": _futex,
    "prctl": _process_control,
    "mremap": _remap,
    "restart_syscall": _restarted,
}

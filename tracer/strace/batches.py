"""The calls of a log as numpy arrays."""

from __future__ import annotations

import errno
from collections.abc import Iterable, Iterator, Sequence
from enum import IntFlag
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from uringtrace.tracer.strace.descriptors import Descriptor, first_descriptor, result_descriptor
from uringtrace.tracer.strace.records import Call, Record, Result

UNKNOWN_NS = -1
"""In place of a time that the log does not have."""

STRACE_CALL = np.dtype(
    [
        ("line", "<u4"),  # its first and its last line in the log, from 1
        ("last_line", "<u4"),
        ("started_ns", "<i8"),  # of the clock of the log; UNKNOWN_NS where not printed, as the next two
        ("resumed_ns", "<i8"),  # when it returned, of calls with a line of their own for that
        ("duration_ns", "<i8"),
        ("result", "<i8"),  # as the kernel returned it: -errno for an error; 0 without Mark.HAS_RESULT
        ("tid", "<u4"),  # 0: not printed
        ("fd", "<i4"),  # the first argument that is a descriptor, AT_FDCWD is -100; -1: none
        ("name", "<u4"),  # index in Tables.names
        ("file", "<u4"),  # index in Tables.files of what strace says `fd` is; 0: nothing
        ("result_file", "<u4"),  # the same of the descriptor that `result` is
        ("ending", "u1"),  # Ending
        ("marks", "u1"),  # Mark
    ]
)


class Mark(IntFlag):
    """Facts about a row."""

    HAS_RESULT = 1
    BEGUN = 2
    """Its beginning is in the log."""
    JOINED = 4
    """From several lines."""
    INJECTED = 8
    DELAYED = 16
    MIXED = 32
    KEYS = 64


_MARKS = tuple(int(mark) for mark in Mark)


class Tables:
    """The texts that rows of batches point to; grows while batches are made."""

    def __init__(self) -> None:
        self._names: dict[str, int] = {}
        self._files: dict[str, int] = {"": 0}

    @property
    def names(self) -> Sequence[str]:
        """Names of calls."""
        return tuple(self._names)

    @property
    def files(self) -> Sequence[str]:
        """What descriptors stand for, as `Descriptor.shown`; the first is empty."""
        return tuple(self._files)

    def name(self, text: str) -> int:
        return self._names.setdefault(text, len(self._names))

    def file(self, descriptor: Descriptor | None) -> int:
        if descriptor is None or not descriptor.shown:
            return 0
        return self._files.setdefault(descriptor.shown, len(self._files))


def batches(records: Iterable[Record], tables: Tables, rows: int = 65536) -> Iterator[NDArray[np.void]]:
    """The calls among the records, in their order, as arrays of `STRACE_CALL` with at most `rows` rows."""
    calls = (record for record in records if isinstance(record, Call))
    while part := [_row(call, tables) for call in islice(calls, rows)]:
        yield np.array(part, STRACE_CALL)


def _row(call: Call, tables: Tables) -> tuple[int, ...]:
    descriptor, result = first_descriptor(call), kernel_result(call.result)
    facts = (
        result is not None,
        call.begun,
        len(call.lines) > 1,
        call.result is not None and call.result.injected,
        call.result is not None and call.result.delayed,
        call.mixed,
        call.keys,
    )
    return (
        call.lines[0],
        call.lines[-1],
        _or_unknown(call.started_ns),
        _or_unknown(call.resumed_ns),
        _or_unknown(call.duration_ns),
        result or 0,
        call.tid or 0,
        -1 if descriptor is None else descriptor.number,
        tables.name(call.name),
        tables.file(descriptor),
        tables.file(result_descriptor(call)),
        call.ending,
        sum(mark for fact, mark in zip(facts, _MARKS, strict=True) if fact),
    )


def _or_unknown(time_ns: int | None) -> int:
    # A number that fits no time is not one: a program's text in the log may look like it.
    return UNKNOWN_NS if time_ns is None or time_ns >= 1 << 63 else time_ns


_KERNEL_ERRORS = {
    "ERESTARTSYS": 512,
    "ERESTARTNOINTR": 513,
    "ERESTARTNOHAND": 514,
    "ERESTART_RESTARTBLOCK": 516,
}
"""What no program sees (include/linux/errno.h)."""


def kernel_result(result: Result | None) -> int | None:
    """What the kernel returned, as `OPERATION.result`; None where the log does not say it."""
    if result is None:
        return None
    if result.error is not None:
        number = _KERNEL_ERRORS.get(result.error) or getattr(errno, result.error, None)
        if number is None and result.error.startswith("ERRNO_"):
            number = int(result.error.removeprefix("ERRNO_"))
        return None if number is None else -number
    if result.value is None:
        return None
    value = result.value & (1 << 64) - 1
    return value - (1 << 64) if value >> 63 else value

"""Filters on records: one boolean per row, by operations on whole columns.

Each term has rows it speaks of (a descriptor filter speaks of no TIMEOUT) and
among those the rows for which it holds. `fd!=3` is: has a descriptor, another one;
`not fd=3` is every other row.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from uringtrace.tracer.filter.files import (
    FileTest,
    GivenAddressTest,
    Mask,
    address_test,
    name_test,
    rows_given,
)
from uringtrace.tracer.filter.operations import opcodes
from uringtrace.tracer.filter.shapes import shapes_of
from uringtrace.tracer.filter.syntax import (
    AddressIs,
    And,
    Compare,
    DescriptorIs,
    Differs,
    ErrorIs,
    Expression,
    FileIs,
    InterfaceIs,
    ListTerm,
    Not,
    OperationIs,
    Or,
    PathIs,
    RowIs,
    WakeIs,
)
from uringtrace.tracer.filter.words import PATHS, WAKES
from uringtrace.tracer.record import (
    CQE_F_NOTIF,
    OPCODES,
    Batch,
    Kind,
    Path,
    Wake,
    duration_ns,
    is_call,
)
from uringtrace.tracer.records import Records
from uringtrace.tracer.source import File
from uringtrace.tracer.statistics import multishot, operation_traits

MAX_ERRNO = 4095
"""Results down to minus this are errors, include/linux/err.h; a call's may be other negative numbers."""


def evaluate(
    expression: Expression,
    records: Records,
    operation_names: Mapping[int, str],
    files: Mapping[int, File],
) -> Mask:
    """The rows for which `expression` holds, shape (n,), bool. For one drain; see `Condition`."""
    return Condition(expression, operation_names).holds(records, files)


class Condition:
    """An expression for the records of one source; keeps what it found out of names and files."""

    def __init__(self, expression: Expression, operation_names: Mapping[int, str]) -> None:
        self._expression = expression
        self._names = operation_names
        self._traits = operation_traits(operation_names)
        self._shapes = shapes_of(operation_names)
        self._opcodes: dict[OperationIs, Mask] = {}
        self._file_tests: dict[FileIs | AddressIs, FileTest] = {}
        self._given_tests: dict[AddressIs, GivenAddressTest] = {}

    @property
    def expression(self) -> Expression:
        return self._expression

    def holds(self, records: Records, files: Mapping[int, File]) -> Mask:
        """The rows for which the expression holds, shape (n,), bool; `files` are the source's of now."""
        return self._holds(self._expression, records, files)

    def _holds(self, expression: Expression, records: Records, files: Mapping[int, File]) -> Mask:
        match expression:
            case And(operands):
                return reduce(np.logical_and, (self._holds(each, records, files) for each in operands))
            case Or(operands):
                return reduce(np.logical_or, (self._holds(each, records, files) for each in operands))
            case Not(operand):
                return ~self._holds(operand, records, files)
            case Differs(term):
                known, holds = self._term(term, records, files)
                return known & ~holds
            case RowIs(name):
                return self._property(name, records.operations)
            case _:
                known, holds = self._term(expression, records, files)
                return known & holds

    def _term(self, term: ListTerm, records: Records, files: Mapping[int, File]) -> tuple[Mask, Mask]:
        """The rows the term speaks of, and the rows that are as it says."""
        batch = records.operations
        match term:
            case OperationIs():
                return _is_operation(batch), self._table_of(term)[batch["opcode"]]
            case InterfaceIs(interfaces):
                calls = is_call(batch)
                chosen = {True: "syscall" in interfaces, False: "io_uring" in interfaces}
                return np.ones(batch.shape, bool), np.where(calls, chosen[True], chosen[False])
            case DescriptorIs(descriptors):
                on = (self._shapes.on_descriptor(batch, each.number, each.direct) for each in descriptors)
                return self._shapes.with_descriptor(batch), reduce(np.logical_or, on)
            case FileIs(names):
                known, holds = self._file_test(term).rows(batch, files)
                given, named = rows_given(records, self._shapes.path_memory(records), names)
                return known | given, holds | named
            case AddressIs():
                known, holds = self._file_test(term).rows(batch, files)
                pieces = self._shapes.address_memory(records, term.word)
                given, given_holds = self._given_test(term).rows(records, pieces)
                return known | given, holds | given_holds
            case PathIs(paths):
                known = _is_operation(batch) & ~is_call(batch)
                return known, reduce(np.logical_or, (_on_path(path, batch) for path in paths))
            case WakeIs(wakes):
                wake = batch["wake"]
                return wake != Wake.NONE, _any_of(wake, tuple(int(WAKES[name]) for name in wakes))
            case ErrorIs(numbers):
                return _failed(batch), _any_of(batch["result"], tuple(-number for number in numbers))
            case Compare(name, operator, values):
                known, column = _number(name, batch)
                return known, _compare(column, operator, values)

    def _table_of(self, term: OperationIs) -> Mask:
        table = self._opcodes.get(term)
        if table is None:
            table = self._opcodes[term] = _table(opcodes(term.operations, self._names))
        return table

    def _file_test(self, term: FileIs | AddressIs) -> FileTest:
        test = self._file_tests.get(term)
        if test is None:
            made = name_test(term) if isinstance(term, FileIs) else address_test(term)
            test = self._file_tests[term] = made
        return test

    def _given_test(self, term: AddressIs) -> GivenAddressTest:
        test = self._given_tests.get(term)
        if test is None:
            test = self._given_tests[term] = GivenAddressTest(term)
        return test

    def _property(self, name: str, batch: Batch) -> Mask:
        kind = batch["kind"]
        mask: Mask
        match name:
            case "error":
                mask = _failed(batch)
            case "slept":
                mask = batch["slept"].copy()
            case "multishot":
                mask = multishot(batch, self._traits)
            case "notification":
                mask = (kind == Kind.COMPLETION) & (batch["cqe_flags"] & CQE_F_NOTIF != 0)
            case "linked":
                mask = batch["chain"] != 0
            case _:
                mask = kind == Kind[name.upper()]
        return mask


def _table(chosen: list[int]) -> Mask:
    """Which opcodes are among the chosen, shape (OPCODES,)."""
    table = np.zeros(OPCODES, bool)
    table[chosen] = True
    return table


def has_result(batch: Batch) -> Mask:
    """Rows whose `result` is one: not SILENT, UNFINISHED or a zero-copy notification."""
    kind = batch["kind"]
    posted = (kind != Kind.SILENT) & (kind != Kind.UNFINISHED)
    mask: Mask = posted & (batch["cqe_flags"] & CQE_F_NOTIF == 0)
    return mask


def _failed(batch: Batch) -> Mask:
    result = batch["result"]
    mask: Mask = has_result(batch) & (result < 0) & (result >= -MAX_ERRNO)
    return mask


def _is_operation(batch: Batch) -> Mask:
    kind = batch["kind"]
    mask: Mask = (kind != Kind.UNTRACKED) & (kind != Kind.MESSAGE)
    return mask


def _any_of(column: NDArray[np.generic], values: tuple[int, ...]) -> Mask:
    mask = np.zeros(column.shape, bool)
    for value in values:
        mask |= column == value
    return mask


def _on_path(name: str, batch: Batch) -> Mask:
    path = batch["path"]
    if name == "inline":
        unmoved: Mask = (batch["kind"] == Kind.COMPLETION) & (path & (Path.POLL | Path.IO_WQ) == 0)
        return unmoved
    mask: Mask = path & PATHS[name] != 0
    return mask


_ABSENT_WHERE_ZERO = {"pid": "tgid", "tid": "tid", "waker": "waker", "woke": "woke"}
"""Numbers that no row really has as 0, and their columns."""


def _number(name: str, batch: Batch) -> tuple[Mask, NDArray[np.generic]]:
    """Where the number is known, and its column."""
    if name == "latency":
        duration, known = duration_ns(batch)
        return known, duration
    if name == "result":
        return has_result(batch), batch["result"]
    if name in _ABSENT_WHERE_ZERO:
        column = batch[_ABSENT_WHERE_ZERO[name]]
        return column != 0, column
    return ~is_call(batch), batch[name]


def _compare(column: NDArray[np.generic], operator: str, values: tuple[int, ...]) -> Mask:
    if operator == "=":
        return _any_of(column, values)
    comparison = {"<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal}[operator]
    mask: Mask = comparison(column, values[0])
    return mask

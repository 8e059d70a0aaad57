"""Filters on batches: one boolean per row, by operations on whole columns.

Each term has rows it speaks of (a descriptor filter speaks of no TIMEOUT) and
among those the rows for which it holds. `fd!=3` is: has a descriptor, another one;
`not fd=3` is every other row.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from uringtrace.tracer.arguments import uses_descriptor
from uringtrace.tracer.filter.operations import opcodes
from uringtrace.tracer.filter.syntax import (
    And,
    Compare,
    DescriptorIs,
    Differs,
    ErrorIs,
    Expression,
    ListTerm,
    Not,
    OperationIs,
    Or,
    PathIs,
    RowIs,
)
from uringtrace.tracer.filter.words import PATHS
from uringtrace.tracer.record import (
    CQE_F_NOTIF,
    OPCODES,
    SQE_FIXED_FILE,
    Batch,
    Kind,
    Path,
    duration_ns,
)
from uringtrace.tracer.statistics import multishot, operation_traits

Mask: TypeAlias = NDArray[np.bool_]


def evaluate(expression: Expression, batch: Batch, operation_names: Mapping[int, str]) -> Mask:
    """The rows for which `expression` holds, shape (n,), bool."""
    match expression:
        case And(operands):
            return reduce(np.logical_and, (evaluate(operand, batch, operation_names) for operand in operands))
        case Or(operands):
            return reduce(np.logical_or, (evaluate(operand, batch, operation_names) for operand in operands))
        case Not(operand):
            return ~evaluate(operand, batch, operation_names)
        case Differs(term):
            known, holds = _term(term, batch, operation_names)
            return known & ~holds
        case RowIs(name):
            return _property(name, batch, operation_names)
        case _:
            known, holds = _term(expression, batch, operation_names)
            return known & holds


def has_result(batch: Batch) -> Mask:
    """Rows whose `result` is one: not SILENT, UNFINISHED or a zero-copy notification."""
    kind = batch["kind"]
    posted = (kind != Kind.SILENT) & (kind != Kind.UNFINISHED)
    mask: Mask = posted & (batch["cqe_flags"] & CQE_F_NOTIF == 0)
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


def _by_opcode(chosen: list[int], batch: Batch) -> Mask:
    table = np.zeros(OPCODES, bool)
    table[chosen] = True
    mask: Mask = table[batch["opcode"]]
    return mask


def _term(term: ListTerm, batch: Batch, operation_names: Mapping[int, str]) -> tuple[Mask, Mask]:
    """The rows the term speaks of, and the rows that are as it says."""
    match term:
        case OperationIs(names):
            return _is_operation(batch), _by_opcode(opcodes(names, operation_names), batch)
        case DescriptorIs(descriptors):
            without = [code for code, name in operation_names.items() if not uses_descriptor(name)]
            known = _is_operation(batch) & ~_by_opcode(without, batch)
            direct = batch["sqe_flags"] & SQE_FIXED_FILE != 0
            holds = np.zeros(batch.shape, bool)
            for descriptor in descriptors:
                holds |= (batch["fd"] == descriptor.number) & (direct == descriptor.direct)
            return known, holds
        case PathIs(paths):
            return _is_operation(batch), reduce(np.logical_or, (_on_path(path, batch) for path in paths))
        case ErrorIs(numbers):
            result = batch["result"]
            return has_result(batch) & (result < 0), _any_of(result, tuple(-number for number in numbers))
        case Compare(name, operator, values):
            known, column = _number(name, batch)
            return known, _compare(column, operator, values)


def _on_path(name: str, batch: Batch) -> Mask:
    path = batch["path"]
    if name == "inline":
        unmoved: Mask = (batch["kind"] == Kind.COMPLETION) & (path & (Path.POLL | Path.IO_WQ) == 0)
        return unmoved
    mask: Mask = path & PATHS[name] != 0
    return mask


def _number(name: str, batch: Batch) -> tuple[Mask, NDArray[np.generic]]:
    """Where the number is known, and its column."""
    if name == "latency":
        duration, known = duration_ns(batch)
        return known, duration
    if name == "result":
        return has_result(batch), batch["result"]
    if name in ("pid", "tid"):
        column = batch["tgid" if name == "pid" else "tid"]
        return column != 0, column
    return np.ones(batch.shape, bool), batch[name]


def _compare(column: NDArray[np.generic], operator: str, values: tuple[int, ...]) -> Mask:
    if operator == "=":
        return _any_of(column, values)
    comparison = {"<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal}[operator]
    mask: Mask = comparison(column, values[0])
    return mask


def _property(name: str, batch: Batch, operation_names: Mapping[int, str]) -> Mask:
    kind = batch["kind"]
    mask: Mask
    match name:
        case "error":
            mask = has_result(batch) & (batch["result"] < 0)
        case "multishot":
            mask = multishot(batch, operation_traits(operation_names))
        case "notification":
            mask = (kind == Kind.COMPLETION) & (batch["cqe_flags"] & CQE_F_NOTIF != 0)
        case "linked":
            mask = batch["chain"] != 0
        case _:
            mask = kind == Kind[name.upper()]
    return mask

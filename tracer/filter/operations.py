"""The words in a list of operations: reading them, and finding them among a source's operations."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import replace
from fnmatch import fnmatchcase

from uringtrace.errors import FilterError
from uringtrace.tracer.filter.syntax import (
    And,
    CallClass,
    CallExpression,
    Differs,
    EveryOperation,
    Expression,
    Not,
    OperationIs,
    OperationName,
    Operations,
    Or,
)
from uringtrace.tracer.filter.values import did_you_mean
from uringtrace.tracer.filter.words import INTERFACES, WORDS
from uringtrace.tracer.filter.wrong_value import WrongValue
from uringtrace.tracer.record import FIRST_CALL
from uringtrace.tracer.syscalls.classes import CLASSES

_SETS = ("all", "none", *INTERFACES)
_PREFIX = "IORING_OP_"
_LONGEST_EXPRESSION = 100
"""Of characters: what nests deeper than that would exhaust the stack."""


def read_operations(text: str, place: OperationName) -> tuple[Operations, ...]:
    """What one word of a list stands for; empty for `none`. Raises `WrongValue`.

    `place` says where the word stands, for the error of `check_operations`.
    """
    word = text.lower()
    if word == "none":
        return ()
    if word == "all":
        return (EveryOperation(None),)
    if word in INTERFACES:
        return (EveryOperation(word),)
    if text.startswith("%"):
        return (_class(text),)
    if text.startswith("/"):
        return (_regular_expression(text),)
    name = text.removeprefix("?").upper()
    return (
        replace(
            place,
            text=name.removeprefix(_PREFIX),
            io_uring_only=name.startswith(_PREFIX),
            optional=text.startswith("?"),
        ),
    )


def _class(text: str) -> CallClass:
    name = text[1:].lower()
    if name not in CLASSES:
        classes = [f"%{known}" for known in CLASSES]
        way_out = did_you_mean(text.lower(), classes) or f"classes: {', '.join(classes)}"
        raise WrongValue(f"unknown class {text!r}", way_out)
    return CallClass(name)


def _regular_expression(text: str) -> CallExpression:
    try:
        if len(text) > _LONGEST_EXPRESSION:
            raise OverflowError("too long")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what may change its meaning in a later Python
            return CallExpression(re.compile(text[1:]))
    except (re.error, OverflowError) as error:
        raise WrongValue(f"{text!r} is no regular expression: {error}", "for example: trace=/^recv") from None


def check_operations(expression: Expression, operation_names: Mapping[int, str]) -> None:
    """Raise `FilterError` for the first name, or pattern, that no operation has."""
    for name in _names(expression):
        if name.optional or any(_is_called(name, *each) for each in operation_names.items()):
            continue
        written = name.expression[name.position : name.position + name.length]
        known = _known(operation_names, written)
        near = did_you_mean(written, [*WORDS, *known] if name.bare else known)
        raise FilterError(
            f"the kernel has no operation {written!r}",
            name.position,
            name.length,
            near or "for example: op=READ,openat, a pattern: op=SEND*, a class: op=%network",
            expression=name.expression,
        )


def opcodes(operations: tuple[Operations, ...], operation_names: Mapping[int, str]) -> list[int]:
    """The opcodes that any of the words stands for."""
    return [
        opcode
        for opcode, name in operation_names.items()
        if any(_means(each, opcode, name) for each in operations)
    ]


def _means(operations: Operations, opcode: int, name: str) -> bool:
    match operations:
        case OperationName():
            return _is_called(operations, opcode, name)
        case CallClass(of):
            return opcode >= FIRST_CALL and name in CLASSES[of]
        case CallExpression(expression):
            return opcode >= FIRST_CALL and expression.search(name) is not None
        case EveryOperation(interface):
            return interface in (None, "syscall" if opcode >= FIRST_CALL else "io_uring")


def _is_called(wanted: OperationName, opcode: int, name: str) -> bool:
    if wanted.io_uring_only and opcode >= FIRST_CALL:
        return False
    return fnmatchcase(name.upper(), wanted.text)


def _known(operation_names: Mapping[int, str], written: str) -> list[str]:
    """What may have been meant, in capitals where those were written."""
    capitals = written != written.lower()
    names = dict.fromkeys(name.upper() if capitals else name.lower() for name in operation_names.values())
    return [*names, *_SETS, *(f"%{name}" for name in CLASSES)]


def _names(expression: Expression) -> Iterator[OperationName]:
    match expression:
        case OperationIs(operations):
            yield from (each for each in operations if isinstance(each, OperationName))
        case And(operands) | Or(operands):
            for operand in operands:
                yield from _names(operand)
        case Not(operand) | Differs(operand):
            yield from _names(operand)
        case _:
            pass

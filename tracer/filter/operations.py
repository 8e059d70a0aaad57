"""Operation names of a filter against those of the source's kernel."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from fnmatch import fnmatchcase

from uringtrace.errors import FilterError
from uringtrace.tracer.filter.parser import did_you_mean
from uringtrace.tracer.filter.syntax import And, Differs, Expression, Not, OperationIs, OperationName, Or
from uringtrace.tracer.filter.words import WORDS


def check_operations(expression: Expression, operation_names: Mapping[int, str]) -> None:
    """Raise `FilterError` for the first name, or pattern, that no operation has."""
    known = tuple(operation_names.values())
    for name in _names(expression):
        if any(fnmatchcase(operation, name.text) for operation in known):
            continue
        near = did_you_mean(name.text, known)
        written = name.expression[name.position : name.position + name.length]
        if name.bare:
            near = did_you_mean(written, WORDS) or near
        raise FilterError(
            f"the kernel has no operation {written!r}",
            name.position,
            name.length,
            near or f"its operations: {', '.join(known)}",
            expression=name.expression,
        )


def opcodes(names: Collection[OperationName], operation_names: Mapping[int, str]) -> list[int]:
    """The opcodes that any of the names stands for."""
    return [
        opcode
        for opcode, operation in operation_names.items()
        if any(fnmatchcase(operation, name.text) for name in names)
    ]


def _names(expression: Expression) -> Iterator[OperationName]:
    match expression:
        case OperationIs(names):
            yield from names
        case And(operands) | Or(operands):
            for operand in operands:
                yield from _names(operand)
        case Not(operand) | Differs(operand):
            yield from _names(operand)
        case _:
            pass

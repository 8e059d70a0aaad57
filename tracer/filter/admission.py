"""Whether a filter leaves anything of an operation, judged by its name and interface alone.

For totals, which cannot be filtered row by row. A word that speaks of something else may hold
or not: an operation is kept unless the words for operations and interfaces alone make the
whole filter false (Kleene's three values).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from uringtrace.tracer.filter.operations import opcodes
from uringtrace.tracer.filter.syntax import (
    And,
    Differs,
    Expression,
    InterfaceIs,
    Not,
    OperationIs,
    Or,
)
from uringtrace.tracer.record import FIRST_CALL


def admits(expression: Expression, opcode: int, operation_names: Mapping[int, str]) -> bool:
    """Whether a row of this operation could fit."""
    return _truth(expression, opcode, operation_names) is not False


def has_other_words(expression: Expression) -> bool:
    """Whether something in it speaks of more than operations and interfaces."""
    return any(not isinstance(term, OperationIs | InterfaceIs) for term in _terms(expression))


def _truth(expression: Expression, opcode: int, names: Mapping[int, str]) -> bool | None:
    match expression:
        case And(operands):
            values = [_truth(each, opcode, names) for each in operands]
            return False if False in values else None if None in values else True
        case Or(operands):
            values = [_truth(each, opcode, names) for each in operands]
            return True if True in values else None if None in values else False
        case Not(operand) | Differs(operand):
            value = _truth(operand, opcode, names)
            return None if value is None else not value
        case OperationIs(operations):
            return opcode in opcodes(operations, {opcode: names.get(opcode, "")})
        case InterfaceIs(interfaces):
            return ("syscall" if opcode >= FIRST_CALL else "io_uring") in interfaces
        case _:
            return None


def _terms(expression: Expression) -> Iterator[object]:
    match expression:
        case And(operands) | Or(operands):
            for each in operands:
                yield from _terms(each)
        case Not(operand) | Differs(operand):
            yield from _terms(operand)
        case _:
            yield expression

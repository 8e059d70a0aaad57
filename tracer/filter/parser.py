"""The grammar of the filter language, by recursive descent.

    expression = conjunction { "or" conjunction }
    conjunction = factor { "and" factor }
    factor = ("not" | "!") factor | "(" expression ")" | term
    term = word [ operator [ "!" ] value { "," value } ]

Raises `FilterError` that marks the wrong word.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from uringtrace.errors import FilterError
from uringtrace.tracer.filter.addresses import address_pattern
from uringtrace.tracer.filter.lexer import Token, tokens
from uringtrace.tracer.filter.operations import read_operations
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
    OperationName,
    Operations,
    Or,
    PathIs,
    RowIs,
    WakeIs,
)
from uringtrace.tracer.filter.values import (
    descriptor,
    did_you_mean,
    error_number,
    interface,
    number,
    path,
    wake,
)
from uringtrace.tracer.filter.words import (
    CONNECTIVES,
    EXAMPLES,
    LIST_WORDS,
    NUMBERS,
    OPERATION_WORDS,
    PROPERTIES,
    SPELLING_HINTS,
    STRACE_HINTS,
    WORDS,
)
from uringtrace.tracer.filter.wrong_value import WrongValue
from uringtrace.tracer.syscalls.classes import CLASSES

Value = TypeVar("Value")

_DEPTH = 100
"""Nesting beyond this is refused, so that no text exhausts the stack."""


def parse(expression: str) -> Expression:
    """The syntax tree of one expression; operation names are not checked yet."""
    return _Parser(expression).whole()


def parse_all(expressions: Sequence[str], *more: Expression) -> Expression | None:
    """Several expressions at once: all must hold. None when there are none."""
    parsed = (*map(parse, expressions), *more)
    if len(parsed) > 1:
        return And(parsed)
    return parsed[0] if parsed else None


class _Parser:
    """One pass over the tokens of one expression."""

    def __init__(self, expression: str) -> None:
        self._expression = expression
        self._tokens = tokens(expression)
        self._next = 0
        self._depth = 0

    @property
    def _token(self) -> Token:
        return self._tokens[self._next]

    def _take(self) -> Token:
        token = self._token
        self._next += 1
        return token

    def _take_if(self, text: str) -> bool:
        if self._token.text != text:
            return False
        self._next += 1
        return True

    def _error(self, message: str, token: Token, way_out: str = "") -> FilterError:
        length = max(token.length, 1)
        return FilterError(message, token.position, length, way_out, expression=self._expression)

    def whole(self) -> Expression:
        if not self._token.text:
            raise self._error("the filter is empty", self._token, "for example: op=READ and latency>1ms")
        expression = self._disjunction()
        token = self._token
        if not token.text:
            return expression
        if token.text == ")":
            raise self._error("this ) closes nothing", token)
        hint = SPELLING_HINTS.get(token.text, "")
        raise self._error(f"expected and, or, or the end, not {token.text!r}", token, hint)

    def _disjunction(self) -> Expression:
        operands = [self._conjunction()]
        while self._take_if("or"):
            operands.append(self._conjunction())
        return operands[0] if len(operands) == 1 else Or(tuple(operands))

    def _conjunction(self) -> Expression:
        operands = [self._factor()]
        while self._take_if("and"):
            operands.append(self._factor())
        return operands[0] if len(operands) == 1 else And(tuple(operands))

    def _factor(self) -> Expression:
        self._depth += 1
        if self._depth > _DEPTH:
            raise self._error("the filter is nested too deeply", self._token)
        try:
            if self._take_if("not") or self._take_if("!"):
                return Not(self._factor())
            opening = self._token
            if self._take_if("("):
                inner = self._disjunction()
                if not self._take_if(")"):
                    raise self._error("this ( is never closed", opening)
                return inner
            return self._term()
        finally:
            self._depth -= 1

    def _term(self) -> Expression:
        word = self._token
        if not word.is_word or word.text in CONNECTIVES:
            what = repr(word.text) if word.text else "the end"
            raise self._error(f"expected a condition, not {what}", word, "for example: fd=3")
        self._next += 1
        operator = self._token
        if operator.is_operator:
            self._next += 1
            return self._comparison(word, operator)
        if word.text in PROPERTIES and operator.text != ",":
            return RowIs(word.text)
        if word.text in WORDS:
            way_out = f"for example: {_example(word.text)}"
            if word.text in CLASSES:
                way_out += f"; strace's class is %{word.text}"
            raise self._error(f"{word.text} needs a value", word, way_out)
        if word.text in SPELLING_HINTS:
            raise self._error(f"unknown word {word.text!r}", word, SPELLING_HINTS[word.text])
        self._next -= 1
        return OperationIs(self._operations(self._values(), bare=True))

    def _comparison(self, word: Token, operator: Token) -> Expression:
        if word.text in STRACE_HINTS:
            message = f"strace's {word.text}= does not apply here"
            raise self._error(message, word, STRACE_HINTS[word.text])
        if word.text not in (*LIST_WORDS, *NUMBERS):
            if word.text in PROPERTIES:
                raise self._error(
                    f"{word.text} stands alone, without a value", operator, f"write {word.text}"
                )
            way_out = did_you_mean(word.text, WORDS) or f"known words: {', '.join(WORDS)}"
            raise self._error(f"unknown word {word.text!r}", word, way_out)
        if word.text in LIST_WORDS and operator.text not in ("=", "!="):
            raise self._error(f"{word.text} takes = or !=", operator, f"write {_example(word.text)}")
        differs = operator.text == "!="
        if operator.text == "=" and self._take_if("!"):
            differs = True
        values = self._values()
        if operator.text not in ("=", "!=") and len(values) > 1:
            raise self._error(f"{operator.text} takes one value", values[1])
        term = self._list_term(word, "=" if differs else operator.text, values)
        return Differs(term) if differs else term

    def _values(self) -> list[Token]:
        values = []
        while True:
            value = self._take()
            if not value.is_word or value.text in CONNECTIVES:
                what = repr(value.text) if value.text else "the end"
                raise self._error(f"expected a value, not {what}", value)
            values.append(value)
            if not self._take_if(","):
                return values

    def _list_term(self, word: Token, operator: str, values: list[Token]) -> ListTerm:
        if word.text in OPERATION_WORDS:
            return OperationIs(self._operations(values, bare=False))
        match word.text:
            case "interface":
                return InterfaceIs(self._read(values, interface))
            case "fd":
                return DescriptorIs(self._read(values, descriptor))
            case "file":
                return FileIs(tuple(value.text for value in values))
            case "peer" | "local":
                return AddressIs(word.text, self._read(values, address_pattern))
            case "path":
                return PathIs(self._read(values, path))
            case "wake":
                return WakeIs(self._read(values, wake))
            case "error":
                return ErrorIs(self._read(values, error_number))
        return Compare(word.text, operator, self._read(values, partial(number, word.text)))

    def _operations(self, values: list[Token], *, bare: bool) -> tuple[Operations, ...]:
        def read(token: Token) -> tuple[Operations, ...]:
            place = OperationName("", self._expression, token.position, token.length, bare)
            return self._marked(token, lambda text: read_operations(text, place))

        return tuple(operations for token in values for operations in read(token))

    def _read(self, values: list[Token], reader: Callable[[str], Value]) -> tuple[Value, ...]:
        return tuple(self._marked(value, reader) for value in values)

    def _marked(self, token: Token, reader: Callable[[str], Value]) -> Value:
        """What `reader` makes of the token, or its complaint at the token's place."""
        try:
            return reader(token.text)
        except WrongValue as wrong:
            raise self._error(wrong.message, token, wrong.way_out) from None


def _example(word: str) -> str:
    return f"{word}={EXAMPLES.get(word, '1')}"

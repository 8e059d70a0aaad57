"""The grammar of the filter language, by recursive descent.

    expression = conjunction { "or" conjunction }
    conjunction = factor { "and" factor }
    factor = ("not" | "!") factor | "(" expression ")" | term
    term = word [ operator [ "!" ] value { "," value } ]

Raises `FilterError` that marks the wrong word.
"""

from __future__ import annotations

import errno
from collections.abc import Sequence
from difflib import get_close_matches

from uringtrace.errors import FilterError
from uringtrace.tracer.filter.lexer import Token, tokens
from uringtrace.tracer.filter.syntax import (
    And,
    Compare,
    Descriptor,
    DescriptorIs,
    Differs,
    ErrorIs,
    Expression,
    ListTerm,
    Not,
    OperationIs,
    OperationName,
    Or,
    PathIs,
    RowIs,
)
from uringtrace.tracer.filter.words import (
    CONNECTIVES,
    LATENCY_UNITS,
    LIST_WORDS,
    NUMBERS,
    OPERATION_WORDS,
    PATHS,
    PROPERTIES,
    SPELLING_HINTS,
    STRACE_HINTS,
    WORDS,
)

_DEPTH = 100
"""Nesting beyond this is refused, so that no text exhausts the stack."""

_DIGITS = 40
"""More than any duration needs, and fewer than int() refuses to read."""


def parse(expression: str) -> Expression:
    """The syntax tree of one expression; operation names are not checked yet."""
    return _Parser(expression).whole()


def parse_all(expressions: Sequence[str]) -> Expression | None:
    """Several expressions at once: all must hold. None when there are none."""
    parsed = tuple(parse(expression) for expression in expressions)
    if len(parsed) > 1:
        return And(parsed)
    return parsed[0] if parsed else None


def did_you_mean(word: str, known: Sequence[str]) -> str:
    """A sentence with the nearest known words, or an empty one."""
    near = get_close_matches(word, known, n=2, cutoff=0.6)
    return f"did you mean {' or '.join(near)}?" if near else ""


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
            raise self._error(
                f"{word.text} needs a value", word, f"for example: {word.text}={_example(word.text)}"
            )
        if word.text in SPELLING_HINTS:
            raise self._error(f"unknown word {word.text!r}", word, SPELLING_HINTS[word.text])
        self._next -= 1
        return OperationIs(tuple(self._operation(value, bare=True) for value in self._values()))

    def _comparison(self, word: Token, operator: Token) -> Expression:
        if word.text in STRACE_HINTS:
            message = f"strace's {word.text}= does not apply to io_uring operations"
            raise self._error(message, word, STRACE_HINTS[word.text])
        if word.text not in (*LIST_WORDS, *NUMBERS):
            if word.text in PROPERTIES:
                raise self._error(
                    f"{word.text} stands alone, without a value", operator, f"write {word.text}"
                )
            way_out = did_you_mean(word.text, WORDS) or f"known words: {', '.join(WORDS)}"
            raise self._error(f"unknown word {word.text!r}", word, way_out)
        if word.text in LIST_WORDS and operator.text not in ("=", "!="):
            raise self._error(
                f"{word.text} takes = or !=", operator, f"write {word.text}={_example(word.text)}"
            )
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
            return OperationIs(tuple(self._operation(value, bare=False) for value in values))
        if word.text == "fd":
            return DescriptorIs(tuple(self._descriptor(value) for value in values))
        if word.text == "path":
            return PathIs(tuple(self._path(value) for value in values))
        if word.text == "error":
            return ErrorIs(tuple(self._error_number(value) for value in values))
        numbers = tuple(self._number(word.text, value) for value in values)
        return Compare(word.text, operator, numbers)

    def _operation(self, value: Token, *, bare: bool) -> OperationName:
        if value.text.startswith(("%", "/", "@")):
            raise self._error(
                f"strace's {value.text[0]} classes are not known here",
                value,
                "write op=SEND,RECV or a pattern: op=SEND*",
            )
        name = value.text.upper().removeprefix("IORING_OP_")
        return OperationName(name, self._expression, value.position, value.length, bare)

    def _descriptor(self, value: Token) -> Descriptor:
        number = value.text.removeprefix("fixed:")
        direct = number != value.text
        if not (number.isdecimal() and number.isascii() and len(number) <= 10 and int(number) < 2**31):
            raise self._error(f"{value.text!r} is not a descriptor", value, "write fd=3 or fd=fixed:3")
        return Descriptor(int(number), direct)

    def _path(self, value: Token) -> str:
        name = value.text.replace("_", "-")
        if name not in PATHS:
            way_out = did_you_mean(name, tuple(PATHS)) or f"paths: {', '.join(PATHS)}"
            raise self._error(f"unknown path {value.text!r}", value, way_out)
        return name

    def _error_number(self, value: Token) -> int:
        number = _ERRORS.get(value.text.upper())
        if number is None:
            way_out = did_you_mean(value.text.upper(), tuple(_ERRORS)) or "for example: error=EAGAIN"
            raise self._error(f"unknown error {value.text!r}", value, way_out)
        return number

    def _number(self, word: str, value: Token) -> int:
        if word == "latency":
            return self._latency(value)
        if word == "result" and value.text.upper() in _ERRORS:
            return -_ERRORS[value.text.upper()]
        try:
            number = int(value.text, 0)
        except ValueError:
            raise self._error(f"{value.text!r} is not a number", value, f"for example: {word}=1") from None
        lowest, highest = NUMBERS[word]
        if not lowest <= number <= highest:
            raise self._error(
                f"{word} is never {value.text}", value, f"it lies between {lowest} and {highest}"
            )
        return number

    def _latency(self, value: Token) -> int:
        digits = value.text.rstrip("nuµms")
        unit = value.text[len(digits) :]
        try:
            if len(digits) > _DIGITS or not digits.isascii() or not digits.replace(".", "", 1).isdecimal():
                raise ValueError(digits)
            scale = LATENCY_UNITS[unit]
        except (ValueError, KeyError):
            message = f"{value.text!r} is not a duration"
            raise self._error(
                message, value, f"a number and one of {', '.join(LATENCY_UNITS)}: 1.5ms"
            ) from None
        whole, _, fraction = digits.partition(".")
        # On integers, since 0.1ms must not become 99999 ns.
        nanoseconds = int(whole or "0") * scale + int(fraction or "0") * scale // int(
            "1" + "0" * len(fraction)
        )
        if nanoseconds > NUMBERS["latency"][1]:
            raise self._error("no latency is that long", value)
        return nanoseconds


_ERRORS = {name: number for number, name in errno.errorcode.items()} | {"EWOULDBLOCK": errno.EWOULDBLOCK}


def _example(word: str) -> str:
    examples = {"path": "io-wq", "latency": "1ms", "user_data": "0x2a", "fd": "3"}
    return "READ" if word in OPERATION_WORDS else examples.get(word, "1")

"""From the text of a filter to tokens that know where they stand."""

from __future__ import annotations

import re
from dataclasses import dataclass

OPERATORS = ("=", "!=", "<", "<=", ">", ">=")

_TOKEN = re.compile(r"\s+|(?P<mark><=|>=|!=|==|[=<>!(),])|(?P<word>[^\s=<>!(),]+)")


@dataclass(frozen=True, slots=True)
class Token:
    """A word, an operator or a mark; the end has empty text."""

    text: str
    position: int
    is_word: bool

    @property
    def length(self) -> int:
        return len(self.text)

    @property
    def is_operator(self) -> bool:
        return self.text in OPERATORS and not self.is_word


def tokens(expression: str) -> list[Token]:
    """All tokens in order, the last one being the end; every text has some."""
    found = [
        Token("=" if match.group() == "==" else match.group(), match.start(), match.lastgroup == "word")
        for match in _TOKEN.finditer(expression)
        if match.lastgroup
    ]
    return [*found, Token("", len(expression.rstrip()), False)]

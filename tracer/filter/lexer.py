"""From the text of a filter to tokens that know where they stand."""

from __future__ import annotations

import re
from dataclasses import dataclass

OPERATORS = ("=", "!=", "<", "<=", ">", ">=")

_TOKEN = re.compile(r"\s+|(?P<mark><=|>=|!=|==|[=<>!(),])|(?P<rooted>/)|(?P<word>[^\s=<>!(),]+)")
_ROOTED = re.compile(r"[^\s,()]+|[()]")


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
    found = []
    position = 0
    while match := _TOKEN.match(expression, position):
        position = match.end()
        if match.lastgroup == "rooted":
            position = _rooted_end(expression, match.start())
            found.append(Token(expression[match.start() : position], match.start(), True))
        elif match.lastgroup:
            text = "=" if match.group() == "==" else match.group()
            found.append(Token(text, match.start(), match.lastgroup == "word"))
    return [*found, Token("", len(expression.rstrip()), False)]


def _rooted_end(expression: str, start: int) -> int:
    """Where a word that begins with / ends: a path, or a regular expression as strace has it.

    Marks are part of it, save a comma and a parenthesis that was opened before it.
    """
    depth, position = 0, start
    while match := _ROOTED.match(expression, position):
        depth += {"(": 1, ")": -1}.get(match.group(), 0)
        if depth < 0:
            break
        position = match.end()
    return position

"""Where the arguments of a call are separated, and where they end.

Invariant: time is linear in the length of the text, whatever it holds.
"""

from __future__ import annotations

import re

FILE = r"""
    <(?!<)(?:
        [A-Za-z][\w-]*:\[                    # a socket or the like: ends at the first ]> outside strings
          (?:"(?:[^"\\]|\\.)*+"|[^"\]]|\](?!>))*+\]>
      | (?:[^<>\\]|\\.|<[^<>]*+>)*+>         # a path, maybe with <char 1:3>; strace escapes < and > there
    )(?:\(deleted\))?
"""
"""What strace prints behind a descriptor; for `re.VERBOSE | re.DOTALL`."""

_TOKEN = re.compile(
    rf"""
      "(?:[^"\\]|\\.)*+"?          # a string; without its end where the text is cut
    | /\*.*?(?:\*/|\Z)             # a comment
    | (?<=[\dD/]){FILE}            # behind a number, AT_FDCWD, or the comment with its name
    | \{{[^\[\](){{}}"<>/]*+\}} | \[[^\[\](){{}}"<>/]*+\] | \([^\[\](){{}}"<>/]*+\)   # nothing nested in it
    | [(){{}}\[\],]
    """,
    re.VERBOSE | re.DOTALL,
)


class CutError(ValueError):
    """The text ends before the arguments do."""


def split_arguments(text: str, start: int) -> tuple[tuple[str, ...], int]:
    """The arguments from `start`, just behind the opening parenthesis, and where the closing one ends.

    Commas in strings, comments, brackets and what descriptors stand for do not separate.
    Raises `CutError`.
    """
    arguments: list[str] = []
    depth, begin = 0, start
    for token in _TOKEN.finditer(text, start):
        position = token.start()
        character = text[position]
        if character == ",":
            if depth == 0:
                arguments.append(text[begin:position].strip())
                begin = position + 1
        elif character in "([{":
            if token.end() == position + 1:
                depth += 1
        elif character == ")" and depth == 0:
            last = text[begin:position].strip()
            if last:
                # `f()` has none, and a call that did not return may end in a comma.
                arguments.append(last)
            return tuple(arguments), position + 1
        elif character in ")]}":
            depth -= 1
        elif character == '"' and (token.end() == position + 1 or text[token.end() - 1] != '"'):
            raise CutError("a string does not end")
    raise CutError("the arguments do not end")

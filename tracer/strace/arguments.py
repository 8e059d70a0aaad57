"""Where the arguments of a call are separated, and where they end.

Invariant: time is linear in the length of the text, whatever it holds.
"""

from __future__ import annotations

import re

FILE = r"""
    <(?!<)(?:
        (?:[A-Za-z][\w-]*|\(null\)):\[       # a socket or the like: ends at the first ]> outside strings
          (?:"(?:[^"\\]|\\.)*+"|[^"\]]|\](?!>))*+\]>
      | (?:[^<>\\]|\\.|<[^<>]*+>)*+>         # a path, maybe with <char 1:3>; strace escapes < and > there
    )(?:\(deleted\))?
"""
"""What strace prints behind a descriptor; for `re.VERBOSE | re.DOTALL`."""

_TOKEN = re.compile(
    r"""
      "(?:[^"\\]|\\.)*+"?          # a string; without its end where the text is cut
    | /\*.*?(?:\*/|\Z)             # a comment
    | (?<=[\dD/])<(?!<)            # behind a number, AT_FDCWD, or the comment with its name
    | \{[^\[\](){}"<>/]*+\} | \[[^\[\](){}"<>/]*+\] | \([^\[\](){}"<>/]*+\)   # nothing nested in it
    | [(){}\[\],]
    """,
    re.VERBOSE | re.DOTALL,
)
_FILE = re.compile(FILE, re.VERBOSE | re.DOTALL)
_OPEN_FILES = 16
"""A `<` of which the `>` is not found is text; with more than these no further one is looked for."""


class CutError(ValueError):
    """The text ends before the arguments do."""


def split_arguments(text: str, start: int) -> tuple[tuple[str, ...], int]:
    """The arguments from `start`, just behind the opening parenthesis, and where the closing one ends.

    Commas in strings, comments, brackets and what descriptors stand for do not separate.
    Raises `CutError`.
    """
    arguments: list[str] = []
    depth, begin, position, open_files = 0, start, start, 0
    while token := _TOKEN.search(text, position):
        found, position = token.span()
        character = text[found]
        if character == ",":
            if depth == 0:
                arguments.append(text[begin:found].strip())
                begin = position
        elif character in "([{":
            if position == found + 1:
                depth += 1
        elif character == ")" and depth == 0:
            last = text[begin:found].strip()
            if last:
                # `f()` has none, and a call that did not return may end in a comma.
                arguments.append(last)
            return tuple(arguments), position
        elif character in ")]}":
            depth -= 1
        elif character == "<" and open_files < _OPEN_FILES:
            if file := _FILE.match(text, found):
                position = file.end()
            else:
                open_files += 1
        elif character == '"' and (position == found + 1 or text[position - 1] != '"'):
            raise CutError("a string does not end")
    raise CutError("the arguments do not end")

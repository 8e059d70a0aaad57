"""The syntax tree of a filter: frozen, comparable, without any knowledge of batches.

Operation names stay as they were written, with their place, because only the
source knows which there are; everything else is checked and converted by the parser.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class OperationName:
    """A name or a pattern with `*`, in upper case, and where it stands."""

    text: str
    expression: str
    position: int
    length: int
    bare: bool
    """Written without `op=`, so that it may be a mistyped word as well."""


@dataclass(frozen=True, slots=True)
class Descriptor:
    """A descriptor, or an index into the registered files."""

    number: int
    direct: bool


@dataclass(frozen=True, slots=True)
class OperationIs:
    names: tuple[OperationName, ...]


@dataclass(frozen=True, slots=True)
class DescriptorIs:
    descriptors: tuple[Descriptor, ...]


@dataclass(frozen=True, slots=True)
class PathIs:
    """Any of the paths, by the words of `words.PATHS`."""

    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ErrorIs:
    """A result that is the negative of one of these error numbers."""

    numbers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class RowIs:
    """A property of the row, one of `words.PROPERTIES`."""

    name: str


@dataclass(frozen=True, slots=True)
class Compare:
    """A number of the row, one of `words.NUMBERS`, against any of the values."""

    name: str
    operator: str
    """One of = < <= > >=; only = takes several values."""
    values: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Differs:
    """The row has what the term speaks of, and the term does not hold: `fd!=3`."""

    term: OperationIs | DescriptorIs | PathIs | ErrorIs | Compare


@dataclass(frozen=True, slots=True)
class Not:
    operand: Expression


@dataclass(frozen=True, slots=True)
class And:
    operands: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Or:
    operands: tuple[Expression, ...]


ListTerm: TypeAlias = OperationIs | DescriptorIs | PathIs | ErrorIs | Compare
"""What a word with `=` and a list stands for, and what `!=` turns round."""

Expression: TypeAlias = ListTerm | RowIs | Differs | Not | And | Or

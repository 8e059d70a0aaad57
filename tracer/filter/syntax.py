"""The syntax tree of a filter: frozen, comparable, without any knowledge of batches.

Operation names stay as they were written, with their place, because only the
source knows which there are; everything else is checked and converted by the parser.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypeAlias

from uringtrace.tracer.filter.addresses import AddressPattern


@dataclass(frozen=True, slots=True)
class OperationName:
    """A name or a pattern with `*`, in upper case, and where it stands."""

    text: str
    expression: str
    position: int
    length: int
    bare: bool
    """Written without `op=`, so that it may be a mistyped word as well."""
    io_uring_only: bool = False
    """Written with IORING_OP_; otherwise it stands for both interfaces."""
    optional: bool = False
    """Written with strace's `?`: there need not be such an operation."""


@dataclass(frozen=True, slots=True)
class CallClass:
    """The system calls of one of strace's classes, named without its `%`."""

    name: str


@dataclass(frozen=True, slots=True)
class CallExpression:
    """The system calls in whose name the regular expression is found."""

    expression: re.Pattern[str]


@dataclass(frozen=True, slots=True)
class EveryOperation:
    """All operations of one interface, or of both where that is None."""

    interface: str | None


Operations: TypeAlias = OperationName | CallClass | CallExpression | EveryOperation
"""What one word in a list of operations stands for."""


@dataclass(frozen=True, slots=True)
class Descriptor:
    """A descriptor, or an index into the registered files."""

    number: int
    direct: bool


@dataclass(frozen=True, slots=True)
class OperationIs:
    """Any of these; none where there is nothing in it."""

    operations: tuple[Operations, ...]


@dataclass(frozen=True, slots=True)
class InterfaceIs:
    """Any of `words.INTERFACES`."""

    interfaces: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DescriptorIs:
    descriptors: tuple[Descriptor, ...]


@dataclass(frozen=True, slots=True)
class FileIs:
    """A file of the row has one of these names, or the call was given it as a path."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AddressIs:
    """A socket of the row has an address that fits any of the patterns."""

    word: str
    """`peer` or `local`."""
    patterns: tuple[AddressPattern, ...]


@dataclass(frozen=True, slots=True)
class PathIs:
    """Any of the paths, by the words of `words.PATHS`."""

    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class WakeIs:
    """The thread slept in the call and was woken by any of `words.WAKES`."""

    wakes: tuple[str, ...]


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

    term: ListTerm


@dataclass(frozen=True, slots=True)
class Not:
    operand: Expression


@dataclass(frozen=True, slots=True)
class And:
    operands: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Or:
    operands: tuple[Expression, ...]


ListTerm: TypeAlias = (
    OperationIs | InterfaceIs | DescriptorIs | FileIs | AddressIs | PathIs | WakeIs | ErrorIs | Compare
)
"""What a word with `=` and a list stands for, and what `!=` turns round."""

Expression: TypeAlias = ListTerm | RowIs | Differs | Not | And | Or

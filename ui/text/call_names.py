"""How a value that stands for named constants is written, as strace writes it.

A set may hold bits, a number in some of the bits, or both: open's flags are an access mode
and bits. What has no name is shown as a hexadecimal rest, never dropped; where nothing has
a name, the common beginning of the names is added: `0x10 /* AT_??? */`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache


@dataclass(frozen=True, slots=True, eq=False)
class NameSet:
    """Names of the values that one kind of argument can have."""

    common: str
    """What all names begin with, and `???`; empty: a rest is not explained."""
    bits: tuple[tuple[int, str], ...] = ()
    """In the order they are written; one with several bits comes before those it includes."""
    numbers: Mapping[int, str] = field(default_factory=dict)
    mask: int = 0
    """The bits that are a number."""
    width: int = 32
    """Bits of the argument that count."""
    zero: str = "0"
    shift: tuple[int, str] | None = None
    """The lowest bit and the name of a number of six bits, as that of a page size."""
    loose: bool = False
    """A number without a name is taken for bits."""

    def text(self, value: int) -> str:
        """`A|B|0x40`"""
        value &= (1 << self.width) - 1
        words, rest = self._number(value)
        unnamed = self.loose or not words
        for bits, name in self.bits:
            if rest & bits == bits:
                words.append(name)
                rest &= ~bits
                unnamed = False
        high = 0
        if self.shift is not None:
            high, rest = rest >> self.shift[0], rest & (1 << self.shift[0]) - 1
        if rest:
            words.append(f"{rest:#x} /* {self.common} */" if unnamed and self.common else f"{rest:#x}")
        if high and self.shift is not None:
            words.append(f"{high}<<{self.shift[1]}")
        return "|".join(words) or self.zero

    def _number(self, value: int) -> tuple[list[str], int]:
        if not self.mask:
            return [], value
        number = value & self.mask
        name = self.numbers.get(number)
        if name is not None:
            return [name], value & ~self.mask
        if self.loose:
            return [], value
        text = f"{number:#x}" if number else "0"
        return [f"{text} /* {self.common} */" if self.common else text], value & ~self.mask


def bits(
    common: str, names: str, *, width: int = 32, zero: str = "0", shift: tuple[int, str] | None = None
) -> NameSet:
    """A set of bits, from text as `A=0x1 B=0x2`."""
    return NameSet(common, _bits(names), width=width, zero=zero, shift=shift)


def numbers(common: str, names: str) -> NameSet:
    """A set of numbers, from text as `0 A B C 16 D`: a number is that of the name after it."""
    return NameSet(common, numbers=counted(names), mask=2**32 - 1)


def mixed(
    common: str,
    mask: int,
    number_names: str,
    bit_names: str,
    *,
    width: int = 32,
    shift: tuple[int, str] | None = None,
    loose: bool = False,
) -> NameSet:
    """A number in the bits of `mask`, and bits."""
    found = counted(number_names)
    return NameSet(common, _bits(bit_names), found, mask, width, shift=shift, loose=loose)


def counted(names: str) -> dict[int, str]:
    """Number → name, from text as `0 A B C 16 D`."""
    found: dict[int, str] = {}
    following = 0
    for word in names.split():
        if word[0].isdecimal():
            following = int(word, 0)
        else:
            found[following] = word
            following += 1
    return found


def _bits(names: str) -> tuple[tuple[int, str], ...]:
    pairs = (word.split("=") for word in names.split())
    return tuple((int(value, 0), name) for name, value in pairs)


@lru_cache(65536)
def text_of(names: NameSet, value: int) -> str:
    """`names.text(value)`, remembered."""
    return names.text(value)

"""strace on the left, what happened on the right, in time order; a gap is where a side has nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from uringtrace.tracer.compare.excerpt import Entry
from uringtrace.ui.terminal.safe import printable
from uringtrace.ui.text.style import Style
from uringtrace.ui.text.table import shortened

GAP = "·"
"""Stands where a side has nothing of what the other one has."""
_BAR = " │ "
_HEADING = "SECONDS"
_LEAST = 24
_ROOMY, _CALL = 60, 24
"""A column so wide has more than results, but always so much of the call."""
_RESULT = ") = "
_PADDING = re.compile(r"\) {2,}= ")
"""strace puts results of short calls below one another."""


@dataclass(frozen=True, slots=True)
class Texts:
    """What each side has of the entries."""

    left: Mapping[int, str]
    """Line of an entry → what strace wrote."""
    right: Mapping[int, str]
    """Row of an entry → what the capture saw, as `uringtrace log` writes it, without the thread."""


def columns(
    entries: tuple[Entry, ...],
    texts: Texts,
    began_ns: int,
    width: int,
    style: Style,
) -> list[str]:
    """One line for each entry below a heading, none wider than `width` where that leaves any room.

    Times count from `began_ns`. Threads are named where there are several.
    """
    if not entries:
        return []
    layout = layout_of(entries, began_ns, width)
    return [style.heading(layout.heading()), *(layout.line(entry, texts) for entry in entries)]


@dataclass(frozen=True, slots=True)
class Layout:
    """How wide each column is."""

    began_ns: int
    """From there times count."""
    when: int
    who: int
    """0 where there is only one thread: then there is no column."""
    half: int
    """Of each side."""

    def heading(self) -> str:
        thread = f"{'TID':>{self.who}}  " if self.who else ""
        return f"{_HEADING:>{self.when}}  {thread}{'STRACE':<{self.half}}{_BAR}URINGTRACE"

    def line(self, entry: Entry, texts: Texts) -> str:
        one = fitted(texts.left.get(entry.line, ""), self.half) if entry.line is not None else GAP
        other = fitted(texts.right.get(entry.row, ""), self.half) if entry.row is not None else GAP
        thread = f"{entry.tid:>{self.who}}  " if self.who else ""
        time = _seconds(entry, self.began_ns)
        return f"{time:>{self.when}}  {thread}{one:<{self.half}}{_BAR}{other}".rstrip()


def layout_of(entries: Sequence[Entry], began_ns: int, width: int) -> Layout:
    """For these entries, of which there is at least one."""
    when = max(len(_HEADING), *(len(_seconds(entry, began_ns)) for entry in entries))
    several = len({entry.tid for entry in entries}) > 1
    who = max(len("TID"), *(len(str(entry.tid)) for entry in entries)) if several else 0
    front = when + 2 + (who + 2 if several else 0)
    return Layout(began_ns, when, who, max(_LEAST, (width - front - len(_BAR)) // 2))


def _seconds(entry: Entry, began_ns: int) -> str:
    return f"{(entry.at_ns - began_ns) / 1e9:.6f}"


def fitted(text: str, width: int) -> str:
    """At most `width` characters: arguments are cut, and what is behind the result where it is long."""
    text = _PADDING.sub(_RESULT, printable(text))
    if len(text) <= width:
        return text
    head, result, rest = text.rpartition(_RESULT)
    if not result:
        return shortened(text, width)
    value, _, behind = rest.partition(" ")
    error = behind.partition(" ")[0] if value.startswith("-") else ""
    # What a new descriptor stands for is long, and stands in later lines.
    short = result + value.partition("<")[0] + (f" {error}" if error.startswith("E") else "")
    # How long it took, who woke it and what was ready, where that leaves room for what was called.
    whole = result + rest
    tail = whole if width >= _ROOMY and len(whole) <= width - _CALL else short
    room = width - len(tail)
    return f"{shortened(head, room)}{tail}" if room >= 4 else shortened(text, width)

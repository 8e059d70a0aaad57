"""strace on the left, what happened on the right, in time order; a gap is where a side has nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from uringtrace.tracer.compare.excerpt import Entry
from uringtrace.ui.terminal.safe import printable
from uringtrace.ui.text.style import Style
from uringtrace.ui.text.table import shortened

GAP = "·"
"""Stands where a side has nothing of what the other one has."""
_BAR = " │ "
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
    times = [f"{(entry.at_ns - began_ns) / 1e9:.6f}" for entry in entries]
    when = max(map(len, (*times, "SECONDS")))
    several = len({entry.tid for entry in entries}) > 1
    who = max((len(str(entry.tid)) for entry in entries), default=0) if several else 0
    front = when + 2 + (who + 2 if several else 0)
    half = max(_LEAST, (width - front - len(_BAR)) // 2)
    thread = f"{'TID':>{who}}  " if several else ""
    lines = [style.heading(f"{'SECONDS':>{when}}  {thread}{'STRACE':<{half}}{_BAR}URINGTRACE")]
    for time, entry in zip(times, entries, strict=True):
        one = fitted(texts.left.get(entry.line, ""), half) if entry.line is not None else GAP
        other = fitted(texts.right.get(entry.row, ""), half) if entry.row is not None else GAP
        thread = f"{entry.tid:>{who}}  " if several else ""
        lines.append(f"{time:>{when}}  {thread}{one:<{half}}{_BAR}{other}".rstrip())
    return lines


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

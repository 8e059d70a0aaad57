"""Rows of `operations` as events: each row is one slice, or one instant where it has no duration.

- A completion, or a call that returned: a slice from its submission, or from the completion before
  it (multishot).
- Begun before the capture: an instant at its end, since when it began is not known.
- Unfinished: a slice to the end, over the whole capture where it was in flight all the time.
- SILENT: an instant at its submission, since its end was not seen.
- Notifications of zero-copy sends, MESSAGE and UNTRACKED: instants.

What it says more than once has a category of its own, so that a query counts each row once:
categories `io_uring` and `syscall`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import count
from typing import Any

from uringtrace.tracer.record import CQE_F_MORE, CQE_F_NOTIF
from uringtrace.tracer.syscalls.signatures import signature_of
from uringtrace.ui.perfetto.packets import (
    BEGIN,
    FLOW,
    INSTANT,
    INTEGER,
    INTERNED,
    LAST_OF_FLOW,
    NO_FLOW,
    TEXT,
    UNSIGNED,
    Annotations,
    Packets,
)
from uringtrace.ui.perfetto.tracks import Connection, Tracks

SUBMISSION, WAKE, CONNECTION = "submission", "wake", "connection"
"""Categories of what is said of a row beside its own event."""

_COMMON: Annotations = (
    ("result", INTEGER),
    ("error", INTERNED),
    ("kind", INTERNED),
    ("fd", INTEGER),
    ("file", INTERNED),
    ("result_file", INTERNED),
)
_OF_RING: Annotations = (
    ("path", INTERNED),
    ("ring", INTEGER),
    ("tid", INTEGER),
    ("sequence", INTEGER),
    ("user_data", UNSIGNED),
    ("len", UNSIGNED),
    ("off", UNSIGNED),
    ("op_flags", UNSIGNED),
)
_OF_CALL: Annotations = (
    ("pathname", TEXT),
    ("wake", INTERNED),
    ("waker", INTEGER),
    ("waker_operation", INTERNED),
    *((f"arg{number}", UNSIGNED) for number in range(6)),
)
_ARGUMENTS_AT = len(_OF_CALL) - 6
_FILES: Annotations = (("file", INTERNED), ("result_file", INTERNED))

BEGAN = f"""CASE
  WHEN kind = 'COMPLETION' AND cqe_flags & {CQE_F_NOTIF} = 0 OR kind = 'COMPLETION' AND interface = 'syscall'
    THEN COALESCE(previous_ns, submitted_ns)
  WHEN kind = 'UNFINISHED' THEN COALESCE(submitted_ns, $started_ns)
END"""
"""SQL: when the slice of a row begins, NULL where it is an instant."""
AT = "CASE WHEN kind = 'SILENT' THEN COALESCE(submitted_ns, completed_ns) ELSE completed_ns END"
"""SQL: when an instant is, or a slice ends."""

_FACTS = (
    "interface = 'syscall'",
    BEGAN,
    AT,
    "submitted_ns",
    "operation",
    "ring",
    "tgid",
    "tid",
    "COALESCE(file, 0)",
    "COALESCE(result_file, 0)",
    f"kind = 'COMPLETION' AND COALESCE(cqe_flags, 0) & {CQE_F_MORE} <> 0",
    "woken_ns",
    "CASE WHEN wake = 'thread' THEN waker END",
)
_FIRST = len(_FACTS)
_OF_RING_AT = _FIRST + len(_COMMON)
_OF_CALL_AT = _OF_RING_AT + len(_OF_RING)
"""Where the annotations are in a row."""
_SHOWN_KIND = "NULLIF(kind, 'COMPLETION')"


def columns() -> str:
    """SELECT list over the operations of a recording, with the parameter $started_ns."""
    names = [name for part in (_COMMON, _OF_RING, _OF_CALL) for name, _ in part]
    return ", ".join([*_FACTS, *(_SHOWN_KIND if name == "kind" else name for name in names)])


class Operations:
    """Writes the events of rows, in the order in which they are given.

    What it keeps is bounded by the multishot operations in flight, not by the rows.
    """

    def __init__(
        self,
        packets: Packets,
        tracks: Tracks,
        files: Mapping[int, str],
        connections: Mapping[int, Connection],
        began: Callable[[Connection], None],
    ) -> None:
        """`files`: description by number; `connections`: by the number of their file; `began` is
        called with each connection that is met."""
        self._packets = packets
        self._tracks = tracks
        self._files = files
        self._connections = connections
        self._began = began
        self._flows = count(1)
        self._open: dict[tuple[int, int], int] = {}
        """The flow of each operation that has had a completion and expects more."""
        self._forms: dict[tuple[str | None, tuple[bool, ...]], _Form] = {}

    def write(self, rows: Iterable[tuple[Any, ...]]) -> int:
        """Write the events of rows that have `columns`; returns how many rows there were."""
        written = 0
        for row in rows:
            self._write(row)
            written += 1
        return written

    def _write(self, row: tuple[Any, ...]) -> None:
        facts = row[:_FIRST]
        call, began, at, submitted, operation, ring, tgid, tid, file, result_file, more, woken, waker = facts
        annotations, values = self._annotations(row, call, operation)
        start = at if began is None else began
        arrow, flow = NO_FLOW, 0
        if call:
            track = self._tracks.call(tid, tgid, start, at)
            name, category = operation or "unknown call", "syscall"
        else:
            name, category = operation or "unknown operation", "io_uring"
            if submitted is not None and tid is not None:
                arrow, flow = self._arrow(ring, submitted, name, tid, tgid, more=more)
            track = self._tracks.ring(ring, tgid, start, at)
        packets = self._packets
        if began is None:
            packets.event(INSTANT, at, track, name, category, annotations, values, arrow, flow)
        else:
            packets.event(BEGIN, start, track, name, category, annotations, values, arrow, flow)
            if waker is not None and woken is not None and start <= woken <= at:
                self._wake(woken, waker, tid, track)
            packets.end(at, track)
        connection = self._connections.get(file) or self._connections.get(result_file)
        if connection is not None:
            self._began(connection)
            track = self._tracks.connection(connection, start, at)
            if began is None:
                packets.event(INSTANT, at, track, name, CONNECTION)
            else:
                packets.event(BEGIN, start, track, name, CONNECTION)
                packets.end(at, track)

    def _arrow(
        self, ring: int, submitted: int, name: str, tid: int, tgid: int | None, *, more: bool
    ) -> tuple[int, int]:
        """The arrow that ends at, or goes on from, this completion; its beginning where it is the first."""
        key = (ring, submitted)
        flow = self._open.pop(key, 0)
        if not flow:
            flow = next(self._flows)
            thread = self._tracks.thread(tid, tgid)
            self._packets.event(INSTANT, submitted, thread, f"submit {name}", SUBMISSION, (), (), FLOW, flow)
        if more:
            self._open[key] = flow
        return (FLOW if more else LAST_OF_FLOW), flow

    def _wake(self, woken: int, waker: int, tid: int, track: int) -> None:
        """An arrow from the thread that woke to the one that slept, where both are the target's."""
        if not self._tracks.knows_thread(waker):
            return
        flow = next(self._flows)
        own = self._tracks.thread(waker)
        self._packets.event(INSTANT, woken, own, f"wakes {tid}", WAKE, (), (), FLOW, flow)
        self._packets.event(INSTANT, woken, track, f"woken by {waker}", WAKE, (), (), LAST_OF_FLOW, flow)

    def _annotations(
        self, row: tuple[Any, ...], call: bool, operation: str | None
    ) -> tuple[Annotations, list[int | str]]:
        """What is known of the row, without what is NULL."""
        given = row[_FIRST:_OF_RING_AT] + (row[_OF_CALL_AT:] if call else row[_OF_RING_AT:_OF_CALL_AT])
        key = (operation if call else None, tuple([value is None for value in given]))
        form = self._forms.get(key)
        if form is None:
            shown = _call_annotations(operation or "") if call else _RING_ANNOTATIONS
            form = self._forms[key] = _form(shown, given)
        interned, files = self._packets.interned, self._files
        values: list[int | str] = [interned(given[place]) for place in form.interned]
        # A file that is not known any more has its number for a name.
        values += [interned(files.get(given[place]) or f"file {given[place]}") for place in form.files]
        values += [given[place] for place in form.plain]
        return form.annotations, values


@dataclass(frozen=True, slots=True)
class _Form:
    """Which of the annotations rows of one form have; places are those in the row's part."""

    annotations: Annotations
    """In the order of the three that follow."""
    interned: tuple[int, ...]
    files: tuple[int, ...]
    plain: tuple[int, ...]


def _form(shown: Annotations, given: tuple[Any, ...]) -> _Form:
    present = [place for place, _ in enumerate(shown) if given[place] is not None]
    files = tuple(place for place in present if shown[place] in _FILES)
    plain = tuple(place for place in present if shown[place][1] != INTERNED)
    interned = tuple(place for place in present if place not in files + plain)
    return _Form(tuple(shown[place] for place in (*interned, *files, *plain)), interned, files, plain)


_RING_ANNOTATIONS = _COMMON + _OF_RING


@cache
def _call_annotations(name: str) -> Annotations:
    """The annotations of a call, its arguments by the names that the manual gives them."""
    parameters = [parameter.name for parameter in signature_of(name).parameters]
    taken = {annotation for annotation, _ in _COMMON + _OF_CALL[:_ARGUMENTS_AT]}
    named = [f"argument {each}" if each in taken else each for each in parameters]
    return _COMMON + _OF_CALL[:_ARGUMENTS_AT] + tuple((each, UNSIGNED) for each in named)

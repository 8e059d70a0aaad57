"""Reading a recording, whatever state it was left in.

A part or a chunk that cannot be read is skipped, said in `problems` and, where its
rows are known, counted as lost. Nothing in the directory is ever changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from uringtrace.errors import RecordingError
from uringtrace.probes.rows import copy_rows
from uringtrace.tracer.record import Batch
from uringtrace.tracer.recording.chunks import segment_records
from uringtrace.tracer.recording.files_log import FilesReader
from uringtrace.tracer.recording.journal import open_segment
from uringtrace.tracer.recording.layout import (
    FILES_NAME,
    OPERATIONS,
    SOCKET_EVENTS,
    contents,
    is_held,
    part_path,
    segment_path,
)
from uringtrace.tracer.recording.metadata import RECORDING, STOPPED, Metadata, read_metadata
from uringtrace.tracer.records import SOCKET_EVENT, Records
from uringtrace.tracer.source import Context, File, Interest, Losses, OpenSocket, Ring, Thread

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from uringtrace.tracer.recording.query import Result

BATCH_ROWS = 65536
"""Rows of a part are yielded in batches of at most this many."""

DAMAGED = "damaged"
"""Kind of loss: rows of the recording that are gone with a part that cannot be read."""


class Recording:
    """A recording as a `Source`; made by `open_recording`."""

    def __init__(
        self, path: Path, metadata: Metadata, parts: tuple[int, ...], segments: tuple[int, ...]
    ) -> None:
        self.path = path
        self.parts = parts
        """Numbers of the readable parts, ascending."""
        self.segments = segments
        """Numbers of the journal segments that are not parts yet, ascending."""
        self._metadata = metadata
        self._problems: list[str] = []
        self._damaged_rows = 0
        self._ended_ns = metadata.ended_ns
        self._files = FilesReader(path)
        self._files.files.update(metadata.files)

    @property
    def context(self) -> Context:
        return self._metadata.context

    @property
    def rings(self) -> tuple[Ring, ...]:
        return self._metadata.rings

    @property
    def files(self) -> Mapping[int, File]:
        """Of a recording in the making those known when this was last asked, or more."""
        before = self._files.damaged
        try:
            self._files.update()
        except OSError as error:
            self.report(f"cannot read {FILES_NAME}: {error.strerror}")
        if self._files.damaged > before:
            self.report(f"{FILES_NAME} is damaged: {self._files.damaged - before} files are not known")
        return self._files.files

    @property
    def threads(self) -> Mapping[int, Thread]:
        return self._metadata.threads

    @property
    def interests(self) -> tuple[Interest, ...]:
        return self._metadata.interests

    @property
    def open_sockets(self) -> tuple[OpenSocket, ...]:
        return self._metadata.open_sockets

    @property
    def losses(self) -> Losses:
        """Of the capture, and rows of it that this directory no longer has."""
        losses = self._metadata.losses
        if self._damaged_rows == 0:
            return losses
        return replace(losses, lost={**losses.lost, DAMAGED: self._damaged_rows})

    @property
    def ended_ns(self) -> int:
        return self._ended_ns

    @property
    def status(self) -> str:
        """`recording`, `complete`, or `stopped: ` and the reason."""
        return self._metadata.status

    @property
    def problems(self) -> tuple[str, ...]:
        """What a user must know of this recording's state; grows while it is read."""
        return tuple(self._problems)

    def report(self, problem: str, lost_rows: int = 0) -> None:
        """Note a problem, once however often it is met."""
        if problem not in self._problems:
            self._problems.append(problem)
            self._damaged_rows += lost_rows

    def rows_of(self, number: int, table: str = OPERATIONS) -> int:
        """Rows of a part by meta.json; 0 where that does not say."""
        for part in self._metadata.parts:
            if part.number == number:
                return part.rows if table == OPERATIONS else part.tables.get(table, 0)
        return 0

    def table_parts(self, table: str) -> list[Path]:
        """The readable parts of a table beside the operations, in order."""
        from uringtrace.tracer.recording.parts import row_count

        readable = []
        for number in self.parts:
            path = part_path(self.path, number, table)
            expected = self.rows_of(number, table)
            if not path.exists():
                if expected:
                    self.report(f"{path.name} is missing; skipped", expected)
                continue
            try:
                row_count(self._connection, path)
            except RecordingError as error:
                self.report(f"{error.message}; skipped", expected)
            else:
                readable.append(path)
        return readable

    def batches(self) -> Iterator[Batch]:
        """The operations of `records`."""
        return (records.operations for records in self.records())

    def records(self) -> Iterator[Records]:
        """Yield everything in completion order, at most BATCH_ROWS operations at once from parts.

        May be called again. Raises nothing for damage: see `problems`.
        """
        for number in sorted((*self.parts, *self.segments)):
            for records in (
                self.part_records(number) if number in self.parts else self.segment_records(number)
            ):
                if records.operations.size:
                    self._ended_ns = max(self._ended_ns, int(records.operations["completed_ns"].max()))
                yield records

    @cached_property
    def _connection(self) -> DuckDBPyConnection:
        # Not before a part is read: a journal alone needs no DuckDB.
        from uringtrace.tracer.recording.parts import connect

        return connect()

    def part_records(self, number: int) -> Iterator[Records]:
        """The records of a part; none, and a problem, when it is damaged."""
        from uringtrace.tracer.recording.parts import read_part

        try:
            part = read_part(self._connection, self.path, number)
        except RecordingError as error:
            self.report(f"{error.message}; skipped", self.rows_of(number))
            return
        yield from in_batches(replace(part, socket_events=self._socket_events(number)))

    def _socket_events(self, number: int) -> NDArray[np.void]:
        from uringtrace.tracer.recording.parts import read_socket_events

        path = part_path(self.path, number, SOCKET_EVENTS)
        expected = self.rows_of(number, SOCKET_EVENTS)
        if not path.exists():
            if expected:
                self.report(f"{path.name} is missing; skipped", expected)
            return np.zeros(0, SOCKET_EVENT)
        try:
            return read_socket_events(self._connection, path)
        except RecordingError as error:
            self.report(f"{error.message}; skipped", expected)
            return np.zeros(0, SOCKET_EVENT)

    def segment_records(self, number: int) -> Iterator[Records]:
        """The records of a journal segment, up to the first damage in it."""
        try:
            segment = open_segment(segment_path(self.path, number))
            if segment.torn_bytes:
                torn = f"ends in {segment.torn_bytes} bytes of an unfinished write"
                self.report(f"{segment.path.name} {torn}; skipped")
            yield from segment_records(segment)
        except FileNotFoundError:
            # It has become a part since the directory was listed.
            yield from self.part_records(number)
        except RecordingError as error:
            self.report(f"{error.message}; the rest of it is skipped")
        except OSError as error:
            self.report(f"cannot read {segment_path(self.path, number).name}: {error.strerror}")

    def query(self, sql: str) -> AbstractContextManager[Result]:
        """Run one SELECT over the views of `uringtrace.tracer.recording.query`.

        Raises UsageError for SQL that is wrong or does more than read.
        """
        from uringtrace.tracer.recording.query import run

        return run(self, sql)


def in_batches(part: Records) -> Iterator[Records]:
    """The same in pieces of at most BATCH_ROWS operations; socket events go with what ended after them."""
    operations, memory, events = part.operations, part.memory, part.socket_events
    latest = np.maximum.accumulate(events["ns"])
    begin = 0
    for start in range(0, max(operations.size, 1), BATCH_ROWS):
        rows = operations[start : start + BATCH_ROWS]
        last = start + BATCH_ROWS >= operations.size
        end = events.size if last else int(np.searchsorted(latest, rows["completed_ns"].max(), "right"))
        low, high = np.searchsorted(memory["row"], [start, start + BATCH_ROWS])
        pieces = copy_rows(memory[low:high])
        pieces["row"] -= start
        yield Records(rows, pieces, events[begin : max(begin, end)])
        begin = max(begin, end)


def open_recording(path: Path) -> Recording:
    """Open a recording for reading.

    Raises RecordingError when `path` is not a recording, may not be read, or is of
    another schema. Damaged and missing parts raise nothing: see `Recording.problems`.
    """
    metadata = read_metadata(path)
    try:
        numbers, segments = contents(path)
        held = is_held(path)
    except OSError as error:
        raise RecordingError(f"cannot read {path}: {error.strerror}") from None
    damaged = _damaged(path, numbers)
    missing = {part.number for part in metadata.parts} - numbers - segments
    recording = Recording(path, metadata, tuple(sorted(numbers - set(damaged))), tuple(sorted(segments)))
    _report_status(recording, held=held)
    for number in sorted(missing | set(damaged)):
        reason = damaged.get(number, f"{part_path(path, number).name} is missing")
        recording.report(f"{reason}; skipped", recording.rows_of(number))
    return recording


def _damaged(path: Path, numbers: frozenset[int]) -> dict[int, str]:
    """Parts whose footer cannot be read, with the reason."""
    if not numbers:
        return {}
    from uringtrace.tracer.recording.parts import connect, row_count

    damaged = {}
    with connect() as connection:
        for number in numbers:
            try:
                row_count(connection, part_path(path, number))
            except RecordingError as error:
                damaged[number] = error.message
    return damaged


def _report_status(recording: Recording, *, held: bool) -> None:
    if recording.status == RECORDING and held:
        recording.report(f"{recording.path} is still being recorded: this is what it holds so far")
    elif recording.status == RECORDING:
        recording.report(
            f"the recorder of {recording.path} died: operations after its last write are missing, and "
            "rings, files and losses are as of up to a second or more before that"
        )
    elif recording.status.startswith(STOPPED):
        recording.report(f"recording to {recording.path} was {recording.status}")

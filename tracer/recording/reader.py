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

from uringtrace.errors import RecordingError
from uringtrace.tracer.record import Batch
from uringtrace.tracer.recording.converter import segment_batches
from uringtrace.tracer.recording.journal import open_segment
from uringtrace.tracer.recording.layout import contents, is_held, part_path, segment_path
from uringtrace.tracer.recording.metadata import RECORDING, STOPPED, Metadata, read_metadata
from uringtrace.tracer.records import Records, only_operations
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

    @property
    def context(self) -> Context:
        return self._metadata.context

    @property
    def rings(self) -> tuple[Ring, ...]:
        return self._metadata.rings

    @property
    def files(self) -> Mapping[int, File]:
        return self._metadata.files

    @property
    def threads(self) -> Mapping[int, Thread]:
        return {}

    @property
    def interests(self) -> tuple[Interest, ...]:
        return ()

    @property
    def open_sockets(self) -> tuple[OpenSocket, ...]:
        return ()

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

    def rows_of(self, number: int) -> int:
        """Rows of a part by meta.json; 0 where that does not say."""
        return sum(part.rows for part in self._metadata.parts if part.number == number)

    def batches(self) -> Iterator[Batch]:
        """Yield the operations in completion order, at most BATCH_ROWS at once from parts.

        May be called again. Raises nothing for damage: see `problems`.
        """
        for number in sorted((*self.parts, *self.segments)):
            for batch in self._part(number) if number in self.parts else self.segment_batches(number):
                if batch.size:
                    self._ended_ns = max(self._ended_ns, int(batch["completed_ns"].max()))
                yield batch

    def records(self) -> Iterator[Records]:
        """The same with all that was observed beside the operations."""
        return (only_operations(batch) for batch in self.batches())

    @cached_property
    def _connection(self) -> DuckDBPyConnection:
        # Not before a part is read: a journal alone needs no DuckDB.
        from uringtrace.tracer.recording.parts import connect

        return connect()

    def _part(self, number: int) -> Iterator[Batch]:
        from uringtrace.tracer.recording.parts import read_part

        try:
            batch = read_part(self._connection, part_path(self.path, number))
        except RecordingError as error:
            self.report(f"{error.message}; skipped", self.rows_of(number))
            return
        for start in range(0, batch.size, BATCH_ROWS):
            yield batch[start : start + BATCH_ROWS]

    def segment_batches(self, number: int) -> Iterator[Batch]:
        """The operations of a journal segment, up to the first damage in it."""
        try:
            segment = open_segment(segment_path(self.path, number))
            if segment.torn_bytes:
                torn = f"ends in {segment.torn_bytes} bytes of an unfinished write"
                self.report(f"{segment.path.name} {torn}; skipped")
            yield from segment_batches(segment)
        except FileNotFoundError:
            # It has become a part since the directory was listed.
            yield from self._part(number)
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

"""One recording's segments made into parts, in the order in which they were closed.

Readiness, connections and threads are followed from the first record to the last.
Invariant: what follows from records that were missed is never written; then there are no
`connections` and `threads`, and a reader works them out itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb

from uringtrace.errors import Error
from uringtrace.tracer.recording.chunks import segment_records
from uringtrace.tracer.recording.derived import Derivation, holds_calls
from uringtrace.tracer.recording.files_log import FilesReader
from uringtrace.tracer.recording.journal import open_segment
from uringtrace.tracer.recording.layout import segment_path
from uringtrace.tracer.recording.metadata import Failure, Part, read_metadata
from uringtrace.tracer.recording.parts import Rows, connect, first_line, write_parts, write_result
from uringtrace.tracer.records import Records


class Conversion:
    """The state of the converting process."""

    def __init__(self, directory: Path) -> None:
        metadata = read_metadata(directory)
        self._directory = directory
        self._names = metadata.context.operation_names
        self._calls = holds_calls(metadata.context)
        self._connection = connect()
        self._files = FilesReader(directory)
        self._derivation = Derivation(metadata.context, metadata.interests, metadata.open_sockets)
        self._next = 0

    def convert(self, number: int) -> Part | Failure:
        """Write the parts of a segment and delete it; it stays when that failed."""
        if number != self._next:
            self._derivation.break_off()
        self._next = number + 1
        source = segment_path(self._directory, number)
        try:
            self._files.update()
            part = write_parts(
                self._connection,
                self._directory,
                number,
                self._records(source),
                self._names,
                calls=self._calls,
            )
            source.unlink()
        except OSError as error:
            return self._failed(number, error.strerror or str(error))
        except duckdb.Error as error:
            return self._failed(number, first_line(error))
        except Error as error:
            return self._failed(number, error.message)
        return part

    def _failed(self, number: int, reason: str) -> Failure:
        self._derivation.break_off()
        return Failure(number, reason)

    def _records(self, source: Path) -> Iterator[tuple[Records, Rows]]:
        for records in segment_records(open_segment(source)):
            yield records, self._derivation.add(records, self._files.files)

    def finish(self) -> None:
        """Write what is known at the end only; where that fails a reader works it out."""
        try:
            self._files.update()
            metadata = read_metadata(self._directory)
            results = self._derivation.results(self._files.files, metadata.threads, metadata.open_sockets)
            for table, rows in results.items():
                write_result(self._connection, self._directory, table, rows)
        except (OSError, duckdb.Error, Error):
            return

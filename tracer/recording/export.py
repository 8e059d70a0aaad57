"""A table of a recording as CSV, JSON or Parquet, written by DuckDB."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from uringtrace.errors import StorageError, UsageError
from uringtrace.tracer.recording.interruption import interruptible
from uringtrace.tracer.recording.parts import first_line, quoted
from uringtrace.tracer.recording.selection import Selection, select, selected

if TYPE_CHECKING:
    from uringtrace.tracer.recording.reader import Recording

FORMATS = {
    "csv": "FORMAT csv, HEADER true",
    "json": "FORMAT json, ARRAY false",
    "parquet": "FORMAT parquet, COMPRESSION zstd",
}
"""Name of a format → options of COPY. NULL is an empty field of CSV, where an empty text is `""`."""


def export_table(recording: Recording, table: str, selection: Selection, format: str, path: Path) -> int:
    """Write the rows that are selected to `path`, which may be a FIFO but for Parquet; returns their number.

    Raises UsageError for a condition that is wrong, StorageError where writing fails.
    """
    statement = select(recording, table, selection)
    with selected(recording, selection, (table,), writable=(path,)) as connection:
        target = f"{quoted(str(path))} ({FORMATS[format]}, USE_TMP_FILE false)"
        try:
            copy = f"COPY (\n{statement}\n) TO {target}"
            copied = interruptible(connection, lambda: connection.execute(copy).fetchone())
        except (duckdb.BinderException, duckdb.CatalogException, duckdb.ParserException) as error:
            raise UsageError(f"SQL: {first_line(error)}") from None
        except (
            duckdb.ConversionException,
            duckdb.InvalidInputException,
            duckdb.OutOfRangeException,
        ) as error:
            raise UsageError(f"SQL: {first_line(error)}") from None
        except duckdb.PermissionException as error:
            raise UsageError(f"SQL: {first_line(error)}") from None
        except duckdb.Error as error:
            raise StorageError(f"cannot write {table}: {first_line(error)}") from None
    return int(copied[0]) if copied else 0

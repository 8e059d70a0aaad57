"""What a person or another program finds in the Parquet files, by an independent reader."""

from __future__ import annotations

import errno

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from tests.fakes import OPERATION_NAMES, row, rows
from tests.recording.strategies import ARGUMENTS, batches
from uringtrace.tracer.record import CQE_F_NOTIF, Batch, Kind, Path
from uringtrace.tracer.recording.columns import COLUMNS
from uringtrace.tracer.recording.parts import connect, write_part

parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow, the independent reader, is not installed")


def expected(record: np.void) -> dict[str, object]:
    """One row by the rules of docs/recording.md, written without numpy or SQL."""
    value = {name: record[name].item() for name in record.dtype.names}
    kind = Kind(value["kind"])
    unseen = kind in (Kind.UNTRACKED, Kind.MESSAGE)
    open_ended = kind in (Kind.SILENT, Kind.UNFINISHED)
    opcode = value["opcode"]
    path = "io-wq" if value["path"] & Path.IO_WQ else "poll" if value["path"] & Path.POLL else "inline"
    single = value["sequence"] == 0 and not value["cqe_flags"] & CQE_F_NOTIF
    timed = kind is Kind.COMPLETION and value["submitted_ns"] and single
    wanted: dict[str, object] = {
        "completed_ns": value["completed_ns"],
        "latency_ns": value["completed_ns"] - value["submitted_ns"] if timed else None,
        "operation": None if opcode == 255 else OPERATION_NAMES.get(opcode, f"OPCODE_{opcode}"),
        "kind": kind.name,
        "path": None if unseen else path,
        "result": None if open_ended and value["result"] == 0 else value["result"],
        "error": errno.errorcode.get(-value["result"]),
        "opcode": None if opcode == 255 else opcode,
        "path_bits": value["path"],
        "chain_position": value["chain_position"] if value["chain"] else None,
    }
    for name in ("user_data", "ring", "cqe_flags"):
        wanted[name] = value[name]
    for name in ("submitted_ns", "tgid", "tid", "file", "sequence", "previous_ns", "chain"):
        wanted[name] = value[name] or None
    for name, absent in (("fd", -1), ("sqe_flags", 0)):
        wanted[name] = None if unseen and value[name] == absent else value[name]
    for name in ARGUMENTS:
        wanted[name] = value[name] if value["has_arguments"] else None
    return wanted


def read(batch: Batch, path) -> list[dict[str, object]]:
    with connect() as connection:
        write_part(connection, path, [batch], OPERATION_NAMES)
    return parquet.read_table(path).to_pylist()


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(batch=batches(min_rows=1))
def test_every_column_is_what_the_document_says(batch, tmp_path_factory):
    found = read(batch, tmp_path_factory.mktemp("part") / "operations-00000.parquet")
    assert found == [expected(record) for record in batch]


def test_every_operation_and_every_errno_has_its_name(tmp_path):
    operations = rows(*(row(name) for name in OPERATION_NAMES.values()))
    found = read(operations, tmp_path / "operations-00000.parquet")
    assert [line["operation"] for line in found] == list(OPERATION_NAMES.values())
    numbers = sorted(errno.errorcode)
    failed = rows(*(row(result=-number) for number in numbers))
    found = read(failed, tmp_path / "operations-00001.parquet")
    assert [line["error"] for line in found] == [errno.errorcode[number] for number in numbers]


def test_the_file_has_these_columns_in_this_order_and_constants_cost_nothing(tmp_path, numbered):
    path = tmp_path / "operations-00000.parquet"
    read(numbered(0, 262_144), path)
    file = parquet.ParquetFile(path)
    assert file.schema_arrow.names == [column.name for column in COLUMNS]
    groups = [file.metadata.row_group(number) for number in range(file.num_row_groups)]
    assert max(group.num_rows for group in groups) >= 100_000
    column = groups[0].column([column.name for column in COLUMNS].index("tgid"))
    assert column.total_compressed_size < 200
    assert path.stat().st_size < 262_144 * 8

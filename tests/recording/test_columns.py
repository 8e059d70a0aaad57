"""What a person or another program finds in the Parquet files, by an independent reader."""

from __future__ import annotations

import errno
import struct

import numpy as np
import pytest
from hypothesis import given, settings

from tests.fakes import ALL_NAMES, OPCODES, call, row, rows
from tests.recording.strategies import ARGUMENTS, CALL_ARGUMENTS, WAKER_FIELDS, batches, memory
from uringtrace.tracer.record import CQE_F_NOTIF, Kind, Path, Wake
from uringtrace.tracer.recording.columns import COLUMNS
from uringtrace.tracer.recording.parts import connect, write_parts
from uringtrace.tracer.records import SOCKET_EVENT, Records, only_operations

parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow, the independent reader, is not installed")


NO_EVENTS = np.zeros(0, SOCKET_EVENT)
INTERNAL_ERRORS = {
    512: "ERESTARTSYS",
    513: "ERESTARTNOINTR",
    514: "ERESTARTNOHAND",
    516: "ERESTART_RESTARTBLOCK",
}


def name(opcode: int) -> str:
    return ALL_NAMES.get(opcode, f"OPCODE_{opcode}" if opcode < 256 else f"syscall_{opcode - 256}")


def expected(record: np.void) -> dict[str, object]:
    """One row by the rules of docs/recording.md, written without numpy or SQL."""
    value = {name: record[name].item() for name in record.dtype.names}
    kind = Kind(value["kind"])
    unseen = kind in (Kind.UNTRACKED, Kind.MESSAGE)
    open_ended = kind in (Kind.SILENT, Kind.UNFINISHED)
    opcode = value["opcode"]
    call = opcode >= 256
    path = "io-wq" if value["path"] & Path.IO_WQ else "poll" if value["path"] & Path.POLL else "inline"
    single = value["sequence"] == 0 and not value["cqe_flags"] & CQE_F_NOTIF
    timed = kind is Kind.COMPLETION and value["submitted_ns"] and single
    wanted: dict[str, object] = {
        "completed_ns": value["completed_ns"],
        "latency_ns": value["completed_ns"] - value["submitted_ns"] if timed else None,
        "interface": "syscall" if call else "io_uring",
        "operation": None if opcode == 255 else name(opcode),
        "kind": kind.name,
        "path": None if unseen or call else path,
        "result": None if open_ended and value["result"] == 0 else value["result"],
        "error": (errno.errorcode | INTERNAL_ERRORS).get(-value["result"]),
        "pathname": None,
        "opcode": opcode if opcode < 255 else None,
        "number": opcode - 256 if call else None,
        "slept": value["slept"] if call else None,
        "wake": Wake(value["wake"]).name.lower() if value["wake"] else None,
        "waker_operation": name(value["waker_opcode"]) if value["waker_opcode"] else None,
        "waker_number": value["waker_opcode"] - 256 if value["waker_opcode"] else None,
        "path_bits": None if call else value["path"],
        "chain_position": value["chain_position"] if value["chain"] else None,
        "sqe_flags": None if call or (unseen and value["sqe_flags"] == 0) else value["sqe_flags"],
        "fd": None if (call or not value["submitted_ns"]) and value["fd"] == -1 else value["fd"],
        "memory": None,
    }
    for field in ("user_data", "ring", "cqe_flags"):
        wanted[field] = None if call else value[field]
    for field in UNLESS_ZERO:
        wanted[field] = value[field] or None
    for field in WAKER_FIELDS:
        wanted[field] = value[field] if value["waker_opcode"] else None
    for field in ARGUMENTS:
        wanted[field] = value[field] if value["has_arguments"] and not call else None
    for field in CALL_ARGUMENTS:
        wanted[field] = value[field] if value["has_arguments"] and call else None
    return wanted


UNLESS_ZERO = (
    "submitted_ns",
    "tgid",
    "tid",
    "file",
    "second_file",
    "result_file",
    "sequence",
    "previous_ns",
    "chain",
    "woken_ns",
    "wakes",
    "waker",
    "woke",
    "woke_count",
)


def read(folder, *records: Records) -> list[dict[str, object]]:
    with connect() as connection:
        write_parts(connection, folder, 0, [(each, {}) for each in records], ALL_NAMES)
    return parquet.read_table(folder / "operations-00000.parquet").to_pylist()


@settings(max_examples=30)
@given(batch=batches(min_rows=1))
def test_every_column_is_what_the_document_says(batch, tmp_path_factory):
    found = read(tmp_path_factory.mktemp("part"), only_operations(batch))
    assert found == [expected(record) for record in batch]


def test_every_operation_and_every_errno_has_its_name(tmp_path):
    operations = rows(*(row(name) for name in OPCODES))
    found = read(tmp_path, only_operations(operations))
    assert [line["operation"] for line in found] == list(OPCODES)
    numbers = sorted(errno.errorcode)
    failed = rows(*(row(result=-number) for number in numbers))
    found = read(tmp_path, only_operations(failed))
    assert [line["error"] for line in found] == [errno.errorcode[number] for number in numbers]


PATHS = {
    b"/etc/passwd\0": "/etc/passwd",
    b"\0": "",
    "/tmp/ü\n\\\0".encode(): "/tmp/ü\n\\",
    b"/tmp/\xff\\\0": "/tmp/\\xFF\\x5C",
    b"/" * 1008: "/" * 1008 + "…",
    b"": None,
}


def test_the_path_of_a_call_is_text_whatever_its_bytes(tmp_path):
    """A path may have any bytes but NUL, may be longer than what was read, or not readable."""
    calls = rows(*(call("openat", -100, 1) for _ in PATHS), row("READ"), call("read", 3, 1))
    found = read(tmp_path, Records(calls, memory(*((n, 1, data) for n, data in enumerate(PATHS))), NO_EVENTS))
    assert [line["pathname"] for line in found] == [*PATHS.values(), None, None]


def test_the_first_path_of_two_is_the_pathname_and_other_strings_are_none(tmp_path):
    calls = rows(call("rename", 1, 2), call("setxattr", 1, 2), call("memfd_create", 1))
    given = memory((0, 0, b"old\0"), (0, 1, b"new\0"), (1, 0, b"file\0"), (1, 1, b"user.x\0"), (2, 0, b"x\0"))
    found = read(tmp_path, Records(calls, given, NO_EVENTS))
    assert [line["pathname"] for line in found] == ["old", "file", None]


def test_the_form_of_memory_is_the_documented_one(tmp_path):
    given = memory((1, 1, b"/x\0"), (1, 0x11, b"\2\0"))
    calls = rows(call("read"), call("openat"))
    found = read(tmp_path, Records(calls, given, NO_EVENTS))
    first = struct.pack("<BII", 1, 3, 3) + b"/x\0"
    assert [line["memory"] for line in found] == [None, first + struct.pack("<BII", 0x11, 2, 2) + b"\2\0"]


def test_without_system_calls_there_are_no_columns_for_them(tmp_path, numbered):
    with connect() as connection:
        for number, batch in enumerate((numbered(0, 3), rows(call("read", 3)))):
            write_parts(connection, tmp_path, number, [(only_operations(batch), {})], ALL_NAMES, calls=False)
    names = [parquet.read_schema(part).names for part in sorted(tmp_path.iterdir())]
    assert "arg0" not in names[0]
    assert {"interface", "len", "result_file"} < set(names[0])
    assert names[1] == [column.name for column in COLUMNS], "what is there is never dropped"


def test_the_file_has_these_columns_in_this_order_and_constants_cost_nothing(tmp_path, numbered):
    path = tmp_path / "operations-00000.parquet"
    read(tmp_path, only_operations(numbered(0, 262_144)))
    file = parquet.ParquetFile(path)
    assert file.schema_arrow.names == [column.name for column in COLUMNS]
    groups = [file.metadata.row_group(number) for number in range(file.num_row_groups)]
    assert max(group.num_rows for group in groups) >= 60_000
    column = groups[0].column([column.name for column in COLUMNS].index("tgid"))
    assert column.total_compressed_size < 200
    assert path.stat().st_size < 262_144 * 8

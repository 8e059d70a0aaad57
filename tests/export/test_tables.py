"""CSV, JSON and Parquet have the rows that a query has: value by value, NULL as NULL."""

from __future__ import annotations

import csv
import json

import pyarrow.parquet
import pytest

from tests.export.conftest import HOSTILE, ask
from uringtrace.errors import FilterError, RecordingError, StorageError, UsageError
from uringtrace.tracer.filter import parse
from uringtrace.tracer.recording import open_recording
from uringtrace.tracer.recording.export import export_table
from uringtrace.tracer.recording.selection import TABLES, Selection
from uringtrace.tracer.redaction import RAW_COLUMNS, Pseudonyms

RECORDINGS = ("sample", "crashed", "hostile", "empty")


@pytest.fixture(params=RECORDINGS)
def recording(request):
    return request.getfixturevalue(request.param)


def exported(recording, path, table, format, selection=None):
    count = export_table(recording, table, selection or Selection(), format, path)
    return count, path


def columns(recording, table):
    return [name for name, *_ in ask(recording, f"DESCRIBE {table}")]


@pytest.mark.parametrize("table", TABLES)
def test_parquet_has_every_value(recording, tmp_path, table):
    count, path = exported(recording, tmp_path / "x.parquet", table, "parquet")
    read = pyarrow.parquet.read_table(path)
    assert read.column_names == columns(recording, table)
    expected = ask(recording, f"FROM {table}")
    assert [tuple(row.values()) for row in read.to_pylist()] == expected
    assert count == len(expected)


@pytest.mark.parametrize("table", ["operations", "readiness", "connections", "files", "meta"])
def test_json_has_one_object_per_line(recording, tmp_path, table):
    count, path = exported(recording, tmp_path / "x.json", table, "json")
    lines = path.read_text().splitlines() if count else []
    expected = ask(recording, f"SELECT * {'EXCLUDE (memory)' if table == 'operations' else ''} FROM {table}")
    everything = columns(recording, table)
    names = [name for name in everything if name != "memory"]
    rows = [json.loads(line) for line in lines]
    assert [tuple(row[name] for name in names) for row in rows] == expected
    assert count == len(rows)
    assert all(list(row) == everything for row in rows)


@pytest.mark.parametrize("table", ["operations", "socket_events", "connections", "files", "meta"])
def test_csv_has_a_line_of_names_and_empty_fields_for_null(recording, tmp_path, table):
    count, path = exported(recording, tmp_path / "x.csv", table, "csv")
    with path.open(newline="") as file:
        names, *rows = csv.reader(file)
    assert names == columns(recording, table)
    assert len(rows) == count
    shown = ", ".join(f"CAST({name} AS VARCHAR)" for name in names)
    expected = ask(recording, f"SELECT {shown} FROM {table}")
    assert [tuple(row) for row in rows] == [tuple(value or "" for value in row) for row in expected]


def test_an_empty_text_of_csv_is_not_null(server, tmp_path):
    _, path = exported(server, tmp_path / "x.csv", "connections", "csv", Selection(where="interfaces = ''"))
    without = ask(server, "SELECT count(*) FROM connections WHERE interfaces = ''")[0][0]
    assert path.read_text().count(',"",') == without


@pytest.mark.parametrize(
    "expression", ["op=READ", "latency>1ms", "error", "interface=syscall and fd=7", "slept"]
)
@pytest.mark.parametrize("name", ["sample", "server", "crashed"])
def test_a_filter_chooses_what_it_chooses_in_the_log(request, tmp_path, name, expression):
    from uringtrace.tracer.filter import Condition

    recording = request.getfixturevalue(name)
    parsed = parse(expression)
    condition = Condition(parsed, recording.context.operation_names)
    expected = [
        (int(row["completed_ns"]), int(row["tid"]))
        for records in recording.records()
        for row in records.operations[condition.holds(records, recording.files)]
    ]
    _, path = exported(recording, tmp_path / "x.json", "operations", "json", Selection(parsed))
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(row["completed_ns"], row["tid"] or 0) for row in rows] == expected
    assert expression == "slept" or expected


def test_a_filter_and_a_condition_both_hold(sample, tmp_path):
    selection = Selection(parse("interface=syscall"), "tid % 2 = 0 -- even")
    count, _ = exported(sample, tmp_path / "x.csv", "operations", "csv", selection)
    assert ask(sample, "SELECT count(*) FROM operations WHERE interface = 'syscall' AND tid % 2 = 0") == [
        (count,)
    ]
    assert count > 0


WRONG = [
    "nothing = 1",
    "1) TO '{outside}' (FORMAT csv",
    "1); DROP VIEW operations; SELECT (1",
    "(SELECT count(*) FROM read_csv('/etc/passwd')) > 0",
    "(SELECT count(*) FROM read_parquet('{outside}')) > 0",
    "error",  # a text, and no truth value
    "pathname::INTEGER = 1",
    "count(*) > 1",
]


@pytest.mark.parametrize("where", WRONG)
def test_a_wrong_condition_is_bad_usage_and_reads_and_writes_nothing_else(server, tmp_path, where):
    outside = tmp_path / "outside"
    with pytest.raises(UsageError, match=r"^SQL: ") as caught:
        exported(
            server, tmp_path / "x.csv", "operations", "csv", Selection(where=where.format(outside=outside))
        )
    assert "\n" not in caught.value.message
    assert not outside.exists()


def test_a_filter_is_for_operations_that_there_are(server, tmp_path):
    with pytest.raises(UsageError, match="-e chooses operations"):
        exported(server, tmp_path / "x", "files", "csv", Selection(parse("op=READ")))
    with pytest.raises(FilterError, match="no operation 'NOPE'"):
        exported(server, tmp_path / "x", "operations", "csv", Selection(parse("op=NOPE")))


def test_where_it_cannot_be_written(server, tmp_path):
    with pytest.raises(StorageError, match="cannot write operations"):
        exported(server, tmp_path / "absent" / "x", "operations", "csv")


def test_a_filter_of_a_damaged_recording_says_so(tmp_path, sample):
    import shutil

    path = shutil.copytree(sample.path, tmp_path / "damaged")
    part = path / "operations-00000.parquet"
    data = bytearray(part.read_bytes())
    data[1000:60000] = bytes(59000)
    part.write_bytes(data)
    with pytest.raises((RecordingError, StorageError)):
        exported(open_recording(path), tmp_path / "x", "operations", "csv", Selection(parse("op=READ")))


@pytest.mark.parametrize("table", TABLES)
def test_redacted_tables_name_nothing_and_still_join(request, tmp_path, table):
    for name, format in (("server", "json"), ("hostile", "csv"), ("crashed", "parquet")):
        recording = request.getfixturevalue(name)
        count, path = exported(
            recording, tmp_path / f"{name}.{format}", table, format, Selection(pseudonyms=Pseudonyms())
        )
        assert [(count,)] == ask(recording, f"SELECT count(*) FROM {table}")
        data = path.read_bytes()
        for secret in (b"127.0.0.1", b"x.db", b"/etc", b"talker", b"img src", HOSTILE.encode()):
            assert secret not in data


def test_pseudonyms_agree_between_columns_and_raw_values_are_absent(server, tmp_path):
    names = Pseudonyms()
    selection = Selection(pseudonyms=names)
    for table in ("files", "connections", "operations"):
        exported(server, tmp_path / f"{table}.parquet", table, "parquet", selection)
    tables = {
        table: pyarrow.parquet.read_table(tmp_path / f"{table}.parquet").to_pylist()
        for table in ("files", "connections", "operations")
    }
    (connection,) = (each for each in tables["connections"] if each["inode"] == 101)
    (file,) = (each for each in tables["files"] if each["inode"] == 101)
    assert (file["local"], file["remote"]) == (connection["local"], connection["remote"])
    assert file["description"] == f"TCP {file['local']}->{file['remote']}"
    assert file["local"] == names.address("127.0.0.1:80")
    shown = {name for row in tables["operations"] for name, value in row.items() if value is not None}
    assert not shown & set(RAW_COLUMNS)
    assert {"pathname", "latency_ns", "result", "fd"} <= shown


def test_a_redacted_condition_is_about_what_was_recorded(server, tmp_path):
    selection = Selection(where="pathname = '/etc/x.conf'", pseudonyms=Pseudonyms())
    count, path = exported(server, tmp_path / "x.json", "operations", "json", selection)
    assert count == 1
    assert json.loads(path.read_text())["pathname"] == "path-1"

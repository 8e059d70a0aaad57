"""docs/recording.md tells the truth: its tables, its queries, its fields of meta.json."""

from __future__ import annotations

import json
import re

import pytest

from tests.recording.scene import source
from uringtrace.tracer.recording import Writer, open_recording
from uringtrace.tracer.recording.chunks import RECORDS, records_chunk
from uringtrace.tracer.recording.columns import COLUMNS

TABLES = ("operations", "completions", "readiness", "interest", "socket_events", "connections", "threads")


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """A recording of the scene."""
    path = tmp_path_factory.mktemp("recording") / "run"
    given = source()
    with Writer(path, given, RECORDS) as writer:
        for records in given.records():
            assert writer.append(records_chunk(records))
    return path


@pytest.fixture
def document(repository):
    return (repository / "docs" / "recording.md").read_text()


def section(document, title, level="##"):
    end = "|".join(f"^{'#' * count} " for count in range(2, len(level) + 1))
    return re.search(rf"^{level} {title}\n(.*?)(?={end}|\Z)", document, re.MULTILINE | re.DOTALL)[1]


def described(path, table):
    with open_recording(path).query(f"DESCRIBE {table}") as result:
        return [(line[0], line[1]) for line in result.rows()]


@pytest.mark.parametrize("table", TABLES)
def test_the_columns_of_each_table_are_listed_in_order(document, path, table):
    listed = re.findall(r"^\| `(\w+)` \| (\w+) \|", section(document, table, "###"), re.MULTILINE)
    assert listed == described(path, table)


def test_the_columns_of_operations_are_those_of_a_part(path):
    assert described(path, "operations") == [(column.name, column.type) for column in COLUMNS]


@pytest.mark.parametrize("table", ["files", "rings", "meta"])
def test_the_columns_of_the_small_tables_are_listed(document, path, table):
    if table == "rings":
        listed = re.search(r"^\| `rings` \| (.*) \|$", section(document, r"meta\.json"), re.MULTILINE)[1]
        assert set(re.findall(r"`(\w+)`", listed)) <= {name for name, _ in described(path, table)}
        return
    line = re.search(
        rf"^\| `{table}` \| (.*) \|$", section(document, "files, rings, meta", "###"), re.MULTILINE
    )
    assert re.findall(r"`(\w+)`", line[1]) == [name for name, _ in described(path, table)]


def queries(repository):
    return re.findall(r"```sql\n(.*?)```", section(repository, "Queries"), re.DOTALL)


def test_the_queries_run_and_find_something(document, path):
    found = queries(document)
    assert len(found) >= 17
    for sql in found:
        with open_recording(path).query(sql) as result:
            assert list(result.rows()), sql


def answer(document, path, words):
    """What the query below the line with these words answers."""
    sql = re.search(rf"^{re.escape(words)}.*?```sql\n(.*?)```", document, re.MULTILINE | re.DOTALL)[1]
    with open_recording(path).query(sql) as result:
        return [dict(zip(result.names, line, strict=True)) for line in result.rows()]


def test_the_queries_find_what_happened_in_the_scene(document, path):
    (writer,) = answer(document, path, "Who wrote the eventfd")
    assert (writer["waiter"], writer["cause_operation"], writer["writer"]) == (4243, "write", 4244)
    (storm,) = answer(document, path, "EAGAIN storms")
    assert (storm["tid"], storm["operation"], storm["times"]) == (4243, "recvfrom", 3)
    failed = answer(document, path, "Paths that were asked for")
    assert {(line["pathname"], line["error"]) for line in failed} == {
        ("/etc/x.conf", "ENOENT"),
        ("/opt/x.conf", "EACCES"),
    }
    woken = answer(document, path, "Which descriptors woke epoll most")
    assert {(line["fd"], line["description"], line["events"]) for line in woken} == {
        (6, "TCP 127.0.0.1:80", "EPOLLIN"),
        (7, "TCP 127.0.0.1:80->127.0.0.1:4000", "EPOLLIN"),
        (5, "anon_inode:[eventfd]", "EPOLLIN"),
    }
    (lay,) = answer(document, path, "How long data lay in a socket")
    assert lay["lay_us"] == 700
    moved = answer(document, path, "What each connection moved")
    assert {(line["interface"], line["operation"], line["bytes"]) for line in moved} >= {
        ("syscall", "recvfrom", 100),
        ("syscall", "sendto", 300),
        ("io_uring", "SEND", 200),
    }
    (requests,) = answer(document, path, "Requests per connection")
    assert (requests["requests"], requests["role"], requests["bytes_in"]) == (1, "server", 100)
    waited = {line["tid"]: line for line in answer(document, path, "What threads waited on")}
    assert (waited[4243]["name"], waited[4243]["waited_on"]) == ("talker", "epoll_wait")
    assert waited[4244]["current_call"] == "futex"
    (still_open,) = answer(document, path, "Connections that were open at the end")
    assert still_open["fd"] == 7


def test_the_fields_of_meta_json_are_listed(document, path):
    listed = set()
    for cell in re.findall(r"^\| (`.*?) \|", section(document, r"meta\.json"), re.MULTILINE):
        listed |= set(re.findall(r"`(\w+)`", cell))
    assert listed == set(json.loads((path / "meta.json").read_text()))


def test_the_files_of_the_directory_are_listed(document, path):
    listed = re.findall(r"`([a-z_]+(?:-00000)?\.\w+)`", section(document, "The directory"))
    assert {entry.name for entry in path.iterdir()} <= set(listed)


def test_pandas_like_readers_find_every_part(path):
    dataset = pytest.importorskip(
        "pyarrow.dataset", reason="pyarrow, the independent reader, is not installed"
    )
    files = sorted(path.glob("operations-*.parquet"))
    with open_recording(path).query("SELECT count(*) FROM operations") as result:
        assert dataset.dataset(files, format="parquet").count_rows() == next(result.rows())[0] > 20

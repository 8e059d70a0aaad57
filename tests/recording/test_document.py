"""docs/recording.md tells the truth: its columns, its queries, its fields of meta.json."""

from __future__ import annotations

import json
import re

import pytest

from tests.fakes import RING, FakeSource, multishot_rows, row, rows
from uringtrace.tracer.recording import open_recording
from uringtrace.tracer.recording.columns import COLUMNS
from uringtrace.tracer.source import File


@pytest.fixture
def document(repository):
    return (repository / "docs" / "recording.md").read_text()


@pytest.fixture
def path(make_recording):
    batch = rows(
        row("READ", result=4096, file=1, path=2, chain=10**12, chain_position=1),
        row("SEND", result=-32, path=1),
        row("NOP", kind=5),
        multishot_rows("ACCEPT", [4, 5, 6]),
    )
    source = FakeSource([], rings=(RING,), files={1: File(1, "/var/lib/x.db", 2, 99)})
    return make_recording([batch], source=source)


def section(document, title):
    return re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", document, re.MULTILINE | re.DOTALL)[1]


def test_the_columns_are_those_of_a_part(document, path):
    listed = re.findall(r"^\| `(\w+)` \| (\w+) \|", section(document, "Columns"), re.MULTILINE)
    assert listed == [(column.name, column.type) for column in COLUMNS]
    with open_recording(path).query("DESCRIBE operations") as result:
        assert listed == [(line[0], line[1]) for line in result.rows()]


def test_the_queries_run_and_find_something(document, path):
    queries = re.findall(r"```sql\n(.*?)```", section(document, "Queries"), re.DOTALL)
    assert len(queries) >= 7
    for sql in queries:
        with open_recording(path).query(sql) as result:
            assert list(result.rows()), sql


def test_the_fields_of_meta_json_are_listed(document, path):
    listed = set()
    for cell in re.findall(r"^\| (`.*?) \|", section(document, r"meta\.json"), re.MULTILINE):
        listed |= set(re.findall(r"`(\w+)`", cell))
    assert listed == set(json.loads((path / "meta.json").read_text()))


def test_pandas_like_readers_find_every_part(path):
    dataset = pytest.importorskip(
        "pyarrow.dataset", reason="pyarrow, the independent reader, is not installed"
    )
    files = sorted(path.glob("operations-*.parquet"))
    assert dataset.dataset(files, format="parquet").count_rows() == 6

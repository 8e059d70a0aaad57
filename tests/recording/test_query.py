"""SQL over a recording: what it can see, and that it can see and change nothing else."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from tests.fakes import RING, STARTED_NS, FakeSource, multishot_rows, row, rows
from tests.recording.conftest import write_recording
from uringtrace.errors import UsageError
from uringtrace.tracer.recording import open_recording
from uringtrace.tracer.recording.columns import COLUMNS
from uringtrace.tracer.source import File, Losses


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    """For all questions; none of them changes it."""
    batch = rows(
        row("READ", result=4096, fd=7, file=1, path=1),
        row("READ", result=-11, fd=7, file=1),
        row("SEND", result=10, fd=9, path=3),
        multishot_rows("ACCEPT", [4, 5, 6]),
    )
    files = {1: File(1, "/var/lib/x.db", 2, 99), 2: File(2, "a,b\n\x1b[31m", 0, 0)}
    source = FakeSource([], rings=(RING,), files=files, losses=Losses({"operations": 3}, 4))
    return open_recording(write_recording(tmp_path_factory.mktemp("query") / "run", [batch], source=source))


def ask(recording, sql):
    with recording.query(sql) as result:
        return list(result.rows())


def test_the_views(recording):
    found = ask(recording, "SELECT operation, path, error, result FROM operations LIMIT 3")
    assert found == [
        ("READ", "poll", None, 4096),
        ("READ", "inline", "EAGAIN", -11),
        ("SEND", "io-wq", None, 10),
    ]
    assert ask(recording, "SELECT DISTINCT description FROM operations JOIN files USING (file)") == [
        ("/var/lib/x.db",)
    ]
    assert ask(recording, "SELECT ring, tgid, sq_entries, in_flight_max FROM rings") == [(5, 4242, 128, 64)]
    assert ask(recording, "SELECT status, lost, untracked, target FROM meta") == [
        ("complete", 3, 4, "process 4242")
    ]
    assert ask(recording, f"SELECT epoch_us(wall_time({STARTED_NS + 1000}))") == [(1_700_000_000_000_001,)]
    assert len(ask(recording, "DESCRIBE operations")) == len(COLUMNS)


NOT_A_READ = [
    "COPY operations TO '{outside}'",
    "COPY (SELECT 1) TO '{part}'",
    "CREATE TABLE x AS SELECT 1",
    "DROP VIEW operations",
    "INSERT INTO files VALUES (1, 'x', 0, 0)",
    "UPDATE meta SET lost = 0",
    "ATTACH '{outside}'",
    "INSTALL httpfs",
    "LOAD httpfs",
    "SET enable_external_access = true",
    "PRAGMA database_list",
    "CALL pragma_version()",
    "EXPLAIN ANALYZE COPY operations TO '{outside}'",
    "EXPORT DATABASE '{outside}'",
    "SELECT 1; SELECT 2",
    "",
    "-- nothing",
]
OUT_OF_REACH = [
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM '/etc/passwd'",
    "SELECT * FROM read_text('{meta}')",
    "SELECT * FROM read_blob('/etc/hostname')",
    "SELECT * FROM glob('/*')",
    "SELECT * FROM read_parquet('https://127.0.0.1:1/x.parquet')",
    "SELECT * FROM sqlite_scan('{outside}', 'x')",
    "SELECT getenv('HOME')",
    "SELECT * FROM query('COPY operations TO ''{outside}''')",
    "SELECT * FROM recording",
]
WRONG = [
    "SELEC 1",
    "SELECT nothing FROM operations",
    "SELECT * FROM nowhere",
    "SELECT CAST(kind AS INTEGER) FROM operations",
]


@pytest.mark.parametrize("sql", [*NOT_A_READ, *OUT_OF_REACH, *WRONG])
def test_what_is_refused_is_one_line_of_bad_usage_and_changes_nothing(recording, tmp_path, sql):
    outside = tmp_path / "outside"
    part = recording.path / "operations-00000.parquet"
    before = {path: path.read_bytes() for path in recording.path.iterdir()}
    with pytest.raises(UsageError) as caught:
        ask(recording, sql.format(outside=outside, part=part, meta=recording.path / "meta.json"))
    assert caught.value.exit_code == 2
    assert caught.value.message.startswith("SQL: ")
    assert "\n" not in caught.value.message
    assert not outside.exists()
    assert {path: path.read_bytes() for path in recording.path.iterdir()} == before
    assert ask(recording, "SELECT count(*) FROM operations") == [(6,)]


def test_a_path_with_quotes_is_a_path(make_recording, numbered, tmp_path):
    path = make_recording([numbered(0, 3)])
    odd = tmp_path / "it's [a] *recording*"
    path.rename(odd)
    assert ask(open_recording(odd), "SELECT count(*) FROM operations") == [(3,)]


def test_as_a_table(recording, run_uringtrace):
    done = run_uringtrace(
        "query", str(recording.path), "SELECT operation, result, error FROM operations LIMIT 3"
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (
        "operation  result  error\n"
        "READ         4096  –\n"
        "READ          -11  EAGAIN\n"
        "SEND           10  –\n"
    )  # fmt: skip


def test_as_ndjson_and_csv(recording, run_uringtrace):
    sql = "SELECT file, description, 0.5 AS half, NULL AS none, 'NaN'::DOUBLE AS nan FROM files ORDER BY file"
    done = run_uringtrace("query", str(recording.path), sql, "--json")
    assert done.stdout == (
        '{"file": 1, "description": "/var/lib/x.db", "half": 0.5, "none": null, "nan": null}\n'
        '{"file": 2, "description": "a,b\\n\\u001b[31m", "half": 0.5, "none": null, "nan": null}\n'
    )
    done = run_uringtrace("query", str(recording.path), sql, "--csv")
    assert done.stdout == ('file,description,half,none,nan\n1,/var/lib/x.db,0.5,,\n2,"a,b\n\x1b[31m",0.5,,\n')


def test_a_table_shows_no_control_characters(recording, run_uringtrace):
    done = run_uringtrace("query", str(recording.path), "SELECT description FROM files WHERE file = 2")
    assert done.stdout == "description\na,b\\n\\x1b[31m\n"


def test_bad_usage_is_exit_2_without_a_traceback(recording, run_uringtrace, tmp_path):
    for arguments in (
        [str(recording.path), "SELEC"],
        [str(tmp_path / "absent"), "SELECT 1"],
        [str(recording.path)],
        [str(recording.path), "SELECT 1", "--json", "--csv"],
    ):
        done = run_uringtrace("query", *arguments)
        assert (done.returncode, done.stdout) == (2, ""), arguments
        assert "Traceback" not in done.stderr
        assert done.stderr


def test_problems_go_to_stderr_before_the_rows(recording, tmp_path, run_uringtrace):
    path = shutil.copytree(recording.path, tmp_path / "damaged")
    part = path / "operations-00000.parquet"
    part.write_bytes(part.read_bytes()[:-10])
    done = run_uringtrace("query", str(path), "SELECT count(*) AS n FROM operations")
    assert done.stdout == "n\n0\n"
    assert "operations-00000.parquet is damaged" in done.stderr
    assert done.returncode == 0


def test_a_reader_that_goes_away_ends_it_quietly(recording, repository):
    import sys

    command = f"{sys.executable} -m uringtrace query {recording.path} 'FROM range(1000000)' | head -1"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, cwd=repository, timeout=60)
    assert done.stdout.split() == ["range"]
    assert "Traceback" not in done.stderr

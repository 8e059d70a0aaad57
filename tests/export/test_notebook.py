"""`uringtrace.open`: tables as DuckDB has them, a figure that shows itself, errors in one line."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

import uringtrace
from tests.export.conftest import ask
from uringtrace.errors import Error, RecordingError, UsageError
from uringtrace.tracer.recording.selection import TABLES


@pytest.fixture
def run(sample):
    with uringtrace.open(sample.path) as opened:
        yield opened


@pytest.mark.parametrize("name", ["sample", "crashed", "empty"])
def test_each_table_is_a_relation_with_the_rows_of_a_query(request, name):
    recording = request.getfixturevalue(name)
    with uringtrace.open(str(recording.path)) as opened:
        for table in TABLES:
            relation = getattr(opened, table)()
            assert isinstance(relation, duckdb.DuckDBPyRelation)
            assert relation.fetchall() == ask(recording, f"FROM {table}"), table


def test_sums_are_those_of_the_parts(sample, run):
    parts = f"'{sample.path}/operations-*.parquet'"
    sums = "count(*), sum(completed_ns), sum(result), count(DISTINCT tid)"
    expected = duckdb.sql(f"SELECT {sums} FROM {parts}").fetchall()
    assert run.operations().aggregate(sums).fetchall() == expected
    assert run.sql(f"SELECT {sums} FROM operations").fetchall() == expected
    assert len(run.operations()) == expected[0][0]


def test_frames_and_arrays(run):
    pytest.importorskip("pandas")
    pytest.importorskip("polars")
    rows = len(run.operations())
    arrays = run.operations().fetchnumpy()
    assert arrays["completed_ns"].shape == (rows,)
    assert run.operations().df().shape == run.operations().pl().shape == (rows, len(arrays))


def test_the_summary_is_that_of_stat(run, run_uringtrace):
    import json

    done = run_uringtrace("stat", "--json", str(run.path))
    totals = json.loads(done.stdout)["totals"]
    summary = run.summary()
    assert summary.totals.completions == totals["completions"]
    assert summary.totals.errors == totals["errors"]
    assert summary.totals.bytes == totals["bytes"]


def test_the_timeline_is_a_figure_of_all_or_of_a_window(run):
    from plotly.graph_objects import Figure

    assert isinstance(run.timeline(), Figure)
    window = run.timeline(0.5, 0.6)
    assert tuple(window.layout.xaxis.range) != tuple(run.timeline().layout.xaxis.range)
    with pytest.raises(UsageError, match="no such window"):
        run.timeline(2, 1)


def test_it_shows_itself_and_names_are_data(hostile, run):
    with uringtrace.open(hostile.path) as opened:
        shown = opened._repr_html_()
        assert "<img" not in shown
        assert "&lt;img" in shown
    shown = run._repr_html_()
    for interface in ("io_uring", "syscall"):
        ((count,),) = run.sql(f"SELECT count(*) FROM operations WHERE interface = '{interface}'").fetchall()
        assert f">{count:,}" in shown
    assert repr(run) == f"<uringtrace.Recording {str(run.path)!r} of 'build/targets/demo'>"


def test_problems_are_said(crashed):
    with uringtrace.open(crashed.path) as opened:
        assert any("died" in problem for problem in opened.problems)
        assert "died" in opened._repr_html_()


WRONG = [
    "SELEC 1",
    "FROM nowhere",
    "DROP VIEW operations",
    "FROM read_csv('/etc/passwd')",
    "SELECT 1; SELECT 2",
]


@pytest.mark.parametrize("sql", WRONG)
def test_wrong_sql_is_one_line(run, sql):
    with pytest.raises(UsageError, match=r"^SQL: ") as caught:
        run.sql(sql)
    assert "\n" not in str(caught.value)


def test_it_sees_no_variables_of_the_caller(run):
    mine = duckdb.sql("SELECT 1 AS x").fetchnumpy()
    with pytest.raises(UsageError, match="mine"):
        run.sql("FROM mine")
    assert mine


def test_what_is_no_recording_and_what_was_closed(tmp_path, sample):
    with pytest.raises(RecordingError, match="no such recording"):
        uringtrace.open(tmp_path / "absent")
    opened = uringtrace.open(sample.path)
    opened.close()
    opened.close()
    for ask_it in (opened.operations, opened.timeline, lambda: opened.sql("SELECT 1")):
        with pytest.raises(Error, match="was closed") as caught:
            ask_it()
        assert caught.value.way_out == "open it again with uringtrace.open"


def test_it_is_frozen(run):
    with pytest.raises(AttributeError):
        run.path = Path("/")


def test_a_relation_outlives_the_variable_of_its_recording(sample):
    relation = uringtrace.open(sample.path).operations()
    assert len(relation.fetchall()) == len(relation)


def test_importing_loads_nothing_heavy_and_the_end_says_nothing(sample, repository):
    code = (
        "import sys, uringtrace\n"
        "print([name for name in ('numpy', 'duckdb', 'plotly', 'perfetto') if name in sys.modules])\n"
        f"print(len(uringtrace.open({str(sample.path)!r}).operations()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=repository, check=True, timeout=60
    )
    assert done.stdout.splitlines() == ["[]", str(len(ask(sample, "SELECT 1 FROM operations")))]
    assert done.stderr == ""


def blocks(page, language):
    return re.findall(rf"^```{language}\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)


def test_a_notebook_of_what_the_documentation_shows(sample, repository, tmp_path):
    """Every block of docs/python.md runs as a cell; figures and tables show themselves."""
    nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed")
    nbformat = pytest.importorskip("nbformat", reason="nbformat is not installed")
    pytest.importorskip("ipykernel", reason="ipykernel is not installed: no kernel to run a notebook in")
    pytest.importorskip("pandas")
    pytest.importorskip("polars")
    (tmp_path / "run").symlink_to(sample.path)
    cells = blocks((repository / "docs" / "python.md").read_text(), "python")
    assert len(cells) >= 6
    timeline, count = "uringtrace.open('run').timeline()", "len(run.operations())"
    sources = [f"import sys; sys.path.insert(0, {str(repository)!r})", *cells, timeline, count]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
    client = nbclient.NotebookClient(
        notebook, timeout=100, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    )
    client.execute()
    outputs = [cell.outputs for cell in notebook.cells]
    recording, figure, number = outputs[2 - 1], outputs[-2], outputs[-1]
    assert "io_uring" in recording[-1].data["text/html"]
    (shown,) = (each.data for each in figure if each.output_type in ("display_data", "execute_result"))
    drawn = shown["application/vnd.plotly.v1+json"]
    with uringtrace.open(sample.path) as opened:
        expected = opened.timeline()
        assert len(drawn["data"]) == len(expected.data) > 0
        assert drawn["layout"]["title"]["text"] == expected.layout.title.text
        assert number[-1].data["text/plain"] == str(len(opened.operations()))
    assert (tmp_path / "timeline.html").stat().st_size > 1_000_000


COMMAND = re.compile(r"^\$ uringtrace (export run .*)$", re.MULTILINE)


def test_the_commands_of_the_documentation(sample, repository, tmp_path):
    """Every command of docs/export.md does what it says, and its files hold what DuckDB counts."""
    import json

    pytest.importorskip("perfetto")
    (tmp_path / "run").symlink_to(sample.path)
    commands = COMMAND.findall((repository / "docs" / "export.md").read_text())
    assert len(commands) == 6
    for command in commands:
        done = subprocess.run(
            f"{sys.executable} -m uringtrace {command}", shell=True, capture_output=True, text=True,
            cwd=tmp_path, env={"PYTHONPATH": str(repository), "PATH": "/usr/bin:/bin"}, timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert done.stdout or "lost 0, untracked 0" in done.stderr
    lines = (tmp_path / "connections.json").read_text().splitlines()
    assert [(json.loads(line)["number"],) for line in lines] == ask(sample, "SELECT number FROM connections")
    reads = duckdb.sql(f"SELECT count(*) FROM '{tmp_path}/reads.parquet'").fetchall()
    assert reads == ask(sample, "SELECT count(*) FROM operations WHERE operation = 'READ'")
    assert (tmp_path / "slow.csv").read_text().count("\n") > 1
    assert (tmp_path / "run.pftrace").stat().st_size > 1_000_000


def test_the_documentation_names_every_table_and_category(repository):
    pytest.importorskip("perfetto")
    from uringtrace.ui.perfetto import operations, trace

    export = (repository / "docs" / "export.md").read_text()
    python = (repository / "docs" / "python.md").read_text()
    assert all(f"`{table}`" in python for table in TABLES)
    categories = (
        operations.SUBMISSION,
        operations.WAKE,
        operations.CONNECTION,
        trace.READINESS,
        trace.CAPTURE,
    )
    assert all(f"`{category}`" in export for category in (*categories, "io_uring", "syscall"))

"""`uringtrace export`: where it writes, what it refuses, what it says."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading

import pytest

from uringtrace.cli.export import TABLES, ExportCommand
from uringtrace.errors import UsageError
from uringtrace.tracer.new_file import new_file
from uringtrace.tracer.recording.export import export_table
from uringtrace.tracer.recording.selection import Selection


@pytest.fixture
def run(run_uringtrace, server):
    return lambda *arguments, **options: run_uringtrace("export", str(server.path), *arguments, **options)


def mode(path):
    return path.stat().st_mode & 0o777


@pytest.mark.parametrize("option", ["--perfetto", "--csv", "--json", "--parquet-file"])
def test_a_file_is_for_its_owner_and_not_overwritten_without_force(run, tmp_path, option):
    pytest.importorskip("perfetto")
    path = tmp_path / "out"
    done = run(option, str(path), umask=0)
    assert (done.returncode, done.stdout) == (0, "")
    assert " in " in done.stderr
    assert "lost 0, untracked 0" in done.stderr
    assert mode(path) == 0o600
    before = path.read_bytes()
    assert before
    refused = run(option, str(path))
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "exists already" in refused.stderr
    assert "--force" in refused.stderr
    path.write_text("older")
    assert run(option, str(path), "--force").returncode == 0
    # Where the threads of DuckDB put row groups is theirs; the size of the others is that of the data.
    assert path.read_bytes() == before or option == "--parquet-file"
    assert [each.name for each in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("option", ["--csv", "--json"])
def test_standard_output_has_the_same_bytes_as_a_file(run, tmp_path, option):
    done = run(option, "-")
    assert (done.returncode, done.stderr) == (0, "")
    run(option, str(tmp_path / "out"))
    assert (tmp_path / "out").read_text() == done.stdout


def test_appending_to_a_file_of_the_shell_keeps_what_is_in_it(server, tmp_path, repository):
    path = tmp_path / "out"
    export = f"{sys.executable} -m uringtrace export {server.path} --csv - --table meta"
    command = f"echo first > {path}; {export} >> {path}"
    subprocess.run(["sh", "-c", command], check=True, cwd=repository, timeout=60)
    assert path.read_text().startswith("first\nstatus,kernel,")


def test_a_fifo_is_written_to(run, tmp_path):
    path = tmp_path / "fifo"
    os.mkfifo(path)
    read = []
    reader = threading.Thread(target=lambda: read.append(path.read_text()))
    reader.start()
    done = run("--json", str(path), "--table", "connections")
    reader.join(timeout=30)
    assert done.returncode == 0
    assert json.loads(read[0].splitlines()[0])["number"] == 1


def test_a_reader_that_goes_away_ends_it_quietly(sample, repository):
    command = f"{sys.executable} -m uringtrace export {sample.path} --json - | head -1"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, cwd=repository, timeout=60)
    assert json.loads(done.stdout)["operation"] == "execve"
    assert done.stderr == ""


def test_a_full_device_is_a_failure_in_one_line(sample, run_uringtrace):
    done = run_uringtrace("export", str(sample.path), "--csv", "/dev/full")
    assert done.returncode == 1
    assert done.stderr == "uringtrace: error: No space left on device\n"


BAD = [
    [],
    ["--csv", "a", "--json", "b"],
    ["--csv", ""],
    ["--csv", "-", "--table", "nothing"],
    ["--perfetto", "x", "--table", "files"],
    ["--parquet-file", "-"],
    ["--parquet-file", "/dev/null"],
    ["--csv", "/proc/absent/x"],
    ["--csv", "."],
    ["--csv", "-", "-e", "op="],
    ["--csv", "-", "-e", "op=NOPE"],
    ["--csv", "-", "--table", "files", "-e", "op=READ"],
    ["--csv", "-", "--where", "nothing = 1"],
    ["--csv", "-", "--where", "1; SELECT 1"],
]


@pytest.mark.parametrize("arguments", BAD)
def test_bad_usage_is_exit_2_and_one_line(run, arguments):
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("uringtrace: error: ")
    assert "Traceback" not in done.stderr


def test_what_is_no_recording(run_uringtrace, tmp_path):
    done = run_uringtrace("export", str(tmp_path), "--csv", "-")
    assert done.returncode == 2
    assert "is not a recording" in done.stderr


def test_without_the_package_perfetto_there_is_one_clear_line(run, tmp_path):
    (tmp_path / "perfetto").mkdir()
    (tmp_path / "perfetto" / "__init__.py").write_text("")
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    done = run("--perfetto", str(tmp_path / "x"), env={**os.environ, "PYTHONPATH": path})
    assert done.returncode == 2
    assert done.stderr == (
        "uringtrace: error: --perfetto needs the Python package perfetto, with its trace builder\n"
        "  pip install 'uringtrace[perfetto]', or pip install 'perfetto>=0.56'\n"
    )
    assert not (tmp_path / "x").exists()


def test_problems_of_the_recording_are_said(crashed, run_uringtrace):
    done = run_uringtrace("export", str(crashed.path), "--csv", "-", "--table", "connections")
    assert done.returncode == 0
    assert done.stdout.startswith("number,")
    assert "died: operations after its last write are missing" in done.stderr


def test_the_tables_are_those_that_there_are():
    from uringtrace.tracer.recording.selection import TABLES as KNOWN

    assert TABLES == KNOWN


def test_asking_for_help_loads_nothing_heavy(repository):
    code = (
        "import sys; from uringtrace.cli.main import main; main(['export', '--help']); "
        "print([name for name in ('numpy', 'duckdb', 'perfetto', 'plotly') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=repository, check=True, timeout=60
    )
    assert done.stdout.splitlines()[-1] == "[]"
    assert ExportCommand.epilog.splitlines()[1] in done.stdout


@pytest.mark.parametrize("format", ["csv", "json", "parquet"])
def test_ctrl_c_ends_a_long_query_as_ctrl_c(sample, tmp_path, format):
    """As SIGINT does, but with a signal of its own, which pytest does not mind."""
    endless = "regexp_matches(repeat('a', 20000 + completed_ns % 7), '(a*)*b')"

    def interrupt(*_):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 1)
        with pytest.raises(KeyboardInterrupt):
            export_table(sample, "operations", Selection(where=endless), format, tmp_path / "x")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def interrupted(path, *, force):
    with new_file(path, force=force) as partial:
        partial.write_text("half")
        raise KeyboardInterrupt


def test_a_new_file_is_whole_or_not_there(tmp_path):
    path = tmp_path / "x"
    with pytest.raises(KeyboardInterrupt):
        interrupted(path, force=False)
    assert list(tmp_path.iterdir()) == []
    path.write_text("older")
    with pytest.raises(KeyboardInterrupt):
        interrupted(path, force=True)
    assert path.read_text() == "older"
    path.unlink()
    with pytest.raises(UsageError, match="exists already"), new_file(path, force=False):
        path.write_text("came meanwhile")
    assert path.read_text() == "came meanwhile"
    assert list(tmp_path.iterdir()) == [path]

"""Ctrl-C ends a statement of DuckDB, whatever its threads are doing, and is nobody's error."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading

import duckdb
import pytest

from tests.fakes import row, rows
from tests.recording.conftest import write_recording
from uringtrace.cli import main as cli
from uringtrace.tracer.recording.interruption import interruptible

ENDLESS = "SELECT count(*) FROM range(1000000000000) AS counted(i) WHERE i % 7 = 3"


@pytest.fixture
def alarm():
    """KeyboardInterrupt in a moment, as SIGINT does, but with a signal that pytest does not mind."""

    def interrupt(*_):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    yield lambda: signal.setitimer(signal.ITIMER_REAL, 0.2)
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("threads", [1, 4])
def test_work_that_other_threads_do_is_broken_off(alarm, threads):
    """And the connection answers again."""
    with duckdb.connect(config={"threads": threads}) as connection:
        alarm()
        with pytest.raises(KeyboardInterrupt):
            interruptible(connection, lambda: connection.execute(ENDLESS).fetchall())
        assert interruptible(connection, lambda: connection.execute("SELECT 7").fetchall()) == [(7,)]


def test_what_fails_fails_as_without():
    with duckdb.connect() as connection, pytest.raises(duckdb.CatalogException, match="nothing"):
        interruptible(connection, lambda: connection.execute("FROM nothing"))


def test_another_thread_than_that_of_signals_asks_itself():
    asked_by: list[threading.Thread] = []
    with duckdb.connect() as connection:
        thread = threading.Thread(
            target=lambda: interruptible(connection, lambda: asked_by.append(threading.current_thread()))
        )
        thread.start()
        thread.join()
    assert asked_by == [thread]


def test_query_ends_as_a_process_that_sigint_ended(tmp_path, repository):
    """In the middle of rows that never end."""
    recording = write_recording(tmp_path / "run", [rows(row("NOP"))])
    sql = "SELECT i FROM range(1000000000000) AS counted(i)"
    command = [sys.executable, "-m", "uringtrace", "query", str(recording), sql, "--csv"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=repository
    ) as process:
        assert process.stdout is not None
        assert [process.stdout.readline() for _ in range(2)] == ["i\n", "0\n"]
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (cli.EXIT_INTERRUPTED, "")


def test_reading_that_was_interrupted_is_no_bug(monkeypatch, capsys):
    """Where DuckDB itself notices it says so in a RuntimeError."""

    def interrupted(argv):
        raise RuntimeError(cli.QUERY_INTERRUPTED)

    monkeypatch.setattr(cli, "dispatch", interrupted)
    assert cli.main(["query"]) == cli.EXIT_INTERRUPTED
    assert capsys.readouterr().err == ""

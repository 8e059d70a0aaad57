"""Logs on disk: one file, or those of -ff; and command lines that name no two sides."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.compare.test_phases import DEMO as RECORDING
from uringtrace.cli.main import dispatch
from uringtrace.errors import UsageError
from uringtrace.tracer.compare.read import read_log, texts_of

PLAIN = "10  1700000000.000001 read(3) = 1\n10  1700000000.000002 +++ killed by SIGKILL +++\nwhat is this\n"


def test_one_file_has_its_threads_in_its_lines(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text(PLAIN)
    log = read_log(path)
    assert log.rows["tid"].tolist() == [10]
    assert (log.lines, log.unparsed_lines, log.killed) == (3, 1, {10})
    assert log.format.options == ("-f", "-ttt")
    assert texts_of(path, [1, 3]) == {1: "read(3) = 1"}


def test_files_of_ff_are_one_log(tmp_path: Path) -> None:
    """Their threads are in their names, and no two lines have one number."""
    (tmp_path / "log.9").write_text("1700000000.000003 write(4) = 2\n1700000000.000004 close(4) = 0\n")
    (tmp_path / "log.10").write_text("1700000000.000001 read(3) = 1\n")
    (tmp_path / "log.old").write_text("nothing of it\n")
    log = read_log(tmp_path / "log")
    assert log.rows["tid"].tolist() == [9, 9, 10]
    assert log.rows["line"].tolist() == [1, 2, 3]
    assert [log.names[name] for name in log.rows["name"]] == ["write", "close", "read"]
    wanted = {2: "close(4) = 0", 3: "read(3) = 1"}
    assert texts_of(tmp_path / "log", wanted) == wanted


def test_a_log_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such log"):
        read_log(tmp_path / "log")


def test_an_output_that_is_there_is_refused_before_anything_is_done(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text("another")
    with pytest.raises(UsageError, match="exists already"):
        dispatch(["compare", "--yes", "-o", str(path), "1"])
    assert path.read_text() == "another"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([str(RECORDING)], "is compared with a log"),
        (["--strace", "x", "-p", "1"], "goes with a recording"),
        (["--strace", "x", "--once", str(RECORDING)], "not for two files"),
        (["-a"], "the whole machine"),
        (["--interface", "syscall", "1"], "needs both interfaces"),
        (["--with", "gdb", "1"], "'gdb' is none of"),
    ],
)
def test_what_does_not_go_together_is_said(words: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        dispatch(["compare", *words])

"""Every failure is one line on stderr with a way out, and its documented exit code."""

import os
import subprocess
import sys

import pytest

import uringtrace.cli.main as cli
from uringtrace.cli.main import main
from uringtrace.errors import CapabilityError, FilterError, StorageError


class Raising:
    """A row of the table whose command fails as told."""

    def __init__(self, error):
        self.error = error
        self.name = self.summary = self.group = self.epilog = "raising"

    def load(self):
        return self

    def configure(self, parser):
        parser.add_argument("words", nargs="*")

    def run(self, arguments):
        raise self.error


@pytest.fixture
def failing(monkeypatch, capsys):
    """Run a command that raises `error`; returns exit code, stdout and stderr."""

    def run(error):
        monkeypatch.setattr(cli, "COMMANDS", {"raising": Raising(error)})
        code = main(["raising"])
        output = capsys.readouterr()
        return code, output.out, output.err

    return run


def test_error_with_way_out(failing):
    code, out, err = failing(CapabilityError("bcc is not installed", "apt install python3-bpfcc"))
    assert (code, out) == (2, "")
    assert err == "uringtrace: error: bcc is not installed\n  apt install python3-bpfcc\n"


def test_error_without_way_out_is_one_line(failing):
    assert failing(StorageError("disk full"))[::2] == (1, "uringtrace: error: disk full\n")


def test_filter_error_points_at_the_word(failing):
    error = FilterError("unknown name", 3, 4, "known: op, fd", expression="op=QUUX & fd=3")
    _, _, err = failing(error)
    assert err.splitlines() == [
        "uringtrace: error: unknown name",
        "  op=QUUX & fd=3",
        "     ^^^^",
        "  known: op, fd",
    ]


def test_unexpected_exception_shows_no_traceback(failing, monkeypatch):
    monkeypatch.delenv("URINGTRACE_DEBUG", raising=False)
    code, _, err = failing(ValueError("first\nsecond"))
    assert code == 1
    assert "Traceback" not in err
    assert "second" not in err
    assert err.startswith("uringtrace: error: internal error: ValueError: first\n")


def test_unexpected_exception_with_debug_shows_it(failing, monkeypatch):
    monkeypatch.setenv("URINGTRACE_DEBUG", "1")
    assert "Traceback" in failing(ValueError("x"))[2]


def test_operating_system_error_names_file_and_reason(failing):
    code, _, err = failing(PermissionError(13, "Permission denied", "/etc/shadow"))
    assert (code, err) == (1, "uringtrace: error: /etc/shadow: Permission denied\n")


def test_interrupt(failing):
    assert failing(KeyboardInterrupt()) == (130, "", "")


@pytest.mark.parametrize(
    ("argv", "message", "way_out"),
    [
        (["stats"], "unknown command 'stats'", "did you mean: uringtrace stat"),
        (["xyzzy"], "unknown command 'xyzzy'", "see: uringtrace --help"),
        (["--jsno"], "unknown option --jsno", "see: uringtrace --help"),
        (["check", "--jsno"], "unrecognized arguments: --jsno", "see: uringtrace check --help"),
        (
            ["check", "--", "ls"],
            "check starts no command: nothing may follow --",
            "see: uringtrace check --help",
        ),
    ],
)
def test_bad_usage(argv, message, way_out, capsys):
    assert main(argv) == 2
    assert capsys.readouterr().err == f"uringtrace: error: {message}\n  {way_out}\n"


def test_a_closed_pipe_ends_quietly(repository):
    """stdout is a pipe whose reader is gone before the first byte is written."""
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "uringtrace", "--help"],
        stdout=writer, stderr=subprocess.PIPE, text=True, check=False, cwd=repository,
    )  # fmt: skip
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, "")


def test_output_of_a_narrow_encoding(repository):
    done = subprocess.run(
        [sys.executable, "-m", "uringtrace", "--help"],
        env={**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"},
        capture_output=True, check=False, cwd=repository,
    )  # fmt: skip
    assert done.returncode == 0
    assert b"[OPTION?]" in done.stdout

"""`uringtrace log` of io_uring operations and system calls: one stream, in time order."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest

import uringtrace.tracer.capture
import uringtrace.tracer.recording
from tests.fakes import ALL_NAMES, FakeSource, call, row, rows
from uringtrace.cli.main import main
from uringtrace.tracer.record import Batch, Kind
from uringtrace.tracer.records import MEMORY, SOCKET_EVENT, Records
from uringtrace.tracer.source import File, Socket

MS = 1_000_000

FILES = {
    1: File(1, "/var/lib/x.db", 8, 1),
    2: File(
        2, "TCP 127.0.0.1:80->10.1.2.3:4000", 8, 2, Socket("inet", "tcp", "127.0.0.1:80", "10.1.2.3:4000")
    ),
}

# As two processors hand them over: what completed first does not come first.
OPERATIONS = rows(
    call("read", 3, after_ns=5 * MS, fd=3, file=1, result=10),
    row("RECV", after_ns=1 * MS, fd=4, file=2, result=20),
    call("openat", -100, after_ns=2 * MS, fd=-100, result=-2),
    row("READ", after_ns=3 * MS, fd=3, file=1, result=30),
    call("futex", after_ns=4 * MS, kind=Kind.UNFINISHED),
)

Log = Callable[..., list[str]]


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Log:
    """The names in the lines that `log` prints of `parts` with these options."""
    monkeypatch.setattr("uringtrace.cli.log.kernel_operation_names", lambda: ALL_NAMES)

    def run(
        *options: str,
        parts: tuple[Batch | Records, ...] = (OPERATIONS,),
        files: Mapping[int, File] = FILES,
    ) -> list[str]:
        source = FakeSource(parts, files=files)
        monkeypatch.setattr(uringtrace.tracer.capture, "start_streaming", lambda *_, **__: source)
        monkeypatch.setattr(uringtrace.tracer.recording, "open_recording", lambda path: source)
        assert main(["log", *options]) == 0
        return [line.partition("] ")[2].partition("(")[0] for line in capsys.readouterr().out.splitlines()]

    return run


def test_both_interfaces_come_in_the_order_of_completion(log: Log) -> None:
    assert log("-a") == ["RECV", "openat", "READ", "futex", "read"]


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        (["--interface", "syscall"], ["openat", "futex", "read"]),
        (["--interface", "io_uring"], ["RECV", "READ"]),
        (["--interface", "all"], ["RECV", "openat", "READ", "futex", "read"]),
        (["--interface", "syscall", "-e", "read"], ["read"]),
        (["-e", "trace=%file,io_uring"], ["RECV", "openat", "READ"]),
        (["-e", "trace=!futex,read"], ["RECV", "openat"]),
        (["-e", "peer=10.0.0.0/8"], ["RECV"]),
        (["-P", "/var/lib/x.db"], ["READ", "read"]),
        (["-P", "/var/lib/x.db", "-P", "/nowhere", "-e", "interface=syscall"], ["read"]),
        (["-z"], ["RECV", "READ", "read"]),
        (["-Z"], ["openat"]),
    ],
)
def test_what_is_shown(log: Log, options: list[str], shown: list[str]) -> None:
    assert log(*options, "-a") == shown


def test_a_path_is_looked_for_as_given_and_as_it_really_is(log: Log, tmp_path: Path) -> None:
    """The call was given the link; the descriptor is of the file behind it."""
    real = tmp_path / "real"
    link = tmp_path / "link"
    link.symlink_to(real)
    string = str(link).encode() + b"\0"
    pieces = [string[start : start + 48] for start in range(0, len(string), 48)]
    memory = np.array([(2, 1, len(piece), len(string), piece) for piece in pieces], MEMORY)
    parts = (Records(OPERATIONS, memory, np.zeros(0, SOCKET_EVENT)),)
    files = {1: File(1, str(real), 8, 1)}
    assert log("-P", str(link), "-a", parts=parts, files=files) == ["openat", "READ", "read"]
    assert log("-P", str(real), "-a", parts=parts, files=files) == ["READ", "read"]


def test_paths_need_a_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["log", "-P", "", "-a"]) == 2
    assert "-P needs a path" in capsys.readouterr().err


def test_a_duration_ends_a_capture(log: Log) -> None:
    """The fake's time is 10 s from the start: what came until then is shown, nothing after it."""
    parts = (rows(row("NOP")), rows(call("futex")))
    assert log("-d", "10", "-a", parts=parts) == ["NOP"]
    assert log("-d", "11", "-a", parts=parts) == ["NOP", "futex"]


def test_a_duration_takes_the_first_part_of_a_recording(log: Log, tmp_path: Path) -> None:
    parts = (OPERATIONS[1:], rows(call("close", after_ns=9 * MS)), OPERATIONS[:1])
    assert log("-d", "0.0042", str(tmp_path), parts=parts) == ["RECV", "openat", "READ", "futex"]
    assert log("-d", "1", str(tmp_path), parts=parts) == ["RECV", "openat", "READ", "futex", "close", "read"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["-e", "trace=opnat"], "did you mean openat"),
        (["-e", "peer=localhost"], "names are not looked up"),
        (["-e", "signal=none"], "does not apply here"),
        (["--interface", "epoll"], "invalid choice: 'epoll'"),
        (["-d", "0"], "not a number of seconds"),
    ],
)
def test_bad_usage(log: Log, capsys: pytest.CaptureFixture[str], options: list[str], message: str) -> None:
    assert main(["log", *options, "-a"]) == 2
    assert message in capsys.readouterr().err

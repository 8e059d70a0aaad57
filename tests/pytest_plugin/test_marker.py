"""The pytest plugin, in runs of pytest of their own: what passes, fails and is skipped, and why."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from uringtrace.pytest_plugin import Limits, Recorded, broken_limits, limits_of

REPOSITORY = Path(__file__).parents[2]
pytest_plugins = ["pytester"]


@pytest.fixture
def inner(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """With this plugin and no other."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    return pytester


def run(inner: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    return inner.runpytest_subprocess(
        "-p", "uringtrace.pytest_plugin", "--strict-markers", "-rs", *arguments, timeout=100
    )


@pytest.mark.bpf
def test_limits_are_judged_by_what_a_server_did_in_the_test(inner: pytest.Pytester) -> None:
    """The counts are the server's own; what fixtures ask of it is not part of them."""
    inner.makeconftest(
        """
import json, signal, socket, subprocess, sys
import pytest

def ask(address, count):
    with socket.create_connection(address) as peer:
        for _ in range(count):
            peer.sendall(b"GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
            assert peer.recv(65536)

class Server:
    def __init__(self):
        command = [sys.executable, "-m", "uringtrace", "serve", "epoll", "--port", "0"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        first = json.loads(self.process.stdout.readline())
        self.pid, self.asked = first["pid"], 0
        host, _, port = first["listening"].rpartition(":")
        self.address = host, int(port)

    def ask(self, count):
        self.asked += count
        ask(self.address, count)

@pytest.fixture(scope="session")
def server():
    server = Server()
    yield server
    server.process.send_signal(signal.SIGTERM)
    truth = json.loads(server.process.communicate()[0])
    assert truth["requests"] == server.asked

@pytest.fixture
def warm(server):
    server.ask(7)
"""
    )
    inner.makepyfile(
        """
import pytest

@pytest.mark.uringtrace(target="server", max_syscalls_per_request=0)
def test_too_many(server, warm):
    server.ask(20)

@pytest.mark.uringtrace(target="server", max_syscalls_per_request=50, fail_on="critical")
def test_few_enough(server):
    server.ask(20)

@pytest.mark.uringtrace(target="server", max_syscalls_per_request=50)
def test_nothing_to_judge(server):
    pass

def test_numbers(server, warm, uringtrace_record):
    with uringtrace_record(server.pid) as run:
        server.ask(30)
    assert (run.requests, run.operations, run.lost) == (30, 0, 0)
    assert run.syscalls_per_request == run.syscalls / 30 > 2
    with run.open() as tables:
        assert tables.sql("SELECT count(*) FROM operations WHERE operation = 'accept4'").fetchall()
    assert run.diagnosed.calls == run.syscalls
"""
    )
    result = run(inner)
    result.assert_outcomes(passed=2, failed=2)
    result.stdout.fnmatch_lines(
        [
            "*system calls per request (20 requests), at most 0 allowed*",
            "the recording: *",
            "*no request was answered: system calls per request cannot be judged*",
        ]
    )


@pytest.mark.bpf
def test_without_a_target_it_is_the_process_of_the_tests(inner: pytest.Pytester) -> None:
    inner.makepyfile(
        """
import os
import pytest

@pytest.mark.uringtrace
def test_own(tmp_path):
    (tmp_path / "file").write_text("x")

def test_numbers(uringtrace_record):
    with uringtrace_record(os.getpid()) as run:
        for _ in range(321):
            os.getppid()
            os.stat("/")
    with run.open() as tables:
        ((count,),) = tables.sql("SELECT count(*) FROM operations WHERE operation = 'getppid'").fetchall()
    assert count == 321
    assert run.syscalls_per_request is None
"""
    )
    run(inner).assert_outcomes(passed=2)


def test_where_nothing_can_be_recorded_the_test_is_skipped_with_the_reason(
    inner: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The body does not run."""
    inner.makepyfile(
        **{
            "conftest": """
import sys
from uringtrace import pytest_plugin

def without_privileges(command, **options):
    stand_in = "import sys; print('uringtrace: not permitted: CAP_BPF missing', file=sys.stderr); sys.exit(2)"
    return real([sys.executable, "-c", stand_in], **options)

real, pytest_plugin.subprocess.Popen = pytest_plugin.subprocess.Popen, without_privileges
""",
            "test_it": """
import pytest

@pytest.mark.uringtrace(max_syscalls_per_request=0)
def test_marked():
    raise AssertionError("it ran")

def test_fixture(uringtrace_record):
    with uringtrace_record(1):
        raise AssertionError("it ran")
""",
        }
    )
    result = run(inner)
    result.assert_outcomes(skipped=2)
    result.stdout.fnmatch_lines(["*nothing can be recorded here: *not permitted: CAP_BPF missing*"])


def test_a_process_that_is_not_there_and_a_marker_that_is_wrong_fail(inner: pytest.Pytester) -> None:
    inner.makepyfile(
        """
import pytest

@pytest.fixture
def gone():
    return 2**22 + 1

@pytest.fixture
def nothing():
    return "server"

@pytest.mark.uringtrace(target="gone")
def test_gone(gone):
    pass

@pytest.mark.uringtrace(target="nothing")
def test_no_pid(nothing):
    pass

@pytest.mark.uringtrace(max_calls=1)
def test_unknown():
    pass

@pytest.mark.uringtrace(fail_on="bad")
def test_severity():
    pass
"""
    )
    result = run(inner)
    result.assert_outcomes(failed=4)
    text = result.stdout.str()
    for words in ("there is no process 4194305", "the target has no pid: 'server'", "max_calls", "not 'bad'"):
        assert words in text


class Counted(Recorded):
    """Numbers that a test writes down."""

    def __init__(self, requests: int, syscalls: int, operations: int, lost: int = 0) -> None:
        super().__init__(Path("nowhere"))
        self._numbers = requests, syscalls, operations, lost

    requests = property(lambda self: self._numbers[0])  # type: ignore[assignment]
    syscalls = property(lambda self: self._numbers[1])  # type: ignore[assignment]
    operations = property(lambda self: self._numbers[2])  # type: ignore[assignment]
    lost = property(lambda self: self._numbers[3])  # type: ignore[assignment]


@pytest.mark.parametrize(
    ("run", "limits", "words"),
    [
        (Counted(10, 5, 20), Limits(max_syscalls_per_request=0.5, max_operations_per_request=2), []),
        (Counted(10, 6, 20), Limits(max_syscalls_per_request=0.5), ["0.6 system calls per request"]),
        (Counted(10, 0, 21), Limits(max_operations_per_request=2), ["2.1 io_uring operations per request"]),
        (Counted(0, 0, 0), Limits(max_syscalls_per_request=9), ["no request was answered"]),
        (Counted(10, 5, 0, lost=3), Limits(max_syscalls_per_request=9), ["3 records were lost"]),
        (Counted(10, 99, 0, lost=3), Limits(max_syscalls_per_request=9), ["9.9 system calls per request"]),
        (Counted(0, 0, 0, lost=3), Limits(), []),
    ],
)
def test_what_cannot_be_judged_is_not_kept(run: Recorded, limits: Limits, words: list[str]) -> None:
    broken = broken_limits(run, limits)
    assert len(broken) == len(words)
    for line, said in zip(broken, words, strict=True):
        assert line.startswith(said)


def test_a_marker_is_read_by_position_and_by_name() -> None:
    marker = SimpleNamespace(args=("server",), kwargs={"max_syscalls_per_request": 1})
    assert limits_of(marker) == Limits(target="server", max_syscalls_per_request=1)


def test_loading_it_loads_nothing_heavy() -> None:
    heavy = ("numpy", "duckdb", "textual", "plotly", "bcc")
    code = f"import sys, uringtrace.pytest_plugin; print([n for n in {heavy} if n in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=REPOSITORY
    )
    assert done.stdout.strip() == "[]"

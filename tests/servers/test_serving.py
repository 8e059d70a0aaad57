"""What is the same for all reference servers: the command, its two lines, counting, and the end."""

from __future__ import annotations

import os
import signal
import socket
import threading
import urllib.request
from importlib import import_module
from pathlib import Path

import psutil
import pytest

from tests.conftest import Run
from tests.servers.running import running
from uringtrace.errors import CapabilityError, UsageError
from uringtrace.targets import serving
from uringtrace.targets.catalogue import ARCHITECTURES, FAULTS
from uringtrace.targets.serving import House, Options, check, documents
from uringtrace.targets.stop import Stop
from uringtrace.targets.truth import Truth

NOTHING_DONE = {
    "connections": 0, "closed": 0, "requests": 0, "refused": 0, "bytes_in": 0, "bytes_out": 0, "faults": {},
}  # fmt: skip


def get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=20) as answer:
        body: bytes = answer.read()
        return body


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_architecture_of_the_catalogue_is_there(name: str) -> None:
    """It says what it shows and what to look for; its names are known; its line is short."""
    architecture = ARCHITECTURES[name]
    try:
        module = import_module(architecture.module)
    except ImportError as error:
        pytest.skip(f"{name} needs {error.name}")
    opening, _, further = str(module.__doc__).partition("\n\n")
    assert len(opening) > 20
    assert "look for" in further or "trace" in further
    assert callable(module.serve)
    assert len(architecture.summary) <= 60
    assert set(architecture.faults) <= set(FAULTS)


def test_every_fault_is_some_server_s() -> None:
    assert {fault for each in ARCHITECTURES.values() for fault in each.faults} == set(FAULTS)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_two_lines_frame_a_run(number: signal.Signals) -> None:
    with running("epoll") as server:
        assert server.first == {
            "listening": f"127.0.0.1:{server.address[1]}",
            "architecture": "epoll",
            "mode": "level",
            "fault": None,
            "pid": server.process.pid,
        }
        server.process.send_signal(number)
        assert server.last_line() == NOTHING_DONE


def test_children_end_with_a_parent_that_is_killed() -> None:
    with running("prefork") as server:
        children = psutil.Process(server.pid).children()
        assert len(children) == 2
        os.kill(server.pid, signal.SIGKILL)
        assert psutil.wait_procs(children, timeout=20)[1] == []


def test_documents_of_its_own_are_there_by_default_and_go_with_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with running("thread") as server:
        assert len(get(f"{server.url}/file/small.txt")) == 1024
        assert get(f"{server.url}/file/large.bin") == bytes(range(256)) * 4096
        assert len(list(tmp_path.iterdir())) == 1
        server.stop()
    assert list(tmp_path.iterdir()) == []


def test_documents_may_be_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError), documents(tmp_path / "absent"):
        pass
    with documents(tmp_path) as folder:
        assert folder == tmp_path
    assert tmp_path.exists()


def test_ipv6() -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError as error:
        pytest.skip(f"no IPv6 here: {error.strerror}")
    with running("iterative", "--host", "::1") as server:
        assert server.first["listening"].startswith("[::1]:")
        assert get(server.url) == b"It works.\n"
        assert server.stop()["requests"] == 1


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("epol",), "no reference server is called epol"),
        (("epoll", "--mode", "herd"), "epoll has no mode herd"),
        (("poll", "--mode", "edge"), "it has no modes"),
        (("epoll", "--fault", "lost-waker"), "epoll has no fault lost-waker"),
        (("epoll", "--herd"), "epoll has no mode herd"),
        (("epoll-workers", "--herd", "--mode", "exclusive"), "exclude each other"),
        (("epoll", "--port", "65536"), "is not a port"),
        (("epoll", "--workers", "0"), "is not a number of workers"),
        (("epoll", "--files", "/absent"), "/absent is not a folder"),
        (("epoll", "--host", "192.0.2.1"), "cannot listen on 192.0.2.1:0"),
    ],
)
def test_what_cannot_be_served_is_said_in_a_line(
    run_uringtrace: Run, arguments: tuple[str, ...], word: str
) -> None:
    done = run_uringtrace("serve", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert word in done.stderr
    assert len(done.stderr.splitlines()) <= 2


def test_a_port_that_is_taken(run_uringtrace: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        done = run_uringtrace("serve", "epoll", "--port", str(other.getsockname()[1]))
    assert done.returncode == 2
    assert "Address already in use" in done.stderr
    assert "--port 0" in done.stderr


def test_packages_that_are_not_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Named together, with what to do; nothing was started."""
    monkeypatch.setattr(serving, "find_spec", lambda name: None)
    with pytest.raises(CapabilityError) as caught:
        check(ARCHITECTURES["uvloop"], Options(tmp_path))
    assert caught.value.message == "uvloop needs httptools and uvloop"
    assert "uringtrace[servers]" in caught.value.way_out


def test_a_house_listens_again_at_the_same_port(tmp_path: Path) -> None:
    """As servers with a listener for each worker do; accepted sockets send without delay."""
    house = House(ARCHITECTURES["epoll-workers"], Options(tmp_path))
    with house.listen(reuse_port=True) as one, house.listen(reuse_port=True, blocking=False) as other:
        assert one.getsockname() == other.getsockname()
        assert (one.getblocking(), other.getblocking()) == (True, False)
        assert one.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_stop_ends_a_blocked_accept() -> None:
    stop = Stop()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        stop.listener(listener)
        ended: list[OSError] = []

        def accept() -> None:
            try:
                listener.accept()
            except OSError as error:
                ended.append(error)

        thread = threading.Thread(target=accept)
        thread.start()
        stop.request()
        thread.join(20)
    assert (stop.requested, len(ended)) == (True, 1)


def test_a_signal_makes_the_wakeup_descriptor_readable() -> None:
    before = signal.signal(signal.SIGUSR1, lambda number, frame: None)
    reading = Stop().wakeup()
    try:
        with pytest.raises(BlockingIOError):
            os.read(reading, 1)
        signal.raise_signal(signal.SIGUSR1)
        assert os.read(reading, 2) == bytes([signal.SIGUSR1])
    finally:
        os.close(signal.set_wakeup_fd(-1))
        os.close(reading)
        signal.signal(signal.SIGUSR1, before)


def test_stop_calls_once_and_also_who_comes_late() -> None:
    stop, called = Stop(), []
    stop.on_request(lambda: called.append("early"))
    stop.request()
    stop.request()
    stop.on_request(lambda: called.append("late"))
    assert called == ["early", "late"]


def test_truth_counts_across_processes() -> None:
    """Each writer has its row; a row that was given back keeps what it holds, and counts on."""
    truth = Truth()
    own, other = truth.tally(), truth.tally()
    assert own.row != other.row
    child = os.fork()
    if child == 0:
        other.accepted()
        other.received(3)
        os._exit(0)
    own.accepted()
    own.answered(200)
    own.answered(404)
    own.sent(5)
    own.fault(2)
    assert os.waitpid(child, 0)[1] == 0
    truth.give_back(other)
    again = truth.tally()
    assert again.row == other.row
    again.closed()
    truth.extra["enters"] = 7
    assert truth.report("lost-waker") == {
        "connections": 2, "closed": 1, "requests": 2, "refused": 1, "bytes_in": 3, "bytes_out": 5,
        "faults": {"lost-waker": 2}, "enters": 7,
    }  # fmt: skip

"""What is particular to the io_uring servers, seen from outside without a tracer of ours."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from tests.bpf.processes import wait_for
from tests.servers.running import running
from tests.uring.clients import Address, Client, ask, clients, keep_alive, new_connections
from uringtrace.targets.catalogue import ARCHITECTURES
from uringtrace.targets.support import support


@pytest.fixture(autouse=True)
def _io_uring() -> None:
    lacks = support(ARCHITECTURES["uring-sqpoll"]).lacks
    if lacks:
        pytest.skip(lacks)


def test_a_turn_is_one_call_however_many_requests_it_answers() -> None:
    """20 requests, and later 20 ends, that wait while the server is stopped: a few calls for all."""
    with running("uring") as server:
        with ExitStack() as visits:
            with stopped(server.pid):
                each = visits.enter_context(clients(server.address, 20))
                for client in each:
                    client.send(ask("/"))
            for client in each:
                client.answer()
            with stopped(server.pid):
                for client in each:
                    client.socket.close()
        truth = server.stop()
    assert (truth["requests"], truth["closed"]) == (20, 20)
    assert truth["enters"] < 20


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    """Within this the process does not run."""
    os.kill(pid, signal.SIGSTOP)
    wait_for(lambda: state(pid) == "T", "the server is stopped")
    yield
    os.kill(pid, signal.SIGCONT)


def test_a_killed_server_leaves_its_address_to_the_next_at_once() -> None:
    """The kernel lets a ring, and with it its registered listener, go some time after the process."""
    with running("uring-sqpoll") as first:
        keep_alive(first.address, connections=1, rounds=1)
        port = str(first.address[1])
        os.kill(first.pid, signal.SIGKILL)
        with running("uring-sqpoll", "--port", port) as second:
            keep_alive(second.address, connections=1, rounds=1)
            assert second.stop()["requests"] == 1


def test_a_server_that_fell_asleep_wakes_for_a_request_and_for_a_signal() -> None:
    """After a second without a completion it waits in io_uring_enter."""
    with running("uring-sqpoll") as server:
        wait_for(lambda: asleep(server.pid), "the server sleeps")
        keep_alive(server.address, connections=1, rounds=1)
        wait_for(lambda: asleep(server.pid), "the server sleeps again")
        assert server.stop()["requests"] == 1


def asleep(pid: int) -> bool:
    return state(pid) == "S"


def state(pid: int) -> str:
    """Of the process's first thread, as proc(5) names it."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


@pytest.mark.bpf
def test_strace_sees_no_call_in_steady_state(tmp_path: Path) -> None:
    """10,000 requests on connections that stay, and 1,000 new connections that read a file."""
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("strace is not installed")
    seen = tmp_path / "seen"
    with running("uring-sqpoll") as server:
        with kept_awake(server.address):
            command = [strace, "-f", "-c", "-o", str(seen), "-p", str(server.pid)]
            with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as tracing:
                assert tracing.stderr is not None
                notice = tracing.stderr.readline()
                assert "attached" in notice, notice
                keep_alive(server.address, connections=100, rounds=100)
                new_connections(server.address, 1000, path="/file/small.txt")
                tracing.send_signal(signal.SIGINT)
                tracing.stderr.read()
        calls = [line for line in seen.read_text().splitlines() if line.strip()]
        truth = server.stop()
    assert truth["requests"] >= 11_000
    assert truth["operations"]["ACCEPT"] > 1_100
    assert calls == []


@contextmanager
def kept_awake(address: Address) -> Iterator[None]:
    """Somebody asks from time to time, so that the server is never a second without a completion."""
    client, done = Client(address), threading.Event()

    def ask_now_and_then() -> None:
        while not done.wait(0.05):
            client.send(ask("/"))
            client.answer()

    client.send(ask("/"))
    client.answer()
    asking = threading.Thread(target=ask_now_and_then)
    asking.start()
    try:
        yield
    finally:
        done.set()
        asking.join()
        with suppress(OSError):
            client.socket.close()

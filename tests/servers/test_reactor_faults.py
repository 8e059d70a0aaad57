"""The faults of the event loops: each does what its name says, as often as the last line says.

The tests marked `bpf` compare that with what uringtrace counts.
"""

from __future__ import annotations

import ctypes
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from tests.bpf.processes import wait_for
from tests.servers.running import Line, Running, running
from tests.servers.visitor import Visitors, request
from uringtrace.errors import CapabilityError
from uringtrace.targets.faults.blocking import BLOCKING_FAULTS, Blocking
from uringtrace.targets.readiness.connection import SHARE_OF_ANSWERS
from uringtrace.targets.truth import Truth
from uringtrace.tracer.capture import CountingCapture, start_counting, start_streaming
from uringtrace.tracer.record import latency_ns
from uringtrace.tracer.target import Target

BLOCKED_NS = {"blocking-sleep": 50_000_000, "blocking-file": 50_000_000, "blocking-getaddrinfo": 900_000_000}
BLOCKED_IN = {"blocking-sleep": "clock_nanosleep", "blocking-file": "read", "blocking-getaddrinfo": "poll"}


@pytest.mark.parametrize("fault", BLOCKING_FAULTS)
def test_every_tenth_request_blocks_the_loop(fault: str) -> None:
    """Another connection waits as long: its request is due, and nobody is there to read it."""
    with running("epoll", "--fault", fault) as server:
        visitors = Visitors(server.address)
        with visitors.visit() as visit, visitors.visit() as other:
            for _ in range(9):
                visit.get("/")
            begun_ns = time.monotonic_ns()
            visit.send(request("/"))
            other.send(request("/"))
            visit.answer()
            other.answer()
            assert time.monotonic_ns() - begun_ns >= BLOCKED_NS[fault]
        last = server.stop()
    assert last["faults"] == {fault: 1}
    assert last["requests"] == 11


def test_getaddrinfo_is_refused_where_the_resolver_is_not_glibcs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: object())
    with pytest.raises(CapabilityError, match="needs the resolver of glibc"):
        Blocking("blocking-getaddrinfo", Truth().tally())


def test_a_busy_connection_is_served_while_others_are_ready() -> None:
    """All that is sent while the server is stopped, it finds ready at once, in that order."""
    requests = 1000
    with running("epoll", "--fault", "starvation") as server:
        visitors = Visitors(server.address)
        with visitors.visit() as busy, visitors.visit() as other:
            busy.get("/")
            other.get("/")
            wait_until_asleep(server.pid)
            with stopped(server.pid):
                busy.send(request("/") * requests)
                other.send(request("/"))
            for _ in range(requests):
                busy.answer()
            other.answer()
        last = server.stop()
    assert last["faults"] == {"starvation": requests // SHARE_OF_ANSWERS}
    assert last["requests"] == requests + 3


def test_a_busy_connection_alone_starves_nobody() -> None:
    with running("epoll", "--fault", "starvation") as server:
        with Visitors(server.address).visit() as busy:
            busy.send(request("/") * 500)
            for _ in range(500):
                busy.answer()
        assert server.stop()["faults"] == {"starvation": 0}


@pytest.mark.parametrize(("mode", "each"), [("level", 50), ("edge", 51)])
def test_accept_is_called_although_it_says_eagain(mode: str, each: int) -> None:
    """Edge-triggered, one EAGAIN for each round is as it should be."""
    with running("epoll", "--mode", mode, "--fault", "accept-spin") as server:
        visit_in_turn(server, 20)
        assert server.stop()["faults"] == {"accept-spin": 20 * each}


@pytest.mark.parametrize("mode", ["level", "edge"])
def test_what_clients_close_stays_open(mode: str) -> None:
    with running("epoll", "--mode", mode, "--fault", "leaked-connections") as server:
        before = descriptors(server.pid)
        visit_in_turn(server, 20)
        with Visitors(server.address).visit() as visit:
            visit.get("/", "Connection: close")
            assert visit.ended(), "what the server has to close it closes"
        # The last one may be still to be noticed, and is not once nobody watches it.
        wait_for(lambda: unwatched_sockets(server.pid) == 20, "all are leaked")
        assert descriptors(server.pid) == before + 20
        last = server.stop()
    assert last["faults"] == {"leaked-connections": 20}
    assert (last["connections"], last["closed"]) == (21, 1)


@pytest.mark.parametrize("name", ["epoll", "asyncio"])
def test_answers_in_pieces_are_the_same_answers(name: str) -> None:
    """Five lines of a head and a body each; a file is sent as it is."""
    with running(name, "--fault", "tiny-writes") as server, Visitors(server.address).visit() as visit:
        text = [visit.get(path).body for path in ("/", "/bytes/3000", "/file/small.txt")]
        last = server.stop()
    with running(name) as server, Visitors(server.address).visit() as visit:
        assert text == [visit.get(path).body for path in ("/", "/bytes/3000", "/file/small.txt")]
    assert last["faults"]["tiny-writes"] >= 3 * 6


@pytest.mark.bpf
@pytest.mark.parametrize("mode", ["level", "edge"])
def test_uringtrace_counts_the_accepts_that_say_eagain(mode: str) -> None:
    with running("epoll", "--mode", mode, "--fault", "accept-spin") as server:
        last, calls = counted(server, (server.pid,), lambda _: visit_in_turn(server, 20))
    assert calls["accept4"]["errors"] == last["faults"]["accept-spin"]
    assert calls["accept4"]["ended"] - calls["accept4"]["errors"] == last["connections"]


@pytest.mark.bpf
def test_uringtrace_counts_the_wake_ups_for_nothing() -> None:
    """The herd is real: of many that are woken for one connection some come too late."""

    def until_some_come_too_late(capture: CountingCapture) -> None:
        def too_late() -> bool:
            visit_in_turn(server, 20)
            return bool(by_name(capture)["accept4"]["errors"])

        wait_for(too_late, "somebody has come too late")
        # Whoever is still about to accept would find the listener shut down.
        for worker in server.first["worker_pids"]:
            wait_until_asleep(worker)

    with running("epoll-workers", "--fault", "thundering-herd", "--workers", "4") as server:
        assert server.first["mode"] == "herd"
        last, calls = counted(server, tuple(server.first["worker_pids"]), until_some_come_too_late)
    assert calls["accept4"]["errors"] == last["faults"]["thundering-herd"]
    assert calls["accept4"]["ended"] - calls["accept4"]["errors"] == last["connections"]


@pytest.mark.bpf
def test_uringtrace_counts_no_close_of_what_is_leaked() -> None:
    with running("epoll", "--fault", "leaked-connections") as server:
        with start_counting(Target(pids=(server.pid,))) as capture:
            visit_in_turn(server, 20)
            wait_for(lambda: unwatched_sockets(server.pid) == 20, "all are leaked")
            calls = by_name(capture)
        last = server.stop()
    assert calls["accept4"]["ended"] == last["connections"] == last["faults"]["leaked-connections"]
    assert calls["close"]["ended"] == 0


@pytest.mark.bpf
@pytest.mark.parametrize("fault", BLOCKING_FAULTS)
def test_uringtrace_sees_the_loop_in_the_call_that_blocks(fault: str) -> None:
    """For most of the time: what feeds the slow file begins a little before the loop reads."""
    with running("epoll", "--fault", fault) as server, start_streaming(Target(pids=(server.pid,))) as capture:
        with Visitors(server.address).visit() as visit:
            for _ in range(10):
                visit.get("/")
        last = server.stop()
        batch = np.concatenate(list(capture.batches()))
        assert capture.losses.total_lost == 0
        names = capture.context.operation_names
        asked = {peer for file in capture.files.values() if (peer := udp_peer(file.description))}
    loop = batch[(batch["tid"] == server.pid) & (latency_ns(batch) > BLOCKED_NS[fault] // 2)]
    blocked = [name for name in map(names.get, loop["opcode"].tolist()) if name in BLOCKED_IN.values()]
    assert blocked == [BLOCKED_IN[fault]] * last["faults"][fault]
    assert last["faults"][fault] == 1
    assert len(asked) == (fault == "blocking-getaddrinfo")
    assert all(peer.startswith("127.0.0.1:") for peer in asked), "nobody outside is asked"


Calls = Mapping[str, np.void]
"""Counters of each system call."""


def counted(
    server: Running, pids: tuple[int, ...], visit: Callable[[CountingCapture], None]
) -> tuple[Line, Calls]:
    """The last line of a server, and what was counted of these processes from now to their end."""
    with start_counting(Target(pids=pids)) as capture:
        visit(capture)
        last = server.stop()
        wait_for(lambda: capture.wait(1), "all have ended")
        return last, by_name(capture)


def by_name(capture: CountingCapture) -> Calls:
    counters = capture.counters()
    return {name: counters[opcode] for opcode, name in capture.context.operation_names.items()}


def udp_peer(description: str) -> str:
    """Whom a connected UDP socket talks to, "" for all else."""
    return description.partition("->")[2] if description.startswith("UDP ") else ""


def visit_in_turn(server: Running, count: int) -> None:
    """So many connections one after the other, each for one request."""
    visitors = Visitors(server.address)
    for _ in range(count):
        with visitors.visit() as visit:
            visit.get("/")


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    """Within this the process does not run."""
    os.kill(pid, signal.SIGSTOP)
    try:
        wait_for(lambda: state(pid) == "T", "the process is stopped")
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def wait_until_asleep(pid: int) -> None:
    """Until it waits for readiness, with nothing left to do."""
    wait_for(lambda: state(pid) == "S", "the process sleeps")


def state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def descriptors(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def unwatched_sockets(pid: int) -> int:
    """Sockets of the process that its epoll does not watch (proc(5), fdinfo)."""
    links = {fd.name: str(fd.readlink()) for fd in Path(f"/proc/{pid}/fd").iterdir()}
    [epoll] = [name for name, link in links.items() if link == "anon_inode:[eventpoll]"]
    watched = Path(f"/proc/{pid}/fdinfo/{epoll}").read_text()
    sockets = [name for name, link in links.items() if link.startswith("socket:")]
    return sum(f"tfd: {name:>8} " not in watched for name in sockets)

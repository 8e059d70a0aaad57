"""The servers that wait for readiness: what they watch for, and how they share, pause and end.

That they serve correctly is shown for all servers by test_conformance.
"""

from __future__ import annotations

import os
import re
import resource
import select
import signal
import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from tests.bpf.processes import wait_for
from tests.servers.running import running
from tests.servers.visitor import Visitors, request
from uringtrace.targets.http.exchange import Exchange
from uringtrace.targets.http.service import Service
from uringtrace.targets.readiness.connection import SHARE_OF_ANSWERS, SHARE_OF_BYTES, Connection, Want
from uringtrace.targets.readiness.deadlines import Deadlines
from uringtrace.targets.truth import Truth

ONE_REACTOR = (("select",), ("poll",), ("epoll",), ("epoll", "--mode", "edge"))
EPOLLIN, EPOLLOUT, EPOLLERR, EPOLLHUP = 1, 4, 8, 16
EPOLLEXCLUSIVE, EPOLLET = 1 << 28, 1 << 31
ALWAYS = EPOLLERR | EPOLLHUP
"""What the kernel adds to every mask (fs/eventpoll.c, ep_insert)."""

one_reactor = pytest.mark.parametrize("arguments", ONE_REACTOR, ids=" ".join)


@one_reactor
def test_a_peer_that_has_sent_all_it_will_still_gets_all_answers(arguments: tuple[str, ...]) -> None:
    with running(*arguments) as server, socket.create_connection(server.address, 20) as client:
        client.sendall(request("/") * 300 + request("/sleep/10") + request("/bytes/500000"))
        client.shutdown(socket.SHUT_WR)
        received = everything(client)
        assert received.count(b"HTTP/1.1 200 OK") == 302
        assert len(received) > 500_000
        last = server.stop()
    assert (last["connections"], last["closed"], last["requests"]) == (1, 1, 302)


@one_reactor
def test_sigterm_closes_idle_connections_at_once_and_lets_answers_end(arguments: tuple[str, ...]) -> None:
    with running(*arguments) as server:
        visitors = Visitors(server.address)
        with visitors.visit() as idle, visitors.visit() as waiting:
            idle.get("/")
            waiting.send(request("/sleep/800"))
            wait_until_read(waiting.socket)
            server.terminate()
            assert ready((idle.socket, waiting.socket)) == [idle.socket]
            assert idle.ended()
            assert waiting.answer().status == 200
            assert waiting.ended()
        last = server.last_line()
    assert (last["connections"], last["closed"], last["requests"]) == (2, 2, 2)


def test_an_answer_that_takes_too_long_does_not_keep_the_server() -> None:
    with running("epoll") as server, Visitors(server.address).visit() as visit:
        visit.send(request("/") + request("/sleep/60000"))
        visit.answer()
        server.terminate()
        assert visit.ended()
        last = server.last_line()
    assert (last["connections"], last["closed"], last["requests"]) == (1, 1, 1)


def test_select_closes_what_it_cannot_watch_and_says_so_once() -> None:
    with running("select") as server, ExitStack() as stack:
        visitors = Visitors(server.address)
        visits = [stack.enter_context(visitors.visit()) for _ in range(1030)]
        # Accepted in this order: when the last is closed, all are that had to be.
        assert visits[-1].ended()
        beyond = len(ready([visit.socket for visit in visits]))
        within = visits[:-beyond]
        assert 1000 < len(within) < 1024
        assert all(visit.get("/").status == 200 for visit in within)
        server.terminate()
        output, errors = server.process.communicate(timeout=20)
    assert f'"beyond_limit": {beyond}' in output
    assert errors.count("no descriptor from 1024 on can be watched") == 1


@one_reactor
def test_without_descriptors_connections_wait_until_there_is_one(arguments: tuple[str, ...]) -> None:
    with running(*arguments) as server:
        free = 3
        open_now = len(list(Path(f"/proc/{server.pid}/fd").iterdir()))
        resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (open_now + free, open_now + free))
        visitors = Visitors(server.address)
        with ExitStack() as stack:
            visits = [stack.enter_context(visitors.visit()) for _ in range(free + 2)]
            for served in visits[:free]:
                assert served.get("/").status == 200
            for late in visits[free:]:
                late.send(request("/"))
            for served in visits[:2]:
                served.close()
            for late in visits[free:]:
                assert late.answer().status == 200
        server.terminate()
        output, errors = server.process.communicate(timeout=20)
    assert f'"connections": {free + 2}' in output
    assert errors.count("accept: Too many open files") == 1


@pytest.mark.parametrize("mode", ["level", "edge"])
def test_epollout_is_asked_for_only_while_output_waits(mode: str) -> None:
    """Edge-triggered it is asked for once and for all: then it is told only when it begins."""
    idle, blocked, delayed = (
        (EPOLLIN, EPOLLOUT, 0) if mode == "level" else (EPOLLIN | EPOLLOUT | EPOLLET,) * 3
    )
    with running("epoll", "--mode", mode) as server:
        with Visitors(server.address).visit(receive_buffer=4096) as visit:
            visit.get("/")
            [listener] = [fd for fd in watched(server.pid) if fd in listeners(server.pid)]
            [connection] = watched(server.pid).keys() - {listener}

            def asked(mask: int) -> None:
                wait_for(lambda: watched(server.pid)[connection] == mask | ALWAYS, f"asked for {mask:#x}")

            asked(idle)
            visit.send(request("/bytes/16777216"))
            asked(blocked)
            visit.hurry()
            visit.answer()
            asked(idle)
            visit.send(request("/sleep/300"))
            asked(delayed)
            visit.answer()
            asked(idle)
        server.stop()


@pytest.mark.parametrize(
    ("mode", "different", "flags"), [("reuseport", 3, 0), ("herd", 1, 0), ("exclusive", 1, EPOLLEXCLUSIVE)]
)
def test_how_workers_share_the_port(mode: str, different: int, flags: int) -> None:
    with running("epoll-workers", "--mode", mode, "--workers", "3") as server:
        workers = server.first["worker_pids"]
        assert server.first["mode"] == mode
        assert len(workers) == server.first["workers"] == 3
        assert not listeners(server.pid), "the parent keeps none"
        sockets = set()
        for worker in workers:
            wait_for(partial(watched, worker), "the worker watches its listener")
            [(listener, mask)] = watched(worker).items()
            assert mask == EPOLLIN | ALWAYS | flags
            sockets.add(Path(f"/proc/{worker}/fd/{listener}").readlink())
        assert len(sockets) == different
        server.stop()


def test_a_worker_that_dies_ends_the_run() -> None:
    with running("epoll-workers", "--workers", "3") as server:
        first, *others = server.first["worker_pids"]
        os.kill(first, signal.SIGKILL)
        output, errors = server.process.communicate(timeout=20)
        assert server.process.returncode == 1
        assert output == ""
        assert (
            errors
            == f"uringtrace: error: worker {first} was killed by SIGKILL, and the others were told to end\n"
        )
        for worker in others:
            wait_for(partial(has_ended, worker), "the others have ended")


def test_a_herd_is_no_fault_of_workers_with_a_listener_each() -> None:
    with pytest.raises(AssertionError, match="thundering-herd needs one listener for all"):  # noqa: SIM117
        with running("epoll-workers", "--fault", "thundering-herd", "--mode", "reuseport"):
            pass


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        theirs.settimeout(20)
        yield ours, theirs


@pytest.mark.parametrize("drain", [False, True])
def test_a_turn_ends_after_its_share_of_answers(
    pair: tuple[socket.socket, socket.socket], tmp_path: Path, drain: bool
) -> None:
    ours, theirs = pair
    connection = Connection(ours, Exchange(Service(tmp_path)), Truth().tally(), drain=drain)
    theirs.sendall(request("/") * (2 * SHARE_OF_ANSWERS + 1))
    connection.readable = True
    answers, wants = [], []
    for _ in range(3):
        wants.append(connection.turn())
        answers.append(theirs.recv(1 << 20).count(b"HTTP/1.1 200"))
    assert answers == [SHARE_OF_ANSWERS, SHARE_OF_ANSWERS, 1]
    assert wants == [Want.TURN, Want.TURN, Want.INPUT]


class EndlessBody(socket.socket):
    """A client that sends a body as fast as anybody can read it."""

    head = b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 1000000\r\n\r\n"

    def recv(self, size: int, flags: int = 0) -> bytes:
        head, self.head = self.head, b""
        return head + bytes(size - len(head))


def test_a_turn_ends_after_its_share_of_bytes(tmp_path: Path) -> None:
    """Also of what is read and thrown away."""
    truth = Truth()
    with EndlessBody() as client:
        connection = Connection(client, Exchange(Service(tmp_path)), truth.tally(), drain=True)
        connection.readable = True
        assert connection.turn() is Want.TURN
        assert truth.report(None)["bytes_in"] == SHARE_OF_BYTES


def test_nothing_is_read_while_an_answer_waits(
    pair: tuple[socket.socket, socket.socket], tmp_path: Path
) -> None:
    ours, theirs = pair
    truth = Truth()
    connection = Connection(ours, Exchange(Service(tmp_path)), truth.tally(), drain=True)
    first = request("/bytes/16000000")
    theirs.sendall(first)
    connection.readable = True
    while connection.turn() is Want.TURN:
        pass
    theirs.sendall(request("/"))
    assert connection.want is Want.OUTPUT
    assert connection.turn() is Want.OUTPUT
    assert truth.report(None)["bytes_in"] == len(first)


def test_a_file_that_becomes_shorter_ends_the_connection(
    pair: tuple[socket.socket, socket.socket], tmp_path: Path
) -> None:
    """Its length is promised already: there is no other way to say that it cannot be kept."""
    ours, theirs = pair
    (tmp_path / "log").write_bytes(bytes(10 << 20))
    connection = Connection(ours, Exchange(Service(tmp_path)), Truth().tally(), drain=False)
    theirs.sendall(request("/file/log"))
    connection.readable = True
    while connection.turn() is Want.TURN:
        pass
    os.truncate(tmp_path / "log", 1000)
    with pytest.raises(OSError, match="shorter"):  # noqa: PT012
        while True:
            theirs.recv(1 << 20)
            connection.turn()


def test_deadlines_are_called_in_their_order_and_not_early() -> None:
    called: list[str] = []
    deadlines = Deadlines()
    assert deadlines.seconds_left() is None
    deadlines.after(60_000, lambda: called.append("much later"))
    deadlines.after(2, lambda: called.append("later"))
    deadlines.after(1, lambda: called.append("soon"))
    while len(called) < 2:
        left = deadlines.seconds_left()
        assert left is not None
        deadlines.call_due()
        assert called or left <= 0.001
    assert called == ["soon", "later"]
    assert 50 < (deadlines.seconds_left() or 0) <= 60


def ready(sockets: Sequence[socket.socket]) -> list[socket.socket]:
    """Those that have something to read or have ended; waits until one has."""
    poll = select.poll()
    for each in sockets:
        poll.register(each, select.POLLIN)
    found = {fd for fd, _ in poll.poll(20_000)}
    return [each for each in sockets if each.fileno() in found]


def everything(client: socket.socket) -> bytes:
    received = bytearray()
    while data := client.recv(1 << 16):
        received += data
    return bytes(received)


def wait_until_read(client: socket.socket) -> None:
    """Until the peer, on this machine, has read all that was sent."""
    local, port = client.getsockname()[:2]
    assert local == "127.0.0.1"

    def unread() -> int:
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
            fields = line.split()
            if int(fields[2].rpartition(":")[2], 16) == port and fields[3] == "01":
                return int(fields[4].rpartition(":")[2], 16)
        return 1

    wait_for(lambda: unread() == 0, "the server has read the request")


def has_ended(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


def watched(pid: int) -> dict[int, int]:
    """Sockets in the process's epoll, with the masks (proc(5), fdinfo)."""
    descriptors = Path(f"/proc/{pid}/fd")
    kinds = {int(fd.name): str(fd.readlink()) for fd in descriptors.iterdir()}
    found = {}
    for epoll in (fd for fd, kind in kinds.items() if kind == "anon_inode:[eventpoll]"):
        for line in Path(f"/proc/{pid}/fdinfo/{epoll}").read_text().splitlines():
            match = re.match(r"tfd: +(\d+) events: +([0-9a-f]+)", line)
            if match and kinds.get(int(match[1]), "").startswith("socket:"):
                found[int(match[1])] = int(match[2], 16)
    return found


def listeners(pid: int) -> set[int]:
    """Descriptors of the process that are listening sockets."""
    listening = set()
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[3] == "0A":
            listening.add(f"socket:[{fields[9]}]")
    descriptors = Path(f"/proc/{pid}/fd")
    return {int(fd.name) for fd in descriptors.iterdir() if str(fd.readlink()) in listening}

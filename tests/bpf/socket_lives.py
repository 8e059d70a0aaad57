"""A target: `python socket_lives.py NAME`. What happens to sockets, and what it should look like.

Prints {"ready": PID}, waits for a line, does one of the scenarios below, and prints what is to be
expected: "connections", a list of some columns of each connection, and what else the scenario
tells. What a scenario does before its `yield` has happened when the tracer attaches.
"""

from __future__ import annotations

import json
import os
import select
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

Row = dict[str, Any]
Scenario = Iterator[None]
OTHER = {"local": "remote", "remote": "local"}
SCENARIOS: dict[str, Callable[[], Any]] = {}


def scenario(function: Callable[[], Any]) -> Callable[[], Any]:
    SCENARIOS[function.__name__] = function
    return function


def shown(address: Any) -> str | None:
    """An address of the socket module as uringtrace prints it."""
    if isinstance(address, bytes):
        return "@" + address[1:].decode()
    if isinstance(address, str):
        return address or None
    host, port = address[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def listener(
    family: socket.AddressFamily = socket.AF_INET, *, shared_port: int | None = None
) -> socket.socket:
    """Listens on a free port of the loopback, or on one that several listen on."""
    listening = socket.socket(family)
    if shared_port is not None:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listening.bind(("::1" if family == socket.AF_INET6 else "127.0.0.1", shared_port or 0))
    listening.listen(1024)
    return listening


def receive(from_: socket.socket, size: int) -> None:
    while size:
        size -= len(from_.recv(size))


class Pair:
    """Both ends of a connection, and what was moved over it."""

    def __init__(self, listening: socket.socket, client: socket.socket | None = None) -> None:
        self.client = client or socket.socket(listening.family)
        self.client.connect(listening.getsockname())
        self.server, _ = listening.accept()
        self.local, self.remote = shown(self.server.getsockname()), shown(self.server.getpeername())
        self.fd = self.server.fileno()
        self.to_server = self.to_client = 0

    def ask(self, size: int) -> None:
        self.client.sendall(bytes(size))
        receive(self.server, size)
        self.to_server += size

    def answer(self, size: int) -> None:
        self.server.sendall(bytes(size))
        receive(self.client, size)
        self.to_client += size

    def close(self) -> None:
        """The client goes first."""
        self.client.close()
        assert self.server.recv(1) == b""
        self.server.close()

    def rows(self, **server: Any) -> list[Row]:
        """What is expected of the server's end, and of the client's."""
        return [
            {
                "role": "server",
                "began_by": "accept",
                "listener": self.local,
                "local": self.local,
                "remote": self.remote,
                "bytes_in": self.to_server,
                "bytes_out": self.to_client,
                "closed_by": "remote",
                **server,
            },
            {
                "role": "client",
                "began_by": "connect",
                "listener": None,
                "local": self.remote,
                "remote": self.local,
                "bytes_in": self.to_client,
                "bytes_out": self.to_server,
                "closed_by": OTHER[server.get("closed_by", "remote")],
            },
        ]


@scenario
def descriptor_reuse() -> Scenario:
    """Five connections one after the other, all behind the same two descriptors."""
    yield
    listening = listener()
    rows, descriptors = [], set()
    for number in range(1, 6):
        pair = Pair(listening)
        pair.ask(100 * number)
        pair.answer(number)
        pair.close()
        descriptors.add(pair.fd)
        rows += pair.rows(fd=pair.fd, processes=1)
    assert len(descriptors) == 1
    return {"connections": rows}


@scenario
def duplicated_descriptor() -> Scenario:
    """It goes on through the copy that dup2 made, when the first descriptor is closed."""
    yield
    pair = Pair(listener())
    pair.ask(10)
    copy = os.dup2(pair.server.fileno(), 100)
    pair.server.close()
    os.write(copy, bytes(30))
    receive(pair.client, 30)
    pair.client.sendall(bytes(50))
    assert len(os.read(copy, 50)) == 50
    os.close(copy)
    assert pair.client.recv(1) == b""
    pair.to_server, pair.to_client = 60, 30
    return {"connections": pair.rows(closed_by="local", fd=100)}


@scenario
def descriptor_replaced() -> Scenario:
    """dup2 closes what its target stood for: one connection ends, the other takes its number."""
    yield
    listening = listener()
    first, second = Pair(listening), Pair(listening)
    first.ask(7)
    second.ask(70)
    os.dup2(second.server.fileno(), first.fd)
    assert first.client.recv(1) == b""
    os.write(first.fd, bytes(9))
    receive(second.client, 9)
    second.to_client = 9
    second.client.close()
    assert second.server.recv(1) == b""
    return {"connections": first.rows(closed_by="local") + second.rows(closed_by="remote")}


def wait_for_child(pid: int) -> None:
    _, status = os.waitpid(pid, 0)
    assert status == 0, status


def in_child(work: Callable[[], Any]) -> int:
    """Forks a child that does the work and exits without any clean-up."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
            os._exit(0)
        finally:
            os._exit(1)
    return pid


@scenario
def passed_to_another_process() -> Scenario:
    """Over a unix socket: the receiver answers and closes."""
    yield
    ours, theirs = socket.socketpair()

    def receiver() -> None:
        ours.close()
        _, [descriptor], _, _ = socket.recv_fds(theirs, 1, 1)
        os.write(descriptor, bytes(20))
        os.close(descriptor)

    child = in_child(receiver)
    theirs.close()
    pair = Pair(listener())
    pair.ask(10)
    socket.send_fds(ours, [b"x"], [pair.fd])
    pair.server.close()
    receive(pair.client, 20)
    assert pair.client.recv(1) == b""
    wait_for_child(child)
    pair.to_client = 20
    return {"connections": pair.rows(processes=2, closed_by="local", tgid=child)}


@scenario
def inherited_by_a_child() -> Scenario:
    """It outlives the child that used it first."""
    yield
    pair = Pair(listener())
    pair.ask(10)
    wait_for_child(in_child(lambda: pair.server.send(bytes(7))))
    receive(pair.client, 7)
    pair.to_client = 7
    pair.answer(9)
    pair.close()
    return {"connections": pair.rows(processes=2, tgid=os.getpid())}


@scenario
def closed_by_exit() -> Scenario:
    """Nobody calls close: the last process that has it exits."""
    yield
    pair = Pair(listener())
    child = in_child(lambda: pair.answer(5))
    pair.server.close()
    pair.to_client = 5
    wait_for_child(child)
    assert pair.client.recv(1) == b""
    pair.client.close()
    return {"connections": pair.rows(processes=2, closed_by="local", tgid=child)}


def serve(listening: socket.socket, count: int, size: int) -> Callable[[], None]:
    """Takes `count` connections, one after the other, and echoes `size` bytes on each."""

    def work() -> None:
        for _ in range(count):
            taken, _ = listening.accept()
            receive(taken, size)
            taken.sendall(bytes(size))
            assert taken.recv(1) == b""
            taken.close()

    return work


def visits(address: Any, count: int, size: int) -> list[Row]:
    """Clients of `serve`, one after the other: what is expected of both ends of each."""
    rows = []
    for _ in range(count):
        with socket.create_connection(address) as client:
            client.sendall(bytes(size))
            receive(client, size)
            here, there = shown(client.getsockname()), shown(address)
        moved = {"bytes_in": size, "bytes_out": size}
        server = {"role": "server", "began_by": "accept", "listener": there, "closed_by": "remote"}
        client_end = {"role": "client", "began_by": "connect", "listener": None, "closed_by": "local"}
        rows.append({"local": there, "remote": here, **server, **moved})
        rows.append({"local": here, "remote": there, **client_end, **moved})
    return rows


@scenario
def prefork_workers() -> Scenario:
    """Three processes accept from one listener that was there before them and the tracer."""
    listening = listener()
    yield
    children = [in_child(serve(listening, 4, 10)) for _ in range(3)]
    rows = visits(listening.getsockname(), 12, 10)
    for child in children:
        wait_for_child(child)
    return {"connections": rows, "servers": children}


@scenario
def one_port_for_several_listeners() -> Scenario:
    """SO_REUSEPORT: two processes, each with a listener of its own. Which one gets a connection is
    the kernel's choice, so both take what comes until they are told to end."""
    first = listener(shared_port=0)
    port = first.getsockname()[1]
    second = listener(shared_port=port)
    yield
    ends = os.pipe2(os.O_NONBLOCK)

    def worker(listening: socket.socket) -> None:
        while listening in select.select([listening, ends[0]], [], [])[0]:
            serve(listening, 1, 10)()

    children = [in_child(lambda listening=each: worker(listening)) for each in (first, second)]
    first.close()
    second.close()
    rows = visits(("127.0.0.1", port), 40, 10)
    os.write(ends[1], b"x")
    for child in children:
        wait_for_child(child)
    return {"connections": rows, "servers": children}


@scenario
def exclusive_waiters() -> Scenario:
    """EPOLLEXCLUSIVE: two processes wait for one listener, each with an epoll instance of its own."""
    listening = listener()
    listening.setblocking(False)
    yield
    ends = os.pipe2(os.O_NONBLOCK)

    def worker() -> None:
        epoll = select.epoll()
        epoll.register(listening, select.EPOLLIN | select.EPOLLEXCLUSIVE)
        epoll.register(ends[0], select.EPOLLIN)
        while ends[0] not in (events := dict(epoll.poll())):
            assert events == {listening.fileno(): select.EPOLLIN}
            try:
                taken, _ = listening.accept()
            except BlockingIOError:
                continue
            receive(taken, 10)
            taken.sendall(bytes(10))
            assert taken.recv(1) == b""
            taken.close()

    children = [in_child(worker) for _ in range(2)]
    rows = visits(listening.getsockname(), 20, 10)
    os.write(ends[1], b"x")
    for child in children:
        wait_for_child(child)
    return {"connections": rows, "servers": children, "listener": listening.fileno()}


@scenario
def nested_epoll() -> Scenario:
    """An epoll instance in another one: the outer reports the inner, the inner the socket."""
    yield
    pair = Pair(listener())
    inner, outer = select.epoll(), select.epoll()
    inner.register(pair.server, select.EPOLLIN)
    outer.register(inner, select.EPOLLIN)
    pair.client.sendall(bytes(5))
    assert outer.poll() == [(inner.fileno(), select.EPOLLIN)]
    assert inner.poll() == [(pair.fd, select.EPOLLIN)]
    receive(pair.server, 5)
    pair.to_server = 5
    pair.close()
    return {
        "connections": pair.rows(),
        "readiness": [
            [outer.fileno(), inner.fileno(), select.EPOLLIN],
            [inner.fileno(), pair.fd, select.EPOLLIN],
        ],
    }


@scenario
def internet_protocol_6() -> Scenario:
    yield
    pair = Pair(listener(socket.AF_INET6))
    pair.ask(10)
    pair.answer(20)
    pair.close()
    return {"connections": pair.rows(protocol="tcp")}


@scenario
def version_4_on_a_version_6_listener() -> Scenario:
    """A socket of both versions sees an IPv4 client under a mapped address."""
    yield
    listening = socket.create_server(("", 0), family=socket.AF_INET6, dualstack_ipv6=True)
    port = listening.getsockname()[1]
    with socket.create_connection(("127.0.0.1", port)) as client:
        taken, _ = listening.accept()
        client.sendall(bytes(3))
        receive(taken, 3)
        ends = {"local": shown(taken.getsockname()), "remote": shown(taken.getpeername())}
        ours, theirs = shown(client.getsockname()), shown(client.getpeername())
        taken.close()
    row = {"role": "server", "began_by": "accept", "listener": f"[::]:{port}", "bytes_in": 3, **ends}
    return {"connections": [row, {"role": "client", "local": ours, "remote": theirs, "bytes_out": 3}]}


def unix_pair(address: str | bytes) -> list[Row]:
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(address)
    listening.listen()
    pair = Pair(listening)
    pair.ask(10)
    pair.answer(20)
    pair.close()
    name = shown(listening.getsockname())
    server, client = pair.rows(protocol="unix", local=name, listener=name, remote=None)
    return [server, {**client, "local": None, "remote": name}]


@scenario
def unix_with_a_path() -> Scenario:
    yield
    with tempfile.TemporaryDirectory() as folder:
        return {"connections": unix_pair(f"{folder}/socket")}


@scenario
def unix_with_an_abstract_name() -> Scenario:
    yield
    return {"connections": unix_pair(b"\0uringtrace-test-%d" % os.getpid())}


@scenario
def open_before() -> Scenario:
    """Three connections that were there first: one is used, one is closed, one does nothing. Which
    side connected was not seen, but that the target listens tells it of the others."""
    listening = listener()
    pairs = [Pair(listening) for _ in range(3)]
    for pair in pairs:
        pair.ask(1000)
        pair.to_server = 0
    yield
    used, closed, idle = pairs
    used.ask(10)
    used.answer(20)
    closed.close()
    for pair in (used, idle):
        pair.close()
    rows = [*used.rows(), *closed.rows(), *idle.rows()]
    for row in rows:
        row |= {"began_by": "before", "began_ns": None, "listener": None, "first_byte_ns": None}
        row["role"] = "server" if row["local"] == shown(listening.getsockname()) else None
    for row in rows[-2:]:
        row["last_activity_ns"] = None
    return {"connections": rows}


def main() -> None:
    running = SCENARIOS[sys.argv[1]]()
    next(running)
    print(json.dumps({"ready": os.getpid()}), flush=True)
    sys.stdin.readline()
    try:
        next(running)
    except StopIteration as end:
        print(json.dumps(end.value), flush=True)


if __name__ == "__main__":
    main()

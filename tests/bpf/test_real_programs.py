"""Real servers under load: what we say of their connections is what their clients say.

A client of our own does an exact number of requests over an exact number of connections;
wrk and redis-benchmark put the same servers under load and are compared by their totals.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.bpf.conftest import target_binary
from tests.bpf.load import (
    GET,
    Address,
    Used,
    ask,
    free_port,
    open_sockets,
    served,
    tree,
    wait_until_listening,
    wrk,
)
from tests.bpf.processes import Json, Process, Tracer, wait_for

pytestmark = pytest.mark.bpf

CONNECTIONS, REQUESTS = 5, 40

NGINX = """
{user} daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
    access_log off; sendfile {sendfile}; keepalive_timeout 60; keepalive_requests 10000000;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    server {{ listen 127.0.0.1:{port}; root {folder}/site; location / {{ {location} }} }}
}}
"""

NODE = """
const server = require('http').createServer((request, response) => {
    response.setHeader('Content-Length', 6); response.end('hello\\n');
});
server.keepAliveTimeout = 60000;
server.listen(+process.argv[1], '127.0.0.1');
"""


@dataclass(frozen=True)
class Server:
    """A program that listens, and the tracer that is attached to it."""

    address: Address
    pids: list[int]
    folder: Path

    @contextmanager
    def traced(self) -> Iterator[list[Json]]:
        """Collects one report in the list, after all that was opened meanwhile is closed again."""
        before = open_sockets(self.pids)
        words = ("stat", "--connections", "--json", "-p", ",".join(map(str, self.pids)))
        report: list[Json] = []
        with Tracer(self.folder / "stat", *words) as tracer:
            tracer.attached()
            yield report
            # Fewer, where a connection of before was not yet closed when it was counted.
            wait_for(lambda: open_sockets(self.pids) <= before, "the server has closed its connections")
            tracer.interrupt()
            report.append(tracer.report())


def program(name: str, *elsewhere: str) -> str:
    """Its path; skips the test where it is not installed."""
    found = shutil.which(name) or next((path for path in elsewhere if Path(path).exists()), None)
    if not found:
        pytest.skip(f"{name} is not installed")
    return found


@contextmanager
def serving(folder: Path, port: int, *command: str | Path) -> Iterator[Server]:
    with Process(command, folder / "server") as process:
        wait_until_listening(port)
        yield Server(("127.0.0.1", port), tree(process.pid), folder)


def nginx(
    folder: Path, *, sendfile: str = "off", location: str = "return 200 'hello\\n';"
) -> list[str | Path]:
    port = free_port()
    (folder / "site").mkdir()
    (folder / "site" / "index.html").write_text("hello " * 2000)
    configuration = folder / "nginx.conf"
    # Otherwise its worker would not be root, who alone may enter the folders of tests.
    user = "user root;" if os.geteuid() == 0 else ""
    configuration.write_text(
        NGINX.format(user=user, folder=folder, port=port, sendfile=sendfile, location=location)
    )
    return [str(port), program("nginx", "/usr/sbin/nginx"), "-c", configuration, "-e", folder / "error.log"]


def nginx_with_sendfile(folder: Path) -> list[str | Path]:
    """The answer's head and body then leave in different system calls."""
    return nginx(folder, sendfile="on", location="index index.html;")


def node(folder: Path) -> list[str | Path]:
    port = str(free_port())
    return [port, program("node"), "-e", NODE, port]


def epoll(folder: Path) -> list[str | Path]:
    port = str(free_port())
    return [port, target_binary("epoll"), "--port", port]


def epoll_edge(folder: Path) -> list[str | Path]:
    return [*epoll(folder), "--edge"]


PROGRAMS = [nginx, nginx_with_sendfile, node, epoll, epoll_edge]


@pytest.fixture(params=PROGRAMS, ids=lambda start: start.__name__)
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    port, *command = request.param(tmp_path)
    with serving(tmp_path, int(port), *command) as started:
        yield started


def compare(connections: list[Json], used: list[Used], *, closed_by: str = "remote") -> None:
    """Connection by connection, known by the client's address."""
    seen = {connection["remote"]: connection for connection in connections}
    assert seen.keys() == {each.local for each in used}
    assert len(connections) == len(used)
    for each in used:
        connection = seen[each.local]
        moved = (connection["bytes_in"], connection["bytes_out"], connection["requests"])
        assert moved == (each.sent, each.received, each.requests)
        assert connection["bytes_exact"] is True
        assert (connection["protocol"], connection["began_by"]) == ("tcp", "accept")
        assert (connection["closed_by"], connection["errors"]) == (closed_by, 0)
        assert connection["began_ns"] < connection["first_byte_ns"] <= connection["last_in_ns"]
        assert connection["last_in_ns"] < connection["last_out_ns"] < connection["ended_ns"]


def test_an_http_server_and_an_exact_client(server: Server) -> None:
    with server.traced() as report:
        used = ask(server.address, GET, connections=CONNECTIONS, requests=REQUESTS)
    [said] = report
    assert (said["lost"], said["untracked"]) == ({}, 0)
    compare(served(said, server.address), used)


@pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk is not installed")
def test_an_http_server_under_wrk(server: Server) -> None:
    """wrk leaves the requests that are under way at its end out of its totals."""
    with server.traced() as report:
        totals = wrk(server.address, connections=8, seconds=1)
    [said] = report
    assert (said["lost"], said["untracked"]) == ({}, 0)
    connections = served(said, server.address)
    assert len(connections) == 8 + 1
    assert sum(connection["requests"] == 0 for connection in connections) == 1
    requests = sum(connection["requests"] for connection in connections)
    assert totals.requests <= requests <= totals.requests + 8
    answer = totals.received // totals.requests
    assert totals.received == totals.requests * answer
    for connection in connections:
        # What wrk left in the middle of an answer may have got its head alone, or nothing.
        missing = connection["requests"] * answer - connection["bytes_out"]
        assert 0 <= missing <= answer
    assert sum(connection["bytes_out"] for connection in connections) >= totals.received
    # wrk leaves without reading those answers: a server may fail to send, to receive and to shut down.
    errors = {connection["last_error"] for connection in connections}
    assert errors <= {None, "ECONNRESET", "EPIPE", "ENOTCONN"}
    assert all(connection["errors"] <= 3 for connection in connections)


def redis(folder: Path) -> list[str | Path]:
    port = str(free_port())
    options = ["--save", "", "--appendonly", "no", "--bind", "127.0.0.1", "--dir", str(folder)]
    return [port, program("redis-server"), "--port", port, *options]


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[Server]:
    port, *command = redis(tmp_path)
    with serving(tmp_path, int(port), *command) as started:
        yield started


def redis_totals(address: Address) -> dict[str, int]:
    """What redis counts itself, after the connection that asks was counted and its command received."""
    answers: list[bytes] = []

    def answered(answer: bytes) -> bool:
        head, end, body = answer.partition(b"\r\n")
        answers[:] = [body]
        return bool(end) and len(body) == int(head[1:]) + 2

    [used] = ask(address, b"INFO stats\r\n", connections=1, requests=1, answered=answered)
    lines = [line.split(":") for line in answers[0].decode().splitlines() if ":" in line]
    totals = {name: int(value) for name, value in lines if value.isdigit()}
    return totals | {"own answer": used.received}


def test_redis_and_an_exact_client(redis_server: Server) -> None:
    command = b"*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$5\r\nvalue\r\n"
    with redis_server.traced() as report:
        used = ask(
            redis_server.address,
            command,
            connections=CONNECTIONS,
            requests=REQUESTS,
            answered=lambda answer: answer == b"+OK\r\n",
        )
    [said] = report
    compare(served(said, redis_server.address), used)


@pytest.mark.skipif(shutil.which("redis-benchmark") is None, reason="redis-benchmark is not installed")
@pytest.mark.parametrize("pipelined", [1, 16])
def test_redis_under_its_benchmark(redis_server: Server, tmp_path: Path, pipelined: int) -> None:
    """Redis itself counts connections and bytes; pipelined commands are answered in one burst."""
    port = str(redis_server.address[1])
    benchmark = [
        "redis-benchmark",
        "-p",
        port,
        "-c",
        "8",
        "-n",
        "3200",
        "-P",
        str(pipelined),
        "-t",
        "set,get",
    ]
    before = redis_totals(redis_server.address)
    with redis_server.traced() as report:
        with Process([*benchmark, "-q"], tmp_path / "benchmark") as process:
            assert process.wait() == 0, process.notices()
        after = redis_totals(redis_server.address)
    [said] = report
    assert (said["lost"], said["untracked"]) == ({}, 0)
    connections = served(said, redis_server.address)

    def counted(name: str) -> int:
        return after[name] - before[name]

    assert len(connections) == counted("total_connections_received")
    assert sum(each["bytes_in"] for each in connections) == counted("total_net_input_bytes")
    # The answer that tells is not yet in the count, and the one before is.
    answers = after["own answer"] - before["own answer"]
    assert sum(each["bytes_out"] for each in connections) == counted("total_net_output_bytes") + answers
    commands = counted("total_commands_processed")
    requests = sum(each["requests"] for each in connections)
    if pipelined == 1:
        # Its first connection asks for two settings at once.
        assert requests in (commands - 1, commands)
    else:
        assert commands // pipelined <= requests < commands // 2

"""The epoll server speaks HTTP and counts its own calls."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.targets.truth import Truth
from uringtrace.targets import build


@pytest.fixture(params=[(), ("--edge",)], ids=["level-triggered", "edge-triggered"])
def server(request: pytest.FixtureRequest, kinds: Path) -> Iterator[Server]:
    """The epoll server; the fixture ends it."""
    command = [build.binary("epoll"), *request.param]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Server(process, edge=bool(request.param))
        finally:
            process.kill()


class Server:
    """The epoll server, and how to talk to it."""

    def __init__(self, process: subprocess.Popen[str], *, edge: bool) -> None:
        assert process.stdout is not None
        self.process, self.edge = process, edge
        self.first = json.loads(process.stdout.readline())

    def connect(self) -> socket.socket:
        host, port = self.first["listening"].split(":")
        return socket.create_connection((host, int(port)), timeout=10)

    def ask(self, text: str) -> str:
        """Everything that is answered until the server closes the connection."""
        with self.connect() as connection:
            connection.sendall(text.encode())
            return b"".join(iter(lambda: connection.recv(65536), b"")).decode()

    def truth(self) -> Truth:
        """Ends it with SIGTERM."""
        self.process.terminate()
        said, _ = self.process.communicate(timeout=30)
        parsed: Truth = json.loads(said)
        return parsed


GET = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
LAST = "GET / HTTP/1.1\r\nconnection: te, CLOSE\r\n\r\n"
OK = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 14\r\n\r\nHello, world!\n"


@pytest.mark.parametrize(
    ("request_text", "status", "body"),
    [
        (LAST, "200 OK", "Hello, world!\n"),
        ("GET / HTTP/1.0\r\n\r\n", "200 OK", "Hello, world!\n"),
        ("HEAD / HTTP/1.1\r\nConnection: close\r\n\r\n", "200 OK", ""),
        ("GET / HTTP/1.1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", "200 OK", "Hello, world!\n"),
        ("POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\n", "405 Method Not Allowed", ""),
        ("GET / HTTP/1.1\r\nContent-Length: 3\r\n\r\n", "413 Content Too Large", ""),
        ("GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", "413 Content Too Large", ""),
        ("nonsense\r\n\r\n", "400 Bad Request", ""),
        ("GET / HTTP/1.1\r\nnonsense\r\n\r\n", "400 Bad Request", ""),
        ("GET /" + "x" * (8192 - 5), "431 Request Header Fields Too Large", ""),
    ],
)
def test_the_epoll_server_speaks_http(server: Server, request_text: str, status: str, body: str) -> None:
    head, _, answered = server.ask(request_text).partition("\r\n\r\n")
    lines = head.split("\r\n")
    assert lines[0] == f"HTTP/1.1 {status}"
    assert "Connection: close" in lines
    assert answered == body
    if not request_text.startswith("HEAD"):
        assert f"Content-Length: {len(body)}" in lines


def test_the_epoll_server_answers_a_pipeline_larger_than_its_memory(server: Server) -> None:
    """Requests cut at every place, and answers the client is slow to take."""
    count = 20_000
    text = (GET * (count - 1) + LAST).encode()
    with server.connect() as connection:
        sender = threading.Thread(target=connection.sendall, args=(text,))
        sender.start()
        answered = b"".join(iter(lambda: connection.recv(65536), b"")).decode()
        sender.join()
    last = OK.replace("14\r\n", "14\r\nConnection: close\r\n")
    assert answered == OK * (count - 1) + last
    did = server.truth()
    assert (did["connections"], did["closed"], did["requests"]) == (1, 1, count)
    assert (did["bytes_received"], did["bytes_sent"]) == (len(text), len(answered))


def test_the_epoll_server_counts_its_calls(server: Server) -> None:
    """Three connections at once, one request after the other; one is left open to the end."""
    clients = [server.connect() for _ in range(3)]
    for _ in range(5):
        for client in clients:
            client.sendall(GET.encode())
            assert client.recv(65536).decode() == OK
    for client in clients[:2]:
        client.close()
    # The answer shows that it has seen what happened before.
    assert server.ask(LAST).startswith("HTTP/1.1 200")
    did = server.truth()
    clients[2].close()
    calls, failed = did["calls"], did["failed"]
    assert (did["connections"], did["closed"], did["requests"]) == (4, 4, 16)
    assert (calls["sendto"], failed["sendto"]) == (16, 0)
    assert (calls["epoll_ctl"], calls["close"]) == (4, 4)
    assert (did["bytes_received"], did["bytes_sent"]) == (
        15 * len(GET) + len(LAST),
        16 * len(OK) + len("Connection: close\r\n"),
    )
    if server.edge:
        # Each round of receiving and accepting goes on until there is no more.
        assert (calls["accept4"] - failed["accept4"], failed["accept4"] > 0) == (4, True)
        assert failed["recvfrom"] >= 15
    else:
        assert (calls["accept4"], failed["accept4"]) == (4, 0)
        assert (calls["recvfrom"], failed["recvfrom"]) == (16 + 2, 0)
        assert did["readiness"] == calls["accept4"] + calls["recvfrom"] + 1


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_strace_sees_the_calls_that_the_epoll_server_counts(kinds: Path, tmp_path: Path) -> None:
    log = tmp_path / "strace"
    command = ["strace", "-qq", "-o", log, build.binary("epoll")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        server = Server(process, edge=False)
        for _ in range(20):
            server.ask(GET + LAST)
        os.kill(server.first["pid"], signal.SIGTERM)
        said, _ = process.communicate(timeout=30)
    _, _, since = log.read_text().partition("listening")
    seen = Counter(line.partition("(")[0] for line in since.splitlines()[1:])
    del seen["write"], seen["exit_group"], seen["+++ exited with 0 +++"]
    assert seen == json.loads(said)["calls"]

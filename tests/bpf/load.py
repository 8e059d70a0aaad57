"""Clients that know what they did: exact numbers of connections, requests and bytes."""

from __future__ import annotations

import re
import socket
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.bpf.processes import Json, wait_for

GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
Address = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Used:
    """One connection as its client saw it."""

    local: str
    """The client's own address: the server's `remote`."""
    requests: int
    sent: int
    received: int


def http_answered(answer: bytes) -> bool:
    """Whether the answer to one GET is complete. The test fails when it is a refusal."""
    status = b"HTTP/1.1 200"
    assert answer[: len(status)] == status[: len(answer)]
    head, end, body = answer.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)^content-length: *(\d+)\r?$", head, re.MULTILINE)
    return bool(end and length and len(body) >= int(length[1]))


def ask(
    address: Address,
    request: bytes,
    *,
    connections: int,
    requests: int,
    answered: Callable[[bytes], bool] = http_answered,
) -> list[Used]:
    """Opens all connections, then sends each one's requests in turn, waiting for every answer."""
    clients = [socket.create_connection(address, timeout=10) for _ in range(connections)]
    received = dict.fromkeys(clients, 0)
    for _ in range(requests):
        for client in clients:
            client.sendall(request)
            answer = b""
            while not answered(answer):
                part = client.recv(65536)
                assert part, f"closed after {answer!r}"
                answer += part
            received[client] += len(answer)
    used = [
        Used(shown(client.getsockname()), requests, requests * len(request), received[client])
        for client in clients
    ]
    for client in clients:
        client.close()
    return used


def shown(address: tuple[str, int] | tuple[str, int, int, int]) -> str:
    """An address of the socket module as we print it."""
    host, port = address[0], address[1]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@dataclass(frozen=True, slots=True)
class Wrk:
    """What wrk says of its run."""

    requests: int
    received: int


def wrk(address: Address, connections: int, seconds: int) -> Wrk:
    """Load over kept-alive connections, of which wrk opens one more to try the address."""
    script = Path(__file__).with_name("wrk_totals.lua")
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", script, f"http://{shown(address)}/"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    totals = re.search(r"^totals (\d+) requests (\d+) bytes (\d+) errors$", done.stdout, re.MULTILINE)
    assert totals, done.stdout + done.stderr
    requests, received, errors = map(int, totals.groups())
    assert errors == 0, done.stdout
    return Wrk(requests, received)


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until_listening(port: int) -> None:
    """Without a connection, which the server would be busy with."""

    def listening() -> bool:
        # proc_net_tcp: the local address is the second word, the state the fourth; 0A is LISTEN.
        words = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()]
        return any(each[3] == "0A" and each[1].endswith(f":{port:04X}") for each in words)

    wait_for(listening, f"somebody listens on port {port}")


def tree(pid: int) -> list[int]:
    """A process and its descendants."""
    found = [pid]
    for each in found:
        for thread in Path(f"/proc/{each}/task").iterdir():
            found += map(int, (thread / "children").read_text().split())
    return found


def open_sockets(pids: list[int]) -> int:
    """How many descriptors of these processes are sockets."""
    links = [link for pid in pids for link in Path(f"/proc/{pid}/fd").iterdir()]
    return sum(_target(link).startswith("socket:") for link in links)


def _target(link: Path) -> str:
    try:
        return str(link.readlink())
    except FileNotFoundError:
        return ""


def served(report: Json, address: Address) -> list[Json]:
    """The connections in the object of `stat --connections --json` that were accepted at the address."""
    return [
        connection
        for connection in report["connections"]
        if connection["role"] == "server" and connection["listener"] == shown(address)
    ]

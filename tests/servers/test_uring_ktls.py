"""What TLS adds to a server: its handshakes, records and endings, from the outside.

That it serves HTTP like all the others is the conformance test's. Clients are the standard
library's.
"""

from __future__ import annotations

import itertools
import shutil
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.bpf.processes import DEADLINE, Process, Tracer, counts, json_lines, wait_for
from tests.servers.heartbeat import heartbeat
from tests.servers.running import Running, running
from uringtrace.targets.http.service import pattern
from uringtrace.targets.tls.key_schedule import SUITES
from uringtrace.targets.tls.records import ContentType, Sealer

GET = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"
Connect = Callable[..., ssl.SSLSocket]


@pytest.fixture(scope="module", params=["minimal", "pyopenssl"])
def server(request: pytest.FixtureRequest) -> Iterator[Running]:
    with running("uring-ktls", "--mode", "user-records", "--handshake", request.param) as process:
        yield process


@pytest.fixture
def context(server: Running, tmp_path: Path) -> ssl.SSLContext:
    """Trusts the certificate of the first line; keeps the secrets of its connections in a file."""
    context = ssl.create_default_context(cadata=server.first["certificate"])
    context.keylog_filename = str(tmp_path / "secrets")
    return context


def plain(server: Running) -> socket.socket:
    connection = socket.create_connection(server.address, DEADLINE)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def connect(server: Running, context: ssl.SSLContext) -> ssl.SSLSocket:
    """Reading raises where the server ends without close_notify."""
    return context.wrap_socket(plain(server), server_hostname="localhost", suppress_ragged_eofs=False)


def read(client: ssl.SSLSocket, count: int) -> bytes:
    """Exactly so many bytes."""
    data = b""
    while len(data) < count:
        piece = client.recv(count - len(data))
        assert piece, f"ended after {len(data)} bytes"
        data += piece
    return data


def answer(client: ssl.SSLSocket) -> bytes:
    """The body of the next answer."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += read(client, 1)
    length = head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0]
    return read(client, int(length))


def test_the_first_line_says_who_makes_tls(server: Running) -> None:
    assert server.first["mode"] == "user-records"
    minimal = server.first["handshake"] == "minimal"
    assert ("demonstration only" in (server.first["notice"] or "")) == minimal
    assert "PRIVATE" not in server.first["certificate"]


def test_requests_in_records_cut_anywhere(server: Running, context: ssl.SSLContext) -> None:
    """A record for each byte, many requests in one record, and records split over packets."""
    with connect(server, context) as client:
        for position in range(len(GET)):
            client.sendall(GET[position : position + 1])
        assert answer(client) == b"It works.\n"
        client.sendall(GET * 50)
        assert [answer(client) for _ in range(50)] == [b"It works.\n"] * 50
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    memory = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
    with plain(server) as connection:

        def carry(action: Callable[[], object]) -> object:
            while True:
                try:
                    return action()
                except ssl.SSLWantReadError:
                    for byte in outgoing.read():
                        connection.send(bytes((byte,)))
                    incoming.write(connection.recv(1 << 16))

        carry(memory.do_handshake)
        memory.write(GET)
        assert b"200 OK" in bytes(carry(memory.read))  # type: ignore[call-overload]  # what read returns


def test_large_answers_of_every_kind(server: Running, context: ssl.SSLContext) -> None:
    targets = ("/bytes/1000000", "/file/large.bin", "/sleep/20", "/file/small.txt", "/bytes/16384")
    with connect(server, context) as client:
        client.sendall(b"".join(GET.replace(b" /", b" " + target.encode(), 1) for target in targets))
        bodies = [answer(client) for _ in targets]
    assert bodies[0] == pattern(1_000_000)
    assert bodies[1] == bytes(range(256)) * 4096
    assert bodies[2] == b"Slept.\n"
    assert len(bodies[3]) == 1024
    assert bodies[4] == pattern(16384)


def test_both_ends_close_with_a_notice(server: Running, context: ssl.SSLContext) -> None:
    with connect(server, context) as client:
        client.sendall(GET.replace(b"Host", b"Connection: close\r\nHost"))
        assert answer(client) == b"It works.\n"
        assert client.recv(1) == b""
    with connect(server, context) as client:
        client.sendall(GET)
        assert answer(client) == b"It works.\n"
        client.unwrap()
    with connect(server, context) as client:
        # The notice right behind a request: this is answered all the same.
        client.sendall(GET)
        with pytest.raises(ssl.SSLError, match=r"(?i)application data after close notify|eof"):
            client.unwrap()


@pytest.mark.parametrize(
    ("content_type", "content", "damage", "alert"),
    [
        (ContentType.HANDSHAKE, b"\x18\x00\x00\x01\x01", 0, "unexpected message"),
        (ContentType.APPLICATION_DATA, b"GET", 1, "bad record mac"),
        (ContentType.ALERT, b"\x02", 0, "decode error"),
    ],
    ids=["KeyUpdate", "damaged", "half an alert"],
)
def test_a_wrong_record_gets_an_alert(
    server: Running,
    context: ssl.SSLContext,
    tmp_path: Path,
    content_type: ContentType,
    content: bytes,
    damage: int,
    alert: str,
) -> None:
    """Sealed with the client's own secret, which its key log has."""
    with connect(server, context) as client:
        lines = (tmp_path / "secrets").read_text().splitlines()
        (secret,) = (line.split()[2] for line in lines if line.startswith("CLIENT_TRAFFIC_SECRET_0"))
        name, _, _ = client.cipher() or ("", "", 0)
        record = Sealer(SUITES[name], bytes.fromhex(secret)).seal(content_type, content)
        # Of the TCP connection, behind the back of TLS.
        socket.socket.send(client, record[:-1] + bytes((record[-1] ^ damage,)))
        with pytest.raises(ssl.SSLError) as told:
            client.recv(1)
    assert alert in str(told.value).lower().replace("_", " ")


@pytest.mark.parametrize("sent", [GET, b"\x16\x03\x01\xff\xff", b"\x17\x03\x03\x00\x01x", bytes(5)])
def test_what_is_no_handshake_gets_an_alert_and_the_end(server: Running, sent: bytes) -> None:
    with plain(server) as connection:
        connection.sendall(sent)
        told = b""
        while piece := connection.recv(100):
            told += piece
    assert told[:6] == b"\x15\x03\x03\x00\x02\x02"
    assert len(told) == 7


def test_a_client_without_tls_1_3(server: Running, context: ssl.SSLContext) -> None:
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(ssl.SSLError, match=r"(?i)protocol.version"):
        connect(server, context)


def test_two_hundred_connections_at_once(server: Running, context: ssl.SSLContext) -> None:
    with ThreadPoolExecutor(20) as pool:
        clients = list(pool.map(lambda _: connect(server, context), range(200)))
        for client in clients:
            client.sendall(GET)
        assert [answer(client) for client in clients] == [b"It works.\n"] * 200
        for client in clients:
            client.close()


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl(server: Running, tmp_path: Path) -> None:
    """It verifies the certificate and the address, and offers HTTP/2 first."""
    trusted = tmp_path / "certificate.pem"
    trusted.write_text(server.first["certificate"])
    url = f"https://{server.first['listening']}/bytes/[1-3]"
    done = subprocess.run(
        ["curl", "--silent", "--show-error", "--cacert", trusted, url],
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert done.stderr == b""
    assert done.stdout == pattern(1) + pattern(2) + pattern(3)


def test_a_graceful_stop() -> None:
    """Who waits for an answer gets it, who waits for nothing gets close_notify, a handshake is dropped."""
    with running("uring-ktls", "--handshake", "minimal") as server:
        context = ssl.create_default_context(cadata=server.first["certificate"])
        with connect(server, context) as idle, connect(server, context) as busy, plain(server) as late:
            late.sendall(b"\x16\x03\x01")
            for client in (idle, busy):
                client.sendall(GET)
                assert answer(client) == b"It works.\n"
            busy.sendall(GET + GET.replace(b" /", b" /sleep/200", 1))
            assert answer(busy) == b"It works.\n"
            server.terminate()
            assert answer(busy) == b"Slept.\n"
            assert busy.recv(1) == b""
            assert idle.recv(1) == b""
            assert late.recv(1) == b""
        last = server.last_line()
    assert (last["connections"], last["closed"], last["handshakes"]) == (3, 3, 2)
    assert last["requests"] == 4
    assert last["http_bytes_in"] == 4 * len(GET) + len(b"sleep/200")


@pytest.mark.parametrize("mode", ["ktls-ring", "ktls-setsockopt"])
def test_a_mode_that_is_impossible_is_refused(mode: str) -> None:
    """One line that says what is missing, and a way out."""
    layers = Path("/proc/sys/net/ipv4/tcp_available_ulp").read_text().split()
    if "tls" in layers:
        pytest.skip("this kernel has kTLS")
    command = [sys.executable, "-m", "uringtrace", "serve", "uring-ktls", "--mode", mode]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 2
    assert "no tls module (TCP_ULP: ENOENT)" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.bpf
@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_no_system_call_and_every_operation_counted(tmp_path: Path) -> None:
    """200 connections and 2,000 requests: strace sees nothing, `stat` what the server says it did."""
    serve = [sys.executable, "-m", "uringtrace", "serve", "uring-ktls"]
    serve += ["--mode", "user-records", "--handshake", "minimal"]
    stat = Tracer(tmp_path / "stat", "stat", "--interface", "io_uring", "--json", "--", *serve)
    with stat, ThreadPoolExecutor(10) as pool:
        (first,) = wait_for(lambda: json_lines(stat.output()), "the server listens")
        host, _, port = first["listening"].rpartition(":")
        context = ssl.create_default_context(cadata=first["certificate"])

        def connect() -> ssl.SSLSocket:
            plain = socket.create_connection((host, int(port)), DEADLINE)
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return context.wrap_socket(plain, server_hostname="localhost")

        def visit(_number: int) -> None:
            with connect() as client:
                client.sendall(GET * 10)
                assert [answer(client) for _ in range(10)] == [b"It works.\n"] * 10

        calls = tmp_path / "calls"
        watching = ["strace", "-f", "-o", calls, "-p", str(first["pid"])]
        with heartbeat(connect()) as heart, Process(watching, tmp_path / "strace") as strace:
            wait_for(lambda: "attached" in strace.notices(), "strace is attached")
            list(pool.map(visit, range(200)))
            strace.interrupt()
            strace.wait()
        assert calls.read_text() == ""
        subprocess.run(["kill", str(first["pid"])], check=True)
        assert stat.wait() == 0, stat.notices()
    _, last, report = itertools.islice(json_lines(stat.output()), 3)
    assert (last["connections"], last["handshakes"]) == (201, 201)
    assert last["requests"] == 2000 + heart.requests
    assert counts(report) == last["operations"]

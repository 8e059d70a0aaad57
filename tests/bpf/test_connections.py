"""Connections of little real programs: each does one thing that could confuse, and the end is known.

Both ends of a connection are in the target, so each shows twice: as `server` and as `client`.
"""

import sys
import textwrap

import pytest

from uringtrace.tracer.capture import start_streaming
from uringtrace.tracer.connections import Connection, ConnectionTracker
from uringtrace.tracer.target import Target

pytestmark = pytest.mark.bpf

PROLOGUE = """
import os, socket, struct, sys, time

def pair(listener):
    client = socket.create_connection(listener.getsockname()[:2])
    server, _ = listener.accept()
    return server, client

def listening(family=socket.AF_INET, host="127.0.0.1", **options):
    return socket.create_server((host, 0), family=family, **options)

def exchange(server, client, ask, answer):
    client.sendall(b"q" * ask)
    assert len(server.recv(65536)) == ask
    server.sendall(b"a" * answer)
    assert len(client.recv(65536)) == answer

def at_end(stream):
    assert stream.recv(1) == b""

listener = listening()
"""


def followed(script: str) -> tuple[Connection, ...]:
    """What is seen of a Python script that begins with PROLOGUE."""
    source = PROLOGUE + textwrap.dedent(script)
    with start_streaming(Target(command=(sys.executable, "-c", source), follow=True)) as capture:
        tracker = ConnectionTracker(capture.context)
        for records in capture.records():
            tracker.add(records, capture.files, capture.open_sockets)
        assert capture.child_status == 0
        assert capture.losses.total_lost == 0
        return tracker.connections(capture.open_sockets)


def of(role: str, connections: tuple[Connection, ...]) -> list[Connection]:
    return [connection for connection in connections if connection.role == role]


def moved(connection: Connection) -> tuple[int, int]:
    return connection.bytes_in, connection.bytes_out


def test_both_sides_of_a_plain_connection() -> None:
    found = followed("""
        server, client = pair(listener)
        for _ in range(3):
            exchange(server, client, 100, 1000)
        client.close(); at_end(server); server.close()
    """)
    (server,), (client,) = of("server", found), of("client", found)
    assert (server.local, server.remote) == (client.remote, client.local)
    assert (moved(server), moved(client)) == ((300, 3000), (3000, 300))
    assert (server.began_by, client.began_by) == ("accept", "connect")
    assert (server.closed_by, client.closed_by) == ("remote", "local")
    assert server.ended_ns is not None
    assert client.ended_ns is not None
    assert (server.requests, client.requests) == (3, 3)
    assert (server.requests_from_arrival, server.request_waiting_ns) == (3, None)
    assert server.listener == server.local
    assert server.began_ns is not None
    assert server.began_ns <= (server.first_byte_ns or 0) <= (server.last_activity_ns or 0) <= server.ended_ns
    assert server.bytes_exact


def test_a_descriptor_used_again() -> None:
    found = followed("""
        for number in range(1, 6):
            server, client = pair(listener)
            exchange(server, client, number, 10 * number)
            fd = server.fileno()
            server.close(); at_end(client); client.close()
    """)
    served = of("server", found)
    assert [moved(each) for each in served] == [(number, 10 * number) for number in range(1, 6)]
    assert len({each.fd for each in served}) == 1
    assert {each.closed_by for each in served} == {"local"}
    assert {each.is_open for each in found} == {False}


def test_dup2_and_closing_one_of_two_descriptors() -> None:
    found = followed("""
        server, client = pair(listener)
        other, other_client = pair(listener)
        os.dup2(server.fileno(), other.fileno())
        at_end(other_client)
        os.close(server.detach())
        exchange(other, client, 7, 70)
        other.close(); at_end(client)
    """)
    first, second = of("server", found)
    assert (moved(first), moved(second)) == ((7, 70), (0, 0))
    assert (second.closed_by, first.closed_by) == ("local", "local")
    assert second.ended_ns < first.last_activity_ns < first.ended_ns


def test_a_socket_sent_to_another_process() -> None:
    found = followed("""
        here, there = socket.socketpair()
        child = os.fork()
        if child == 0:
            listener.close(); here.close()
            _, descriptors, _, _ = socket.recv_fds(there, 1, 1)
            sent = socket.socket(fileno=descriptors[0])
            while data := sent.recv(100):
                sent.sendall(data * 2)
            os._exit(0)
        server, client = pair(listener)
        socket.send_fds(here, [b"x"], [server.fileno()])
        server.close()
        for _ in range(4):
            client.sendall(b"hello")
            assert len(client.recv(100)) == 10
        client.close()
        assert os.waitpid(child, 0)[1] == 0
    """)
    (server,) = of("server", found)
    assert (moved(server), server.processes, server.requests) == ((20, 40), 2, 4)
    assert (server.closed_by, server.is_open) == ("remote", False)
    (client,) = of("client", found)
    assert client.tgid != server.tgid


def test_an_inherited_socket() -> None:
    found = followed("""
        server, client = pair(listener)
        exchange(server, client, 5, 50)
        closed, tell = os.pipe()
        child = os.fork()
        if child == 0:
            client.close()
            server.sendall(b"child"); os.read(closed, 1); server.sendall(b"later")
            os._exit(0)
        server.close()
        os.write(tell, b"x")
        got = b""
        while data := client.recv(100):
            got += data
        assert got == b"childlater"
        os.waitpid(child, 0)
    """)
    (server,) = of("server", found)
    assert (moved(server), server.processes, server.closed_by) == ((5, 60), 2, "local")
    assert server.ended_ns >= server.last_out_ns


@pytest.mark.parametrize("reuse_port", [False, True])
def test_workers_that_accept_on_one_listener_or_on_one_port(reuse_port: bool) -> None:
    found = followed(f"""
        import signal
        shared = listening(reuse_port={reuse_port})
        port = shared.getsockname()[1]
        ready, tell = os.pipe()
        workers = []
        for number in range(3):
            child = os.fork()
            if child == 0:
                own = shared
                if {reuse_port}:
                    own = socket.create_server(("127.0.0.1", port), reuse_port=True)
                    shared.close()
                os.write(tell, b"x")
                while True:
                    server, _ = own.accept()
                    server.sendall(server.recv(100) * 3)
                    at_end(server); server.close()
                    os.write(tell, b"x")
            workers.append(child)
        for number in range(3):
            os.read(ready, 1)
        shared.close()
        for number in range(30):
            with socket.create_connection(("127.0.0.1", port)) as client:
                client.sendall(b"x" * 10)
                assert len(client.recv(100)) == 30
        closed = 0
        while closed < 30:
            closed += len(os.read(ready, 30))
        for child in workers:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
    """)
    served = of("server", found)
    assert [moved(each) for each in served] == [(10, 30)] * 30
    assert {each.requests for each in served} == {1}
    assert {each.listener for each in served} == {served[0].local}
    assert len({each.inode for each in served}) == 30
    assert {each.closed_by for each in served} == {"remote"}


def test_ipv6() -> None:
    found = followed("""
        server, client = pair(listening(socket.AF_INET6, "::1"))
        exchange(server, client, 5, 6)
    """)
    (server,) = of("server", found)
    assert server.local.startswith("[::1]:")
    assert server.remote.startswith("[::1]:")
    assert moved(server) == (5, 6)


def test_unix_sockets() -> None:
    found = followed("""
        import tempfile
        path = tempfile.mkdtemp() + "/x.sock"
        unix = socket.socket(socket.AF_UNIX); unix.bind(path); unix.listen()
        client = socket.socket(socket.AF_UNIX); client.connect(path)
        server, _ = unix.accept()
        exchange(server, client, 5, 6)
        client.close(); at_end(server); server.close()
        os.unlink(path); os.rmdir(os.path.dirname(path))
    """)
    (server,), (client,) = of("server", found), of("client", found)
    assert (moved(server), moved(client)) == ((5, 6), (6, 5))
    assert (server.protocol, server.closed_by, client.closed_by) == ("unix", "remote", "local")
    assert server.listener.endswith("/x.sock")
    assert client.remote.endswith("/x.sock")
    assert not server.is_open
    assert not client.is_open


def test_a_reset_and_a_refusal() -> None:
    found = followed("""
        server, client = pair(listener)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
        try:
            server.recv(1)
        except ConnectionResetError:
            server.close()
        port = listener.getsockname()[1]
        listener.close()
        lonely = socket.socket()
        assert lonely.connect_ex(("127.0.0.1", port)) == 111
        lonely.close()
    """)
    (server,) = of("server", found)
    assert (server.closed_by, server.last_error, server.errors) == ("reset", "ECONNRESET", 1)
    reset, refused = of("client", found)
    assert reset.closed_by == "reset"
    assert (refused.closed_by, refused.last_error) == ("failed", "ECONNREFUSED")
    assert refused.remote == server.local


def test_a_half_close_is_not_the_end() -> None:
    found = followed("""
        server, client = pair(listener)
        client.sendall(b"12345"); client.shutdown(socket.SHUT_WR)
        while server.recv(100):
            pass
        server.sendall(b"answer"); server.close()
        assert client.recv(100) == b"answer"
        at_end(client); client.close()
    """)
    (client,) = of("client", found)
    assert (moved(client), client.closed_by) == ((6, 5), "local")
    assert client.ended_ns >= client.last_in_ns


def test_what_is_left_open_is_open() -> None:
    found = followed("""
        server, client = pair(listener)
        client.sendall(b"unanswered")
        assert server.recv(100)
        os.kill(os.getpid(), 0)
        os.set_blocking(0, True)
        sys.stdout.flush()
    """)
    (server,) = of("server", found)
    assert server.bytes_in == 10
    assert server.requests == 0


def test_thousands_of_connections() -> None:
    """Opened at some 3,000 a second: what is faster than files can be described is counted as lost."""
    found = followed("""
        import resource
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
        wide = listening(backlog=4096)
        child = os.fork()
        if child == 0:
            clients = []
            for _ in range(100):
                clients += [socket.create_connection(wide.getsockname()) for _ in range(100)]
                time.sleep(0.03)  # the rate is what this is about
            for client in clients:
                client.sendall(b"q")
            for client in clients:
                assert len(client.recv(10)) == 5
            os._exit(0)
        servers = [wide.accept()[0] for _ in range(10000)]
        for server in servers:
            server.sendall(server.recv(10) * 5)
        assert os.waitpid(child, 0)[1] == 0
    """)
    served = of("server", found)
    assert len(served) == 10_000
    assert {moved(each) for each in served} == {(1, 5)}
    assert {each.requests for each in served} == {1}
    assert len(of("client", found)) == 10_000

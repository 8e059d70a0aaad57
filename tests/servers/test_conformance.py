"""All reference servers give the same service, and say exactly what they did.

The tests of one server share its process, and everything a test does is booked: in the end
the server's last line must agree with the books to the byte.
"""

from __future__ import annotations

import time

import pytest

from tests.servers.conftest import Served
from tests.servers.visitor import request
from uringtrace.targets.catalogue import ARCHITECTURES
from uringtrace.targets.http.exchange import LARGEST_HEADER
from uringtrace.targets.http.service import pattern

LIMITED = {
    "iterative": (1, "whoever is not served yet waits in the accept queue"),
    "prefork": (2, "a worker is bound to its connection, and there are two"),
    "threadpool": (2, "a thread is bound to its connection, and there are two"),
}
"""Servers that serve so many connections at a time, whatever these do; and the lesson."""

MANY = 1000
LEAST_READ = 4096
"""A receive buffer, in bytes, that keeps a client's backlog in the server."""


def test_the_table_of_limits_is_the_catalogue_s() -> None:
    assert set(LIMITED) == {name for name, each in ARCHITECTURES.items() if each.binds_workers}


def test_the_first_line_names_the_server(served: Served) -> None:
    first = served.process.first
    assert first["architecture"] == served.name
    assert first["fault"] is None
    if served.case.mode:
        assert first["mode"] == served.case.mode


def test_keep_alive(served: Served) -> None:
    """HTTP/1.1 stays until it is told, HTTP/1.0 goes unless it is told."""
    with served.visitors.visit() as visit:
        for _ in range(3):
            assert visit.get("/").body == b"It works.\n"
        assert visit.get("/", "Connection: close").fields["connection"] == "close"
        assert visit.ended()
    with served.visitors.visit() as visit:
        visit.send(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        assert visit.answer().fields["connection"] == "keep-alive"
        visit.send(b"GET / HTTP/1.0\r\n\r\n")
        assert visit.answer().status == 200
        assert visit.ended()


def test_a_hundred_requests_in_one_piece(served: Served) -> None:
    """All answered, in their order; what follows the last request is not."""
    requests = b"".join(request(f"/bytes/{number}") for number in range(99))
    with served.visitors.visit() as visit:
        visit.send(requests + request("/bytes/99", "Connection: close"))
        assert [visit.answer().body for _ in range(100)] == [pattern(number) for number in range(100)]
        assert visit.ended()


def test_pipelined_answers_of_every_kind_keep_their_order(served: Served) -> None:
    targets = ("/bytes/300000", "/sleep/30", "/file/large.bin", "/nothing", "/file/empty", "/sleep/0", "/")
    with served.visitors.visit() as visit:
        visit.send(b"".join(request(target) for target in targets * 2))
        answers = [visit.answer() for _ in targets * 2]
    bodies = [answer.body for answer in answers[: len(targets)]]
    large = (served.documents / "large.bin").read_bytes()
    assert bodies == [
        pattern(300000), b"Slept.\n", large, b"404 Not Found\n", b"", b"Slept.\n", b"It works.\n",
    ]  # fmt: skip
    assert answers[len(targets) :] == answers[: len(targets)]


def test_byte_by_byte(served: Served) -> None:
    """Each byte is a packet of its own; a slow client is a client."""
    with served.visitors.visit() as visit:
        for byte in request("/bytes/5") + request("/bytes/6"):
            visit.send(bytes([byte]))
        assert [visit.answer().body, visit.answer().body] == [pattern(5), pattern(6)]


def test_a_request_in_two_halves_with_a_pause(served: Served) -> None:
    whole = request("/bytes/9")
    with served.visitors.visit() as visit:
        visit.send(request("/") + whole[:12])
        assert visit.answer().status == 200
        assert visit.silent(0.05)
        visit.send(whole[12:])
        assert visit.answer().body == pattern(9)


def test_head(served: Served) -> None:
    """As long as GET says, and no body follows."""
    with served.visitors.visit() as visit:
        for target, length in (("/bytes/70000", 70000), ("/file/large.bin", (1 << 20) + 4097), ("/", 10)):
            visit.send(request(target, method="HEAD"))
            assert visit.answer(head=True).fields["content-length"] == str(length)
        assert visit.get("/").body == b"It works.\n"


def test_what_is_not_there_and_what_is_not_allowed(served: Served) -> None:
    """Neither ends the connection."""
    with served.visitors.visit() as visit:
        assert visit.get("/nothing").status == 404
        assert visit.get("/file/nothing").status == 404
        assert visit.get("/file/..%2fsecret").status == 404
        visit.send(b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 4\r\n\r\nbody" + request("/"))
        assert visit.answer().status == 405
        assert visit.answer().status == 200


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        ((b"GET / HTTP/1.1\r\nField: " + b"x" * LARGEST_HEADER)[: LARGEST_HEADER + 1], 431),
    ],
)
def test_what_is_no_request_ends_the_connection(served: Served, sent: bytes, status: int) -> None:
    """With an answer that says why, behind the answers to what came before."""
    with served.visitors.visit() as visit:
        visit.send(request("/"))
        assert visit.answer().status == 200
        visit.send(sent)
        assert visit.answer().status == status
        assert visit.ended()


@pytest.mark.parametrize("count", [0, 1_000_000])
def test_bytes(served: Served, count: int) -> None:
    with served.visitors.visit() as visit:
        assert [visit.get(f"/bytes/{count}").body for _ in range(2)] == [pattern(count)] * 2


@pytest.mark.parametrize("name", ["small.txt", "empty", "large.bin"])
def test_files(served: Served, name: str) -> None:
    with served.visitors.visit() as visit:
        content = (served.documents / name).read_bytes()
        assert [visit.get(f"/file/{name}").body for _ in range(2)] == [content] * 2


def test_sleeping_at_the_same_time(served: Served) -> None:
    """Five sleepers take less than five times as long as one, where five are served at a time."""
    at_a_time, _ = LIMITED.get(served.name, (5, ""))
    milliseconds = 400 if at_a_time == 5 else 100
    with served.visitors.visits(5) as visits:
        started = time.monotonic()
        for visit in visits:
            visit.send(request(f"/sleep/{milliseconds}", "Connection: close"))
        for visit in visits:
            assert visit.answer().body == b"Slept.\n"
            visit.close()
        seconds = time.monotonic() - started
    turns = -(-5 // at_a_time)
    assert seconds >= turns * milliseconds / 1000
    if turns == 1:
        assert seconds < 5 * milliseconds / 1000


def test_clients_that_go_away(served: Served) -> None:
    """By FIN and by RST: before a request, within one, behind one, within an answer."""
    half = request("/bytes/5")[:12]
    served.visitors.connect(handshake=False).close()
    served.visitors.connect(handshake=False).reset()
    with served.visitors.visit() as visit:
        visit.send(half)
        visit.finish_sending()
        assert visit.ended()
    visit = served.visitors.connect()
    # One packet, so that the answer proves that the half behind it was read, too.
    visit.send(request("/") + half)
    assert visit.answer().status == 200
    visit.reset()
    with served.visitors.visit() as visit:
        visit.send(request("/") * 2)
        visit.finish_sending()
        assert [visit.answer().status, visit.answer().status] == [200, 200]
        assert visit.ended()
    with served.visitors.visit() as visit:
        assert visit.get("/").status == 200


def test_clients_that_go_away_while_they_are_answered(served: Served) -> None:
    """Who has only finished sending gets all of it; who is gone costs nobody anything."""
    with served.visitors.visit(receive_buffer=LEAST_READ) as visit:
        visit.send(request("/bytes/3000000"))
        visit.read_some()
        visit.finish_sending()
        visit.hurry()
        assert visit.answer().body == pattern(3_000_000)
        assert visit.ended()
    visit = served.visitors.connect(receive_buffer=LEAST_READ)
    visit.send(request("/bytes/16777216"))
    visit.read_some()
    visit.reset(unread=17 << 20)
    with served.visitors.visit() as visit:
        assert visit.get("/").status == 200


def test_a_thousand_connections(served: Served) -> None:
    """All open at once and each served; where that cannot be, one after the other."""
    if served.name in LIMITED:
        for _ in range(MANY):
            with served.visitors.visit() as visit:
                assert visit.get("/").status == 200
        return
    with served.visitors.visits(MANY) as visits:
        for visit in visits:
            visit.send(request("/"))
        assert [visit.answer().status for visit in visits] == [200] * MANY


def test_slow_clients_do_not_starve_the_others(served: Served) -> None:
    """60 that send a few bytes at a time and 4 that do not read: beside them others are answered.

    Except where a connection is bound to one of few workers: there they wait for the slow.
    """
    slow = request("/bytes/7", "Connection: close")
    step = len(slow) // 4
    pieces = [slow[position : position + step] for position in range(0, len(slow), step)]
    readers = [served.visitors.connect(receive_buffer=LEAST_READ) for _ in range(4)]
    for reader in readers:
        reader.send(request("/bytes/5000000", "Connection: close"))
    with served.visitors.visits(60) as senders, served.visitors.visit() as other:
        if served.name in LIMITED:
            other.send(request("/"))
        for piece in pieces[:-1]:
            for sender in senders:
                sender.send(piece)
            if served.name not in LIMITED:
                assert other.get("/").status == 200
        if served.name in LIMITED:
            assert other.silent(0.2)
        for sender in senders:
            sender.send(pieces[-1])
        for reader in readers:
            reader.hurry()
            assert len(reader.answer().body) == 5_000_000
            reader.close()
        for sender in senders:
            assert sender.answer().body == pattern(7)
            sender.close()
        if served.name in LIMITED:
            assert other.answer().status == 200


def test_sigterm_ends_it_and_its_last_line_is_what_the_clients_did(served: Served) -> None:
    """The answer that is under way is given, who waits for nothing is let go, nobody new gets in.

    Runs last: everything that was done before is in the books.
    """
    visitors = served.visitors
    idle = [] if served.name in LIMITED else [visitors.connect() for _ in range(3)]
    for each in idle:
        assert each.get("/").status == 200
    with visitors.visit() as visit:
        # One packet: the answer proves that the sleep has begun.
        visit.send(request("/") + request("/sleep/150"))
        assert visit.answer().status == 200
        served.process.terminate()
        assert visit.answer().body == b"Slept.\n"
        assert visit.ended()
    for each in idle:
        assert each.ended()
        each.close()
    last, books = served.process.last_line(), visitors.books
    # A server that speaks TLS counts as `bytes_in` what its sockets moved: records, too.
    http = "http_" if served.case.architecture.tls else ""
    said = {name: last[name] for name in ("connections", "closed", "requests", "refused")}
    assert said == {
        "connections": books.connections,
        "closed": books.connections,
        "requests": books.requests,
        "refused": books.refused,
    }
    assert last[f"{http}bytes_in"] == books.bytes_in
    assert books.bytes_out <= last[f"{http}bytes_out"] <= books.bytes_out + books.unread
    assert last["faults"] == {}
    with pytest.raises(ConnectionRefusedError):
        visitors.connect()

"""Bytes in, answers out: framing, keep-alive and refusals, however the bytes arrive."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uringtrace.targets.http.exchange import LARGEST_BODY, LARGEST_HEADER, Exchange
from uringtrace.targets.http.service import Answer, Service

SERVICE = Service(Path(__file__).parent)
GET = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"
BYTES_3 = b"GET /bytes/3 HTTP/1.1\r\nHost: here\r\n\r\n"


def answers(*pieces: bytes) -> list[Answer]:
    """All answers to what arrives in these pieces; checks that `closing` tells the truth."""
    exchange = Exchange(SERVICE)
    taken: list[Answer] = []
    for piece in pieces:
        exchange.receive(piece)
        while (answer := exchange.next()) is not None:
            taken.append(answer)
            assert exchange.closing == answer.close
        assert exchange.idle or exchange.closing
    return taken


def byte_by_byte(stream: bytes) -> list[bytes]:
    return [stream[position : position + 1] for position in range(len(stream))]


def outcome(*pieces: bytes) -> list[tuple[int, bool]]:
    """Status and whether the connection ends; the same for every byte on its own."""
    whole = answers(*pieces)
    assert answers(*byte_by_byte(b"".join(pieces))) == whole
    return [(answer.status, answer.close) for answer in whole]


def header_of(size: int) -> bytes:
    """A request whose header has exactly so many bytes, nearly all in one field."""
    start = b"GET / HTTP/1.1\r\nHost: here\r\nFiller: "
    return start + b"x" * (size - len(start) - 4) + b"\r\n\r\n"


def chunked(*chunks: bytes, trailer: bytes = b"") -> bytes:
    framed = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
    return framed + b"0\r\n" + trailer + b"\r\n"


def post(*fields: bytes, body: bytes = b"") -> bytes:
    return b"\r\n".join((b"POST / HTTP/1.1", b"Host: here", *fields, b"", body))


sized_bodies = st.binary(max_size=40).map(lambda body: post(b"Content-Length: %d" % len(body), body=body))
chunked_bodies = st.lists(st.binary(min_size=1, max_size=9) | st.just(b"\r\n\r\n"), max_size=4).map(
    lambda chunks: post(b"Transfer-Encoding: chunked", body=chunked(*chunks, trailer=b"Sum: 1\r\n"))
)
well_formed = st.one_of(
    st.sampled_from([(GET, 200), (BYTES_3, 200), (b"\r\n\r\n" + GET, 200)]),
    st.sampled_from([(b"HEAD /nothing HTTP/1.1\r\nHost: here\r\n\r\n", 404)]),
    st.sampled_from([(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", 200)]),
    st.sampled_from([(b"GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n", 200)]),
    st.integers(LARGEST_HEADER - 2, LARGEST_HEADER).map(lambda size: (header_of(size), 200)),
    sized_bodies.map(lambda request: (request, 405)),
    chunked_bodies.map(lambda request: (request, 405)),
)
endings = st.sampled_from(
    [
        (b"", None),
        (GET[:9], None),
        (GET.replace(b"Host: here", b"Connection: close"), 200),
        (b"GET / HTTP/1.0\r\n\r\n", 200),
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nNo colon\r\n\r\n", 400),
        (post(b"Transfer-Encoding: chunked", body=b"not hexadecimal\r\n"), 400),
        (post(b"Expect: 100-continue", b"Content-Length: 3"), 405),
        (b"CONNECT here:80 HTTP/1.1\r\nHost: here:80\r\n\r\n", 405),
        (header_of(LARGEST_HEADER + 1), 431),
    ]
)


@settings(max_examples=150)
@given(requests=st.lists(well_formed, max_size=5), ending=endings, data=st.data())
def test_any_split_of_any_pipelined_stream_gives_the_same_answers(
    requests: list[tuple[bytes, int]], ending: tuple[bytes, int | None], data: st.DataObject
) -> None:
    """And what follows the request that ends the connection has none."""
    last, status = ending
    stream = b"".join(request for request, _ in requests) + last + (GET if status else b"")
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    pieces = [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    whole = answers(stream)
    assert answers(*pieces) == whole
    expected = [(known, False) for _, known in requests] + ([(status, True)] if status else [])
    assert [(answer.status, answer.close) for answer in whole] == expected


@settings(max_examples=150)
@given(noise=st.binary(max_size=200), data=st.data())
def test_no_noise_makes_it_fail_or_depend_on_the_split(noise: bytes, data: st.DataObject) -> None:
    stream = GET + noise
    cut = data.draw(st.integers(0, len(stream)))
    assert answers(stream[:cut], stream[cut:]) == answers(stream) == answers(*byte_by_byte(stream))
    assert answers(stream)[0].status == 200


def test_an_answer_is_made_when_it_is_taken() -> None:
    """So a hundred requests for 16 MiB in one piece do not fill the memory at once."""
    exchange = Exchange(SERVICE)
    exchange.receive(b"GET /bytes/16777216 HTTP/1.1\r\n\r\n" * 1000)
    first = exchange.next()
    assert first is not None
    assert len(first.body) == 16 << 20
    assert not exchange.idle


@pytest.mark.parametrize(
    ("version", "connection", "stays", "says"),
    [
        ("1.1", None, True, None),
        ("1.1", "keep-alive", True, None),
        ("1.1", "close", False, b"close"),
        ("1.1", "Close", False, b"close"),
        ("1.0", None, False, b"close"),
        ("1.0", "keep-alive", True, b"keep-alive"),
        ("1.0", "close", False, b"close"),
    ],
)
def test_keep_alive(version: str, connection: str | None, stays: bool, says: bytes | None) -> None:
    """HTTP/1.1 stays unless told otherwise, 1.0 the other way round, and is told (RFC 9112, 9.3)."""
    field = f"Connection: {connection}\r\n" if connection else ""
    request = f"GET / HTTP/{version}\r\n{field}\r\n".encode()
    assert outcome(request + GET) == ([(200, False), (200, False)] if stays else [(200, True)])
    head = answers(request)[0].head
    assert (b"Connection: " + says in head) if says else (b"Connection" not in head)


def test_nothing_is_due_before_the_request_is_complete() -> None:
    assert outcome(GET[:-1]) == []
    assert outcome(GET[:-1], GET[-1:]) == [(200, False)]
    assert outcome(post(b"Content-Length: 3", body=b"ab")) == []


def test_bodies_are_read_and_dropped() -> None:
    """Also those that look like a request, or like the end of one."""
    body = b"\r\n\r\nGET /nothing HTTP/1.1\r\n\r\n"
    sized = post(b"Content-Length: %d" % len(body), body=body)
    framed = post(b"Transfer-Encoding: chunked", body=chunked(body, trailer=b"Sum: 1\r\n"))
    assert outcome(sized + framed + GET) == [(405, False), (405, False), (200, False)]


@pytest.mark.parametrize(
    "body_field", [b"Content-Length: 5", b"Transfer-Encoding: chunked", b"content-length: 5"]
)
def test_who_asks_before_sending_its_body_gets_the_final_answer(body_field: bytes) -> None:
    """No body is wanted here: instead of "100 Continue" the answer, and the connection ends."""
    assert outcome(post(b"Expect: 100-continue", body_field)) == [(405, True)]


def test_an_expectation_without_a_body_or_in_http_1_0_is_ignored() -> None:
    assert outcome(GET.replace(b"Host", b"Expect: 100-continue\r\nHost") + GET) == [(200, False)] * 2
    old = b"POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"
    assert outcome(old) == []
    assert outcome(old, b"abc") == [(405, True)]


def test_an_upgrade_is_ignored() -> None:
    """The answer is HTTP/1.1, and so is what follows (RFC 9110, 7.8)."""
    fields = (b"Connection: Upgrade", b"Upgrade: websocket")
    upgrade = GET.replace(b"Host", b"\r\n".join(fields) + b"\r\nHost")
    assert outcome(upgrade + upgrade + GET) == [(200, False)] * 3


@pytest.mark.parametrize(
    ("field", "body"),
    [(b"Content-Length: %d" % len(BYTES_3), BYTES_3), (b"Transfer-Encoding: chunked", chunked(BYTES_3))],
)
def test_the_body_of_an_upgrade_is_never_taken_for_a_request(field: bytes, body: bytes) -> None:
    request = post(b"Connection: Upgrade", b"Upgrade: websocket", field, body=body)
    assert outcome(request + GET) == [(405, True)]


def test_connect_gets_no_tunnel_and_its_connection_ends() -> None:
    """What follows may be meant for the other side: it is not taken for a request."""
    assert outcome(b"CONNECT here:80 HTTP/1.1\r\nHost: here:80\r\n\r\n" + GET) == [(405, True)]


@pytest.mark.parametrize(
    "request_",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\0GET / HTTP/1.1\r\n\r\n",
        b"GET /\0 HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nField: a\0b\r\n\r\n",
        b"GET  HTTP/1.1\r\n\r\n",
        b"GET / and more HTTP/1.1\r\n\r\n",
        b"get / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\nHost: here\n\n",
        b"GET / HTTP/1.1\r\nHost : here\r\n\r\n",
        b"GET / HTTP/1.1\r\nFolded: a\r\n b\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"M" * (LARGEST_HEADER + 1),
        post(b"Content-Length: 3", b"Content-Length: 4", body=b"abcd"),
        post(b"Content-Length: -3"),
        post(b"Content-Length: 99999999999999999999"),
        post(b"Content-Length: 3", b"Transfer-Encoding: chunked", body=chunked(b"abc")),
        post(b"Transfer-Encoding: gzip"),
    ],
)
def test_what_is_no_request_is_refused_and_ends_the_connection(request_: bytes) -> None:
    """Among them what makes two readers disagree on where a request ends (RFC 9112, 11.2)."""
    assert outcome(request_ + GET) == [(400, True)]
    assert outcome(GET + request_ + GET) == [(200, False), (400, True)]


@pytest.mark.parametrize(
    ("start", "unit"),
    [
        (b"GET / HTTP/1.1\r\nField: ", b"x"),
        (b"GET / HTTP/1.1\r\nField:", b" "),
        (b"GET / HTTP/1.1\r\n", b"x"),
        (b"GET / HTTP/1.1\r\n", b"Field: x\r\n"),
        (b"GET /", b"x"),
        (b"", b"\r\n"),
    ],
)
def test_a_header_that_does_not_end_is_refused_at_its_limit(start: bytes, unit: bytes) -> None:
    """One huge field or name, many fields, a long target, empty lines: to the byte, in any pieces."""
    endless = (start + unit * LARGEST_HEADER)[: LARGEST_HEADER + 1]
    assert outcome(endless) == [(431, True)]
    assert outcome(endless[:-1]) == []
    assert outcome(GET, endless) == outcome(GET + endless) == [(200, False), (431, True)]


def test_the_largest_header_passes_again_and_again() -> None:
    largest = header_of(LARGEST_HEADER)
    assert len(largest) == LARGEST_HEADER
    assert outcome(largest * 2 + header_of(LARGEST_HEADER + 1)) == [(200, False)] * 2 + [(431, True)]


def test_a_body_that_is_too_large_is_refused_before_it_is_sent() -> None:
    assert outcome(post(b"Content-Length: %d" % (LARGEST_BODY + 1))) == [(413, True)]
    assert outcome(post(b"Content-Length: %d" % LARGEST_BODY)) == []


def test_the_largest_body_passes() -> None:
    request = post(b"Content-Length: %d" % LARGEST_BODY, body=bytes(LARGEST_BODY))
    assert [answer.status for answer in answers(request + GET)] == [405, 200]


@pytest.mark.parametrize(
    "endless",
    [
        b"8000\r\n" + bytes(0x8000) + b"\r\n",
        b"1\r\nx\r\n",
        b"1;" + b"x" * 500 + b"\r\nx\r\n",
        b"0\r\nTrailer: " + b"x" * (LARGEST_BODY + 1),
    ],
)
def test_a_chunked_body_that_does_not_end_is_refused(endless: bytes) -> None:
    """Counted as it arrives, so that neither tiny chunks, extensions nor a trailer gets round it."""
    request = post(b"Transfer-Encoding: chunked", body=endless * (LARGEST_BODY // len(endless) + 1))
    pieces = [request[position : position + 4096] for position in range(0, len(request), 4096)]
    for sent in ([request], pieces):
        assert [(answer.status, answer.close) for answer in answers(*sent)] == [(413, True)]


@pytest.mark.parametrize(
    ("target", "body"),
    [
        (b"http://here/bytes/3", b"\0\1\2"),
        (b"HTTP://here:80/bytes/3?x", b"\0\1\2"),
        (b"http://here", b"It works.\n"),
        (b"http://here?a/b", b"It works.\n"),
        (b"/?question=/bytes/3", b"It works.\n"),
    ],
)
def test_absolute_targets_and_queries(target: bytes, body: bytes) -> None:
    """A server takes the form that proxies get, too (RFC 9112, 3.2.2)."""
    (answer,) = answers(b"GET " + target + b" HTTP/1.1\r\nHost: here\r\n\r\n")
    assert (answer.status, answer.body) == (200, body)

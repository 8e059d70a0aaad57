"""Records: sealed as RFC 8448 has them, opened however they arrive, refused when they are wrong."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tls import vectors
from uringtrace.targets.tls.alerts import Alert, TlsError, alert_body
from uringtrace.targets.tls.handshake import Established
from uringtrace.targets.tls.key_schedule import AES_128_GCM, SUITES, Suite
from uringtrace.targets.tls.records import (
    LARGEST_BODY,
    LARGEST_FRAGMENT,
    ContentType,
    Framing,
    Opener,
    Sealer,
    body_bytes,
    sealed_bytes,
)
from uringtrace.targets.tls.stream import RecordStream

CLIENT, SERVER = bytes(range(32)), bytes(range(32, 64))


def stream(tx_records: int = 0) -> RecordStream:
    return RecordStream(Established(AES_128_GCM, CLIENT, SERVER, tx_records))


def client() -> Sealer:
    return Sealer(AES_128_GCM, CLIENT)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


def test_sealed_as_published() -> None:
    sealer = Sealer(AES_128_GCM, vectors.CLIENT_APPLICATION)
    assert sealer.seal(ContentType.APPLICATION_DATA, vectors.CLIENT_DATA) == vectors.CLIENT_DATA_RECORD
    assert sealer.seal(ContentType.ALERT, alert_body(Alert.CLOSE_NOTIFY)) == vectors.CLIENT_CLOSE_RECORD


def test_opened_as_published() -> None:
    opener = Opener(AES_128_GCM, vectors.CLIENT_APPLICATION)
    assert opener.open(vectors.CLIENT_DATA_RECORD) == (ContentType.APPLICATION_DATA, vectors.CLIENT_DATA)
    assert opener.open(vectors.CLIENT_CLOSE_RECORD) == (ContentType.ALERT, b"\x01\x00")


@pytest.mark.parametrize("suite", SUITES.values(), ids=lambda suite: suite.name)
@pytest.mark.parametrize("size", [0, 1, LARGEST_FRAGMENT, LARGEST_FRAGMENT + 1, 3 * LARGEST_FRAGMENT])
def test_what_is_sealed_opens(suite: Suite, size: int) -> None:
    """In as many records as its size takes, none larger than allowed."""
    secret, data, framing = bytes(suite.digest_bytes), bytes(i % 251 for i in range(size)), Framing()
    sealed = Sealer(suite, secret).seal(ContentType.APPLICATION_DATA, data)
    assert len(sealed) == sealed_bytes(size)
    framing.add(sealed)
    opener, opened = Opener(suite, secret), []
    while (record := framing.next()) is not None:
        content_type, fragment = opener.open(record)
        assert content_type == ContentType.APPLICATION_DATA
        assert len(fragment) <= LARGEST_FRAGMENT
        opened.append(fragment)
    assert b"".join(opened) == data
    assert len(opened) == max(1, -(-size // LARGEST_FRAGMENT))


@given(
    st.lists(st.binary(max_size=40), max_size=8),
    st.lists(st.integers(min_value=0, max_value=2000), max_size=12),
)
def test_framing_does_not_depend_on_where_the_stream_is_split(
    contents: list[bytes], places: list[int]
) -> None:
    records = [bytes((22, 3, 1)) + len(content).to_bytes(2, "big") + content for content in contents]
    framing, found = Framing(), []
    for piece in cut(b"".join(records) + b"\x17\x03\x03", places):
        framing.add(piece)
        while (record := framing.next()) is not None:
            found.append(record)
    assert found == records


@given(
    st.lists(st.binary(max_size=100), max_size=6),
    st.lists(st.integers(min_value=0, max_value=2000), max_size=12),
    st.sampled_from(["close_notify", "bad_mac", "key_update", "nothing"]),
)
def test_a_stream_ends_the_same_wherever_it_is_split(
    contents: list[bytes], places: list[int], end: str
) -> None:
    """All data before the end arrives, and none behind it."""
    sealer = client()
    data = b"".join(sealer.seal(ContentType.APPLICATION_DATA, content) for content in contents)
    if end == "close_notify":
        data += sealer.seal(ContentType.ALERT, b"\x01\x00")
    elif end == "bad_mac":
        record = sealer.seal(ContentType.APPLICATION_DATA, b"x")
        data += record[:-1] + bytes((record[-1] ^ 1,))
    elif end == "key_update":
        data += sealer.seal(ContentType.HANDSHAKE, b"\x18\x00\x00\x01\x00")
    if end != "nothing":
        data += sealer.seal(ContentType.APPLICATION_DATA, b"too late")
    server = stream()
    received = b"".join(server.receive(piece) for piece in cut(data, places))
    assert received == b"".join(contents)
    assert server.peer_closed == (end == "close_notify")
    expected = {"bad_mac": Alert.BAD_RECORD_MAC, "key_update": Alert.UNEXPECTED_MESSAGE}.get(end)
    assert (server.failure.alert if server.failure else None) == expected


def test_the_server_goes_on_counting_behind_its_tickets() -> None:
    sealed = stream(tx_records=2).send(b"answer")
    assert Opener(AES_128_GCM, SERVER, sequence=2).open(sealed) == (23, b"answer")


def test_a_fatal_alert_of_the_client_is_not_answered() -> None:
    server = stream()
    server.receive(client().seal(ContentType.ALERT, bytes((2, Alert.INTERNAL_ERROR))))
    assert server.failure is not None
    assert server.failure.alert is None
    assert "internal_error" in server.failure.reason


def test_user_canceled_is_no_end() -> None:
    server, sealer = stream(), client()
    server.receive(sealer.seal(ContentType.ALERT, bytes((1, Alert.USER_CANCELED))))
    assert server.receive(sealer.seal(ContentType.APPLICATION_DATA, b"more")) == b"more"


@pytest.mark.parametrize(
    ("record", "alert"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", Alert.UNEXPECTED_MESSAGE),
        (b"\x17\x03\x03" + (LARGEST_BODY + 1).to_bytes(2, "big"), Alert.RECORD_OVERFLOW),
        (b"\x14\x03\x03\x00\x01\x01", Alert.UNEXPECTED_MESSAGE),
        (b"\x17\x03\x03\x00\x03abc", Alert.BAD_RECORD_MAC),
        (client().seal(ContentType.HANDSHAKE, b""), Alert.UNEXPECTED_MESSAGE),
        (client().seal(ContentType.ALERT, b"\x01"), Alert.DECODE_ERROR),
    ],
    ids=["plain HTTP", "too large", "not encrypted", "shorter than a tag", "empty handshake", "short alert"],
)
def test_a_wrong_record_gets_its_alert(record: bytes, alert: Alert) -> None:
    server = stream()
    assert server.receive(record) == b""
    assert server.failure is not None
    assert server.failure.alert == alert
    told = server.alert(alert)
    assert Opener(AES_128_GCM, SERVER).open(told) == (ContentType.ALERT, bytes((2, alert)))


def test_a_record_of_padding_alone_is_refused() -> None:
    sealer = client()
    with pytest.raises(TlsError) as refused:
        Opener(AES_128_GCM, CLIENT).open(sealer.seal(0, b"\0\0"))  # type: ignore[arg-type]
    assert refused.value.alert == Alert.UNEXPECTED_MESSAGE


def test_body_bytes() -> None:
    assert body_bytes(b"\x16\x03\x01\x02\x00") == 512

"""Handshakes that cannot succeed: an alert that the client understands, and never anything else."""

from __future__ import annotations

import ssl
from collections.abc import Callable

import pytest
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tls.peers import Client, client_hello, shake_hands, trusting
from uringtrace.errors import CapabilityError
from uringtrace.targets.tls.alerts import Alert
from uringtrace.targets.tls.certificate import Certificate, self_signed
from uringtrace.targets.tls.client_hello import parse
from uringtrace.targets.tls.handshake import Handshake, HandshakeFailed, Handshakes
from uringtrace.targets.tls.minimal_handshake import MinimalHandshakes
from uringtrace.targets.tls.pyopenssl_handshake import PyOpenSslHandshakes
from uringtrace.targets.tls.records import ContentType, Framing, plain_record

CERTIFICATE = self_signed()
MINIMAL, PYOPENSSL = MinimalHandshakes(CERTIFICATE), PyOpenSslHandshakes(CERTIFICATE)
HELLO = client_hello(trusting(CERTIFICATE))


def refused(handshake: Handshake, *records: bytes) -> HandshakeFailed:
    try:
        for record in records:
            handshake.feed(record)
    except HandshakeFailed as failed:
        return failed
    pytest.fail("the handshake goes on")


def plain_alert(farewell: bytes) -> Alert:
    assert farewell[:6] == bytes((ContentType.ALERT, 3, 3, 0, 2, 2))
    return Alert(farewell[6])


def only_tls_1_2(context: ssl.SSLContext) -> None:
    context.maximum_version = ssl.TLSVersion.TLSv1_2


def only_p256(context: ssl.SSLContext) -> None:
    context.set_ecdh_curve("prime256v1")


def only_h2(context: ssl.SSLContext) -> None:
    context.set_alpn_protocols(["h2"])


@pytest.mark.parametrize(
    ("restrict", "alert"),
    [
        (only_tls_1_2, Alert.PROTOCOL_VERSION),
        (only_p256, Alert.HANDSHAKE_FAILURE),
        (only_h2, Alert.NO_APPLICATION_PROTOCOL),
    ],
)
def test_a_client_that_offers_too_little(restrict: Callable[[ssl.SSLContext], None], alert: Alert) -> None:
    """`minimal` says what was missing, in an alert that the client reports."""
    context = trusting(CERTIFICATE)
    restrict(context)
    client = Client(context)
    with pytest.raises(HandshakeFailed) as failed:
        shake_hands(client, MINIMAL.begin())
    assert plain_alert(failed.value.farewell) == alert
    client.incoming.write(failed.value.farewell)
    with pytest.raises(ssl.SSLError, match=r"(?i)alert"):
        client.shake()


@pytest.mark.parametrize(
    ("restrict", "alert"),
    [(only_tls_1_2, Alert.PROTOCOL_VERSION), (only_h2, Alert.NO_APPLICATION_PROTOCOL)],
)
def test_openssl_refuses_too(restrict: Callable[[ssl.SSLContext], None], alert: Alert) -> None:
    context = trusting(CERTIFICATE)
    restrict(context)
    assert plain_alert(refused(PYOPENSSL.begin(), client_hello(context)).farewell) == alert


def test_a_client_without_the_suite() -> None:
    """No AES-128-GCM among the offered ones."""
    hello = HELLO.replace(b"\x13\x01", b"\x13\x05", 1)
    assert plain_alert(refused(MINIMAL.begin(), hello).farewell) == Alert.HANDSHAKE_FAILURE


@pytest.mark.parametrize("back_end", [MINIMAL, PYOPENSSL], ids=["minimal", "pyopenssl"])
@pytest.mark.parametrize(
    ("record", "alert"),
    [
        (b"GET /", Alert.UNEXPECTED_MESSAGE),
        (b"\x16\x03\x01\xff\xff", Alert.RECORD_OVERFLOW),
        (plain_record(ContentType.APPLICATION_DATA, b"x" * 30), Alert.UNEXPECTED_MESSAGE),
        (plain_record(ContentType.HANDSHAKE, b"\x02\0\0\0"), Alert.UNEXPECTED_MESSAGE),
        (plain_record(ContentType.HANDSHAKE, b"\x01\0\0\x03\x03\x03\x01"), Alert.DECODE_ERROR),
    ],
    ids=["HTTP", "too large", "data first", "server's message", "cut short"],
)
def test_what_is_no_client_hello(back_end: Handshakes, record: bytes, alert: Alert) -> None:
    assert plain_alert(refused(back_end.begin(), record).farewell) == alert


def test_an_empty_handshake_record() -> None:
    """RFC 8446 forbids it; OpenSSL takes a few of them."""
    record = plain_record(ContentType.HANDSHAKE, b"")
    assert plain_alert(refused(MINIMAL.begin(), record).farewell) == Alert.UNEXPECTED_MESSAGE


def test_a_finished_that_does_not_authenticate(back_end: Handshakes, certificate: Certificate) -> None:
    """The alert behind ServerHello is encrypted: the client opens it and reports it."""
    client, server = Client(trusting(certificate)), back_end.begin()
    client.shake()
    client.incoming.write(server.feed(client.outgoing.read()))
    client.shake()
    framing = Framing()
    framing.add(client.outgoing.read())
    records = list(iter(framing.next, None))
    assert records
    wrong = records[-1][:-1] + bytes((records[-1][-1] ^ 1,))
    failed = refused(server, *records[:-1], wrong)
    client.incoming.write(failed.farewell)
    with pytest.raises(ssl.SSLError, match=r"(?i)bad.record.mac"):
        client.tls.read()


def test_a_client_that_does_not_trust_us(back_end: Handshakes) -> None:
    """Its alert ends the handshake and is not answered."""
    client, server = Client(ssl.create_default_context()), back_end.begin()
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(client, server)
    framing = Framing()
    framing.add(client.outgoing.read())
    failed = refused(server, *iter(framing.next, None))
    assert failed.farewell == b""
    assert "alert" in failed.reason


def test_a_hello_in_many_records_is_the_same_hello(back_end: Handshakes, certificate: Certificate) -> None:
    """Handshake messages may be cut into records anywhere."""
    client, server = Client(trusting(certificate)), back_end.begin()
    client.shake()
    message = client.outgoing.read()[5:]
    answer = b""
    for start in range(0, len(message), 100):
        answer += server.feed(plain_record(ContentType.HANDSHAKE, message[start : start + 100]))
    client.incoming.write(answer)
    assert client.shake()


@pytest.mark.parametrize("back_end", [MINIMAL, PYOPENSSL], ids=["minimal", "pyopenssl"])
@settings(max_examples=200)
@given(data=st.data())
def test_a_damaged_hello_never_does_more_than_fail(back_end: Handshakes, data: st.DataObject) -> None:
    """Bytes changed, removed or added anywhere: an answer, or an alert, whichever it is."""
    body = bytearray(HELLO[5:])
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(body) - 1))
        damage = data.draw(st.sampled_from(["change", "remove", "add"]))
        value = data.draw(st.integers(0, 255))
        if damage == "change":
            body[at] = value
        elif damage == "remove":
            del body[at]
        else:
            body.insert(at, value)
    body[1:4] = (len(body) - 4).to_bytes(3, "big")
    try:
        back_end.begin().feed(plain_record(ContentType.HANDSHAKE, bytes(body)))
    except HandshakeFailed as failed:
        plain_alert(failed.farewell)


def test_a_hello_is_understood() -> None:
    hello = parse(HELLO[9:])
    assert 0x304 in hello.versions
    assert 0x1301 in hello.suites
    assert len(hello.key_shares[29]) == 32
    assert 0x403 in hello.signatures
    assert len(hello.session_id) == 32


def test_a_key_share_of_low_order_is_refused() -> None:
    share = parse(HELLO[9:]).key_shares[29]
    hello = HELLO.replace(share, bytes(32))
    assert plain_alert(refused(MINIMAL.begin(), hello).farewell) == Alert.ILLEGAL_PARAMETER


def test_an_openssl_without_deterministic_signatures(monkeypatch: pytest.MonkeyPatch) -> None:
    """`minimal` cannot do without them, and says what can."""

    def refuse(*_arguments: object, **_options: object) -> None:
        raise UnsupportedAlgorithm("deterministic signing")

    monkeypatch.setattr(ec, "ECDSA", refuse)
    with pytest.raises(CapabilityError) as refused_there:
        MinimalHandshakes(CERTIFICATE)
    assert "--handshake pyopenssl" in refused_there.value.way_out

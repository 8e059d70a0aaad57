"""The same counts through TLS 1.3, and clients that are slow on purpose."""

import datetime
import ssl

import pytest

from tests.load.answering import answering
from uringtrace.errors import UsageError
from uringtrace.targets.load.address import endpoint
from uringtrace.targets.load.plan import Plan
from uringtrace.targets.load.reactor import Reactor
from uringtrace.targets.load.tls import client_context

SECOND_NS = 10**9


@pytest.fixture(scope="module")
def context(tmp_path_factory):
    """TLS of a server with a certificate that nobody vouches for."""
    x509 = pytest.importorskip("cryptography.x509")
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "elsewhere.test")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    path.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


@pytest.mark.parametrize(
    ("path", "settings"),
    [
        ("/", {"requests": 200, "connections": 4}),
        ("/", {"requests": 200, "connections": 2, "pipeline": 8}),
        ("/", {"requests": 30, "connections": 2, "new_connections": True}),
        ("/", {"requests": 50, "connections": 4, "rate": 500.0}),
        ("/bytes/1000000", {"requests": 10, "connections": 2}),
        ("/last", {"requests": 10, "connections": 2}),
        ("/until-the-end", {"requests": 10, "connections": 2}),
    ],
)
def test_both_sides_count_the_same_through_tls(context, path, settings):
    with answering(context) as server:
        result = Reactor(Plan(endpoint(server.address + path, tls=True), **settings)).run()
        assert server.everybody_left.wait(10)
    assert result.requests.right == result.requests.sent == server.requests == settings["requests"]
    assert result.connections.opened == server.opened
    assert (result.bytes.out, result.bytes.into) == (server.bytes_in, server.bytes_out)
    assert result.bytes.wire_out > result.bytes.out
    assert result.bytes.wire_in > result.bytes.into
    assert result.tls


def test_an_answer_cut_short_through_tls(context):
    with answering(context) as server:
        result = Reactor(Plan(endpoint(f"https://{server.address}/truncated"), requests=5)).run()
    assert result.errors["length"] == 5


def test_a_server_without_tls_is_said(server):
    with pytest.raises(UsageError, match=r"no TLS 1\.3: WRONG_VERSION_NUMBER"):
        Reactor(Plan(endpoint(f"https://{server.address}/"), requests=5)).run()


def test_a_server_of_tls_1_2_is_said(context, monkeypatch):
    monkeypatch.setattr(context, "maximum_version", ssl.TLSVersion.TLSv1_2)
    with answering(context) as server, pytest.raises(UsageError, match=r"no TLS 1\.3"):
        Reactor(Plan(endpoint(f"https://{server.address}/"), requests=5)).run()


def test_nothing_older_than_tls_1_3_is_spoken():
    assert client_context().minimum_version == ssl.TLSVersion.TLSv1_3


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_slow_clients_are_counted_apart_and_hold_nobody_up(context, tls):
    """The run lasts until each slow client has sent two; the others' counts hold only theirs.

    The two connections that send at a rate have by far the most requests of the five.
    """
    with answering(context if tls else None) as server:
        plan = Plan(endpoint(server.address, tls), connections=2, rate=100.0, duration_ns=60 * SECOND_NS,
                    slow_clients=3)  # fmt: skip
        reactor = Reactor(plan)
        answered = []

        def enough(number):
            answered.append(number)
            if len(server.requests_of) == 5 and min(server.requests_of) >= 2:
                reactor.stop()

        server.on_request = enough
        result = reactor.run()
        assert server.everybody_left.wait(10)
    slow = result.slow
    assert result.requests.right + slow.sent == server.requests == len(answered)
    assert slow.sent == sum(sorted(server.requests_of)[:3]) >= 6
    assert slow.clients == slow.opened == 3
    assert server.opened == result.connections.opened + slow.opened
    assert slow.sent - 3 <= slow.right <= slow.sent
    assert not any(slow.errors.values())
    assert slow.unfinished <= 3
    assert result.latency.p50_ns < 0.5e9, "the slow requests themselves take about a second"
    if not tls:
        assert result.bytes.out + slow.bytes_out == server.bytes_in


def test_slow_clients_count_their_errors(server):
    plan = Plan(endpoint(f"{server.address}/closed"), connections=1, rate=10.0, requests=20, slow_clients=4)
    slow = Reactor(plan).run().slow
    assert slow.errors["reset"] >= 1
    assert slow.right == 0

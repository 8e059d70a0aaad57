"""Both back ends against clients that are not ours: the standard library's, and openssl s_client."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import threading
from pathlib import Path

import pytest

from tests.tls.peers import Client, connect, shake_hands, trusting
from uringtrace.targets.tls.alerts import Alert
from uringtrace.targets.tls.certificate import Certificate, self_signed
from uringtrace.targets.tls.handshake import Handshakes
from uringtrace.targets.tls.key_schedule import SUITES, Suite, traffic_key
from uringtrace.targets.tls.minimal_handshake import MinimalHandshakes
from uringtrace.targets.tls.pyopenssl_handshake import PyOpenSslHandshakes
from uringtrace.targets.tls.records import HEADER_BYTES, Framing, body_bytes
from uringtrace.targets.tls.stream import RecordStream


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "::1"])
def test_a_verifying_client_gets_through(back_end: Handshakes, certificate: Certificate, name: str) -> None:
    """Certificate and name verify, and data goes both ways with the records made here."""
    client = Client(trusting(certificate), name)
    server = connect(client, back_end.begin())
    assert client.tls.version() == "TLSv1.3"
    client.tls.write(b"question")
    assert server.receive(client.outgoing.read()) == b"question"
    client.incoming.write(server.send(b"answer" * 10_000))
    assert b"".join(iter_read(client, 60_000)) == b"answer" * 10_000


def iter_read(client: Client, count: int) -> list[bytes]:
    pieces: list[bytes] = []
    while sum(map(len, pieces)) < count:
        pieces.append(client.tls.read(count))
    return pieces


def test_both_sides_close(back_end: Handshakes, certificate: Certificate) -> None:
    client = Client(trusting(certificate))
    server = connect(client, back_end.begin())
    with pytest.raises(ssl.SSLWantReadError):
        client.tls.unwrap()
    assert server.receive(client.outgoing.read()) == b""
    assert server.peer_closed
    client.incoming.write(server.alert(Alert.CLOSE_NOTIFY))
    client.tls.unwrap()


def test_no_byte_behind_finished_is_taken(back_end: Handshakes, certificate: Certificate) -> None:
    """A client that sends its request together with its Finished loses nothing of it."""
    client, server = Client(trusting(certificate)), back_end.begin()
    client.shake()
    client.incoming.write(server.feed(client.outgoing.read()))
    assert client.shake()
    client.tls.write(b"at once")
    framing = Framing()
    framing.add(client.outgoing.read())
    while server.established is None:
        client.incoming.write(server.feed(framing.next() or pytest.fail("no Finished")))
    stream = RecordStream(server.established)
    assert stream.receive(framing.next() or b"") == b"at once"


def test_tickets_are_counted(certificate: Certificate) -> None:
    """OpenSSL protects two of them with the application secret, `minimal` sends none."""
    for back_end, count in ((PyOpenSslHandshakes(certificate), 2), (MinimalHandshakes(certificate), 0)):
        assert shake_hands(Client(trusting(certificate)), back_end.begin()).tx_records == count


@pytest.mark.parametrize("suite", SUITES.values(), ids=lambda suite: suite.name)
def test_openssl_agrees_on_the_suite_it_is_restricted_to(certificate: Certificate, suite: Suite) -> None:
    client = Client(trusting(certificate))
    handshake = PyOpenSslHandshakes(certificate, [suite]).begin()
    server = connect(client, handshake)
    assert (client.tls.cipher() or ("",))[0] == suite.name
    client.tls.write(b"question")
    assert server.receive(client.outgoing.read()) == b"question"
    client.incoming.write(server.send(b"answer"))
    assert client.tls.read() == b"answer"


def test_openssl_asks_again_for_a_group_it_knows(certificate: Certificate) -> None:
    """HelloRetryRequest: the client's first key share is for a group that the server lacks."""
    context = trusting(certificate)
    context.set_ecdh_curve("secp521r1")
    server = PyOpenSslHandshakes(certificate).begin()
    assert shake_hands(Client(context), server).tx_records == 2


def test_the_application_protocol_is_chosen(back_end: Handshakes, certificate: Certificate) -> None:
    context = trusting(certificate)
    context.set_alpn_protocols(["h2", "http/1.1"])
    client = Client(context)
    shake_hands(client, back_end.begin())
    assert client.tls.selected_alpn_protocol() == "http/1.1"


def test_random_numbers_are_not_used_twice(certificate: Certificate) -> None:
    back_end = MinimalHandshakes(certificate)
    secrets = {shake_hands(Client(trusting(certificate)), back_end.begin()).server_secret for _ in range(3)}
    assert len(secrets) == 3


def test_secrets_are_not_shown(certificate: Certificate) -> None:
    """Not even in a traceback that prints what it has."""
    established = shake_hands(Client(trusting(certificate)), MinimalHandshakes(certificate).begin())
    assert repr(established.server_secret) not in repr(established)
    assert repr(established.client_secret) not in repr(established)
    made = traffic_key(established.suite, established.server_secret)
    assert repr(made.key) not in repr(made)


def test_a_host_of_ones_own_is_in_the_certificate() -> None:
    for host in ("server.test", "192.0.2.7"):
        certificate = self_signed(host)
        shake_hands(Client(trusting(certificate), host), MinimalHandshakes(certificate).begin())


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_s_client(back_end: Handshakes, certificate: Certificate, tmp_path: Path) -> None:
    """The openssl program verifies the chain, sends a line, reads an answer and the end."""
    trusted = tmp_path / "certificate.pem"
    trusted.write_text(certificate.pem)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = "{}:{}".format(*listener.getsockname())
        server = threading.Thread(target=answer_once, args=(listener, back_end))
        server.start()
        command = ["openssl", "s_client", "-connect", address, "-CAfile", str(trusted), "-quiet"]
        command += ["-verify_return_error", "-verify_ip", "127.0.0.1"]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as client:
            output, errors = client.communicate(b"hello\n", timeout=20)
        server.join(timeout=20)
    assert b"HELLO\n" in output, errors


def answer_once(listener: socket.socket, back_end: Handshakes) -> None:
    with listener.accept()[0] as end:
        end.settimeout(20)
        handshake = back_end.begin()
        while handshake.established is None:
            header = end.recv(HEADER_BYTES, socket.MSG_WAITALL)
            body = end.recv(body_bytes(header), socket.MSG_WAITALL)
            end.sendall(handshake.feed(header + body))
        stream = RecordStream(handshake.established)
        asked = b""
        while not asked.endswith(b"\n"):
            asked += stream.receive(end.recv(4096))
        end.sendall(stream.send(asked.upper()) + stream.alert(Alert.CLOSE_NOTIFY))

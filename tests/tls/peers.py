"""Both ends of a handshake in one process: the server under test, and the standard library's client."""

from __future__ import annotations

import ssl

from uringtrace.targets.tls.certificate import Certificate
from uringtrace.targets.tls.handshake import Established, Handshake
from uringtrace.targets.tls.records import Framing
from uringtrace.targets.tls.stream import RecordStream


def trusting(certificate: Certificate) -> ssl.SSLContext:
    """A client's context that verifies the certificate and the name."""
    return ssl.create_default_context(cadata=certificate.pem)


class Client:
    """The standard library's TLS over memory."""

    def __init__(self, context: ssl.SSLContext, name: str = "localhost") -> None:
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname=name)

    def shake(self) -> bool:
        """One step of the handshake; whether it is done. Raises ssl.SSLError."""
        try:
            self.tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True


def shake_hands(client: Client, server: Handshake) -> Established:
    """The whole handshake, record by record. Raises HandshakeFailed and ssl.SSLError."""
    framing = Framing()
    while True:
        client.shake()
        sent = client.outgoing.read()
        assert sent or server.established is not None, "both wait for each other"
        framing.add(sent)
        while (record := framing.next()) is not None:
            client.incoming.write(server.feed(record))
        if server.established is not None:
            assert client.shake()
            return server.established


def connect(client: Client, server: Handshake) -> RecordStream:
    return RecordStream(shake_hands(client, server))


def client_hello(context: ssl.SSLContext) -> bytes:
    """The first record that a client with this context sends."""
    client = Client(context)
    client.shake()
    return client.outgoing.read()

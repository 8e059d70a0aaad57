"""TLS 1.3 of a client without any I/O: bytes of the network in, bytes of the network out.

Certificates are not checked: the other end is on this machine, and the reference
servers make their own at every start.
"""

from __future__ import annotations

import contextlib
import ssl

_READ = 65536


def client_context() -> ssl.SSLContext:
    """TLS 1.3 and nothing older, with any certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    return context


class Session:
    """One connection's records; every method may raise `ssl.SSLError`."""

    __slots__ = ("_incoming", "_object", "_outgoing", "ended", "established")

    def __init__(self, context: ssl.SSLContext) -> None:
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._object = context.wrap_bio(self._incoming, self._outgoing)
        self.established = False
        self.ended = False
        """The other end has said that it sends no more."""

    def handshake(self, data: bytes) -> None:
        """Go on with the handshake after `data` came; see `established` and `outgoing`."""
        self._incoming.write(data)
        try:
            self._object.do_handshake()
        except ssl.SSLWantReadError:
            return
        self.established = True

    def encrypt(self, data: bytes) -> bytes:
        """The records to send for `data`."""
        self._object.write(data)
        return self._outgoing.read()

    def decrypt(self, data: bytes) -> bytes:
        """What is readable now that `data` came; sets `ended` at the last record."""
        self._incoming.write(data)
        parts = []
        try:
            while part := self._object.read(_READ):
                parts.append(part)
            self.ended = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self.ended = True
        return b"".join(parts)

    def outgoing(self) -> bytes:
        """What TLS itself has to send: parts of the handshake, an alert."""
        return self._outgoing.read()

    def close(self) -> bytes:
        """The alert that ends the connection in order."""
        with contextlib.suppress(ssl.SSLError):  # it wants the other end's alert, for which nobody waits
            self._object.unwrap()
        return self._outgoing.read()

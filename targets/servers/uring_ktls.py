"""HTTPS without a system call: a TLS 1.3 handshake in user space, then the kernel's TLS.

`uring-sqpoll` behind TLS. Each connection's handshake runs in this process, over RECV and
SEND; its keys are then handed to the kernel (kTLS), by setsockopt as an operation of the
ring, and from there on RECV and SEND move plaintext. Three modes, found out at the start and
named in the first line, with what is missing for a better one:
- `ktls-ring`: kTLS, set up by the ring (URING_CMD; Linux 6.7);
- `ktls-setsockopt`: kTLS, set up by three setsockopt(2) for each connection;
- `user-records`: no kTLS; records are sealed and opened here, still without a call.

Two handshakes: `pyopenssl`, where OpenSSL's random numbers cost six or seven getpid for each
connection, and `minimal`, without any, FOR DEMONSTRATION ONLY. The certificate is
self-signed, made at the start and printed in the first line; its key is in memory only.

What to look for: `strace -f` shows nothing with `--handshake minimal`, and only getpid
without it. `uringtrace stat -p PID` counts, for each connection, ACCEPT, the RECV of every
record of the handshake (one for its header, one for its body), SEND, and three URING_CMD; for each
request a RECV and a SEND. With kTLS `uringtrace stat --connections` shows TLS version and
cipher.

`bytes_in` and `bytes_out` in the last line are what the operations on the socket say they
moved: records in the handshake and in `user-records`, plaintext where the kernel makes them.
`http_bytes_in` and `http_bytes_out` are the requests and answers alone, in every mode.
"""

from __future__ import annotations

from uringtrace.targets.http.service import Service
from uringtrace.targets.https import modes
from uringtrace.targets.https.kernel_tls import KernelTlsServer
from uringtrace.targets.https.modes import Mode
from uringtrace.targets.https.server import TlsServer
from uringtrace.targets.https.user_records import UserRecordServer
from uringtrace.targets.servers.uring_sqpoll import COMPLETIONS, SUBMISSIONS
from uringtrace.targets.serving import House, Options
from uringtrace.targets.tls.certificate import Certificate, self_signed
from uringtrace.targets.tls.handshake import Handshakes
from uringtrace.targets.tls.minimal_handshake import MinimalHandshakes
from uringtrace.targets.tls.pyopenssl_handshake import PyOpenSslHandshakes
from uringtrace.targets.uring import constants as c
from uringtrace.targets.uring.buffers import Buffers
from uringtrace.targets.uring.documents import KnownDocuments
from uringtrace.targets.uring.heap import reserve
from uringtrace.targets.uring.polling import listen, poll
from uringtrace.targets.uring.probing import demand, provided_buffers, try_multishot_receive
from uringtrace.targets.uring.ring import Ring
from uringtrace.targets.uring.server import NEEDED, NOBODY

_NEEDED = (*NEEDED, c.OP_RECVMSG, c.OP_SENDMSG, c.OP_SHUTDOWN)


def serve(options: Options, house: House) -> None:
    """Serve HTTPS from one ring that a kernel thread polls."""
    mode = modes.choose(modes.probe(), options.mode)
    certificate = self_signed(options.host)
    handshakes = _back_end(options.handshake, certificate, mode)
    ring = Ring(SUBMISSIONS, c.SETUP_SQPOLL | c.SETUP_SINGLE_ISSUER, completions=COMPLETIONS, idle_ms=2000)
    try:
        demand(ring, _NEEDED)
        buffers = provided_buffers(ring, 4096, 4096)
        server = _server(mode, ring, buffers, KnownDocuments(options.documents), house, handshakes)
        server.completed[c.OP_RECV] += try_multishot_receive(ring, buffers, c.OP_RECV << 32 | NOBODY)
        with listen(options, house) as listener:
            server.start(listener)
            ring.publish()
            reserve(small=64 << 20, large=64 << 20)
            house.announce(
                mode.name,
                missing=mode.missing,
                handshake=handshakes.name,
                notice=handshakes.notice,
                certificate=certificate.pem,
            )
            poll(ring, server, house)
        server.close()
        house.truth.extra["handshakes"] = server.handshakes
        house.truth.extra["http_bytes_in"] = server.http_in
        house.truth.extra["http_bytes_out"] = server.http_out
        house.truth.extra["operations"] = dict(server.operations())
        house.truth.extra["enters"] = ring.calls
    finally:
        ring.close()


def _back_end(name: str, certificate: Certificate, mode: Mode) -> Handshakes:
    if name == "minimal":
        return MinimalHandshakes(certificate)
    return PyOpenSslHandshakes(certificate, mode.suites)


def _server(
    mode: Mode, ring: Ring, buffers: Buffers, service: Service, house: House, handshakes: Handshakes
) -> TlsServer:
    if mode.name == modes.USER_RECORDS:
        return UserRecordServer(ring, buffers, service, house, handshakes)
    by_ring = mode.name == modes.KTLS_RING
    return KernelTlsServer(ring, buffers, service, house, handshakes, by_ring=by_ring)

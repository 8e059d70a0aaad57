"""In a test VM: `uring-ktls` visited under strace, with each of its handshakes.

What everybody said goes to /exchange/visits.json. Of the calls only names are kept: strace
prints keys.
"""

from __future__ import annotations

import json
import re
import resource
import signal
import socket
import ssl
import subprocess
import tempfile
from collections import Counter
from pathlib import Path

from tests.servers.heartbeat import heartbeat
from tests.servers.running import Running, running
from uringtrace.targets.http.service import pattern
from uringtrace.targets.tls.key_schedule import SUITES
from uringtrace.targets.tls.records import ContentType, Sealer

TARGETS = {"/bytes/70000": 70_000, "/file/small.txt": 1024, "/sleep/1": 7, "/": 10}
"""What is asked for on each connection, and how long the body is; the first is more than a SEND takes."""
ENDINGS = ("unwrap", "server", "fin")
"""How connections end: by the client's notice, by the server's, without one."""
_PATIENCE_SECONDS = 120
_CLOCK = Path("/sys/devices/system/clocksource/clocksource0/current_clocksource")


def connected(server: Running, context: ssl.SSLContext) -> ssl.SSLSocket:
    """Reading raises where the server ends without close_notify."""
    plain = socket.create_connection(server.address, _PATIENCE_SECONDS)
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return context.wrap_socket(plain, server_hostname="localhost", suppress_ragged_eofs=False)


def visit(server: Running, context: ssl.SSLContext, ending: str) -> str:
    """One connection with its requests; the cipher suite."""
    with connected(server, context) as client:
        name, _, _ = client.cipher() or ("", "", 0)
        for target, length in TARGETS.items():
            last = ending == "server" and target == "/"
            fields = "Connection: close\r\n" if last else ""
            client.sendall(f"GET {target} HTTP/1.1\r\nHost: here\r\n{fields}\r\n".encode())
            answer = bytearray()
            while len(answer.partition(b"\r\n\r\n")[2]) < length:
                piece = client.recv(1 << 17)
                assert piece, "the server closed"
                answer += piece
            assert answer.startswith(b"HTTP/1.1 200")
            if target.startswith("/bytes"):
                assert answer.endswith(pattern(length))
        if ending == "server":
            assert client.recv(1) == b"", "no close_notify"
        if ending == "unwrap":
            client.unwrap()
        return name


def refused(server: Running, context: ssl.SSLContext, folder: Path) -> str:
    """What the client reads when it sends a KeyUpdate, made with its own secret."""
    context.keylog_filename = str(folder / "secrets")
    with connected(server, context) as client:
        lines = (folder / "secrets").read_text().splitlines()
        (secret,) = (line.split()[2] for line in lines if line.startswith("CLIENT_TRAFFIC_SECRET_0"))
        name, _, _ = client.cipher() or ("", "", 0)
        sealer = Sealer(SUITES[name], bytes.fromhex(secret))
        socket.socket.send(client, sealer.seal(ContentType.HANDSHAKE, b"\x18\x00\x00\x01\x01"))
        try:
            return repr(client.recv(1))
        except ssl.SSLError as error:
            return str(error)


def called(calls: Path) -> dict[str, int]:
    """How often each call is in strace's output; a line that is none under its own text."""
    lines = calls.read_text().splitlines()
    names = (re.match(r"\d+ +(\w+)\(", line) for line in lines)
    return Counter(name[1] if name else line for name, line in zip(names, lines, strict=True))


def look(handshake: str) -> dict[str, object]:
    """One server, from its start to its end."""
    with tempfile.TemporaryDirectory() as name, running("uring-ktls", "--handshake", handshake) as server:
        context = ssl.create_default_context(cadata=server.first["certificate"])
        calls = Path(name) / "calls"
        command = ["strace", "-f", "-o", str(calls), "-p", str(server.pid)]
        with (
            heartbeat(connected(server, context)) as heart,
            subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as strace,
        ):
            assert strace.stderr is not None
            assert "attached" in strace.stderr.readline()
            suites = [visit(server, context, ending) for ending in ENDINGS]
            told = refused(server, context, Path(name))
            strace.send_signal(signal.SIGINT)
            strace.communicate()
        return {
            "first": server.first,
            "calls": called(calls),
            "suites": suites,
            "refused": told,
            "heartbeats": heart.requests,
            "clock": _CLOCK.read_text().strip(),
            "last": server.stop(_PATIENCE_SECONDS),
        }


def main() -> None:
    # The ring's table of files may not be larger than this.
    resource.setrlimit(resource.RLIMIT_NOFILE, (1 << 16, 1 << 16))
    visits = [look(handshake) for handshake in ("minimal", "pyopenssl")]
    Path("/exchange/visits.json").write_text(json.dumps(visits))


if __name__ == "__main__":
    main()

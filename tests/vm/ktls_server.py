"""In a test VM: two kTLS connections, set up in the two ways there are, and requests on each.

By setsockopt(2), and by an io_uring command where the kernel has it (Linux 6.7 and later). The
clients are this process too. The file that is named, or /exchange/server.json, gets the
connections and the keys, for a search that must find them nowhere else.
"""

from __future__ import annotations

import errno
import json
import socket
import sys
import time
from functools import partial
from pathlib import Path

from tests.vm.ktls import TLS_RX, TLS_TX, Setsockopt, connect, make_secret, start_tls
from tests.vm.setsockopt_command import Ring

REQUEST, ANSWER = b"x" * 100, b"y" * 300
REQUESTS = 3
OPEN_SECONDS = 5
"""An emulated capture needs a while before it asks the kernel what a connection is."""


def talk(
    version: str, cipher: str, setsockopt: Setsockopt | None, end: socket.socket, client: socket.socket
) -> list[str]:
    """Set up both ends and exchange requests; the keys that were used, in hexadecimal."""
    outwards, inwards = make_secret(version, cipher), make_secret(version, cipher)
    start_tls(end, {TLS_TX: outwards, TLS_RX: inwards}, setsockopt)
    start_tls(client, {TLS_TX: inwards, TLS_RX: outwards})
    for _ in range(REQUESTS):
        client.sendall(REQUEST)
        assert end.recv(1000) == REQUEST
        end.sendall(ANSWER)
        assert client.recv(1000) == ANSWER
    return [outwards.material[:-8].hex(), inwards.material[:-8].hex()]


def main() -> None:
    connections, keys, kept = [], [], []
    for way, version, cipher in (("call", "1.3", "AES-GCM-128"), ("command", "1.2", "AES-GCM-256")):
        client, end = connect()
        kept += [client, end]
        setsockopt = None if way == "call" else partial(Ring().setsockopt, end)
        try:
            keys += talk(version, cipher, setsockopt, end, client)
        except OSError as error:
            if way == "call" or error.errno != errno.EOPNOTSUPP:
                raise
            continue
        peer = "{}:{}".format(*end.getpeername())
        connections.append({"peer": peer, "version": version, "cipher": cipher, "way": way})
    place = Path(sys.argv[1] if len(sys.argv) > 1 else "/exchange/server.json")
    place.write_text(json.dumps({"connections": connections, "keys": keys}))
    time.sleep(OPEN_SECONDS)


if __name__ == "__main__":
    main()

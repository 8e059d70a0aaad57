"""In a test VM: sets up kTLS in many ways, and prints as JSON what the kernel tells of each.

/exchange/answers gets the kernel's own bytes; a key in them would end the program.
"""

from __future__ import annotations

import dataclasses
import errno
import json
import os
import socket
from pathlib import Path

from tests.vm.ktls import TLS_RX, TLS_TX, connect, make_secret, start_tls
from uringtrace.tracer.open_sockets import open_sockets
from uringtrace.tracer.socket_diagnosis import dump_request, parse_answer, upper_layers

CASES = [
    ("1.2", "AES-GCM-128", (TLS_TX, TLS_RX), socket.AF_INET),
    ("1.3", "AES-GCM-128", (TLS_TX, TLS_RX), socket.AF_INET),
    ("1.3", "AES-GCM-128", (TLS_TX, TLS_RX), socket.AF_INET6),
    ("1.3", "AES-GCM-128", (TLS_TX,), socket.AF_INET),
    ("1.3", "AES-GCM-128", (TLS_RX,), socket.AF_INET),
    ("1.3", "AES-GCM-128", (), socket.AF_INET),
    ("1.2", "AES-GCM-256", (TLS_TX, TLS_RX), socket.AF_INET),
    ("1.3", "AES-GCM-256", (TLS_TX, TLS_RX), socket.AF_INET),
    ("1.2", "AES-CCM-128", (TLS_TX, TLS_RX), socket.AF_INET),
    ("1.2", "CHACHA20-POLY1305", (TLS_TX, TLS_RX), socket.AF_INET),
    ("1.3", "CHACHA20-POLY1305", (TLS_TX, TLS_RX), socket.AF_INET),
]


def main() -> None:
    sockets, told, secrets = [], [], []
    for version, cipher, ways, family in CASES:
        client, end = connect(family)
        sockets += [client, end]
        secret = make_secret(version, cipher)
        case = {"version": version, "cipher": cipher, "ways": ways, "family": family.name}
        try:
            start_tls(end, dict.fromkeys(ways, secret))
        except OSError as error:
            told.append({**case, "refused": errno.errorcode[error.errno or 0]})
            continue
        secrets.append(secret)
        layer = upper_layers([os.fstat(end.fileno()).st_ino])[os.fstat(end.fileno()).st_ino]
        (entry,) = [entry for entry in open_sockets([os.getpid()]) if entry.fd == end.fileno()]
        same = entry.upper_layer == layer
        told.append({**case, "told": dataclasses.asdict(layer), "open_sockets": same})
    answers = b"".join(answers_of_the_kernel())
    Path("/exchange/answers").write_bytes(answers)
    assert not any(secret.material[:8] in answers or secret.material[8:24] in answers for secret in secrets)
    print(json.dumps({"of all": len(upper_layers()), "cases": told}))


def answers_of_the_kernel() -> list[bytes]:
    datagrams = []
    for family in (socket.AF_INET, socket.AF_INET6):
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 4) as diagnosis:
            diagnosis.send(dump_request(family))
            datagrams.append(diagnosis.recv(1 << 16))
            while not parse_answer(datagrams[-1]).finished:
                datagrams.append(diagnosis.recv(1 << 16))
    return datagrams


if __name__ == "__main__":
    main()

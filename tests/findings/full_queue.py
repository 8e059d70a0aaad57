"""A server that accepts too late, and clients beside it: the queue of its listener is full so many times.

Its last line says how often, and how many connections it held then.
"""

from __future__ import annotations

import json
import socket
import time
from pathlib import Path

BACKLOG = 3
TIMES = 4
_DEADLINE_SECONDS = 10


def main() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=BACKLOG) as listener:
        address = listener.getsockname()
        most = 0
        for _ in range(TIMES):
            clients = [socket.create_connection(address, 5) for _ in range(BACKLOG + 1)]
            most = max(most, _queued(address[1]))
            for client in clients:
                accepted, _ = listener.accept()
                accepted.sendall(b"late")
                assert client.recv(16) == b"late"
                accepted.close()
                client.close()
        print(json.dumps({"times": TIMES, "held": most}))


def _queued(port: int) -> int:
    """What the kernel says: rx_queue of a listener is its queue (tcp4_seq_show, net/ipv4/tcp_ipv4.c)."""
    local = f"0100007F:{port:04X}"
    deadline = time.monotonic() + _DEADLINE_SECONDS
    while True:
        with Path("/proc/net/tcp").open(encoding="ascii") as table:
            rows = [line.split() for line in table]
        (queued,) = [int(row[4].partition(":")[2], 16) for row in rows if row[1] == local and row[3] == "0A"]
        if queued == BACKLOG + 1 or time.monotonic() > deadline:
            return queued


if __name__ == "__main__":
    main()

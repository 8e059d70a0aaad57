"""Thread: a new thread for every connection.

As simple to write as the iterative server, and a slow client costs only its own thread. Each
connection costs a stack and a place in the scheduler; with ten thousand of them the machine
switches more than it works (C10K).

In the trace: `accept4` and `clone3` in the main thread, `recvfrom` and `sendto` in a thread
that lives as long as the connection; `futex` calls are Python's interpreter lock handed from
thread to thread, and `uringtrace log -p PID` names the thread that each of them wakes.
"""

from __future__ import annotations

import socket
import threading

from uringtrace.targets.blocking import SendDocument, accepted, attend, read_and_send
from uringtrace.targets.http.service import Service
from uringtrace.targets.open_connections import ManyConnections
from uringtrace.targets.serving import House, Options

_STACK_BYTES = 256 << 10


def serve(options: Options, house: House) -> None:
    serve_with_threads(options, house, read_and_send)


def serve_with_threads(
    options: Options, house: House, send_document: SendDocument, mode: str | None = None
) -> None:
    """Serve with a thread for each connection, sending files in the given way."""
    service = Service(options.documents)
    open_connections = ManyConnections(house.stop)
    main = house.truth.tally()

    def run(connection: socket.socket) -> None:
        tally = house.truth.tally()
        with open_connections.holding(connection):
            attend(connection, service, tally, send_document)
        house.truth.give_back(tally)

    threading.stack_size(_STACK_BYTES)
    listener = house.listen()
    house.announce(mode)
    for connection in accepted(listener, house.stop):
        main.accepted()
        threading.Thread(target=run, args=(connection,), daemon=True).start()
    open_connections.end()

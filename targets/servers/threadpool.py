"""Threadpool: one thread accepts, a fixed number of threads answer.

The cost of a thread is paid once. A connection keeps its thread until it ends, so the pool's
size is the number of clients that are served at the same time; all further connections are
accepted and then wait in the queue, with nobody reading them.

In the trace: `accept4` in the main thread, and for each connection a `futex` that wakes one
worker (`uringtrace log -p PID` names it), whose `recvfrom` and `sendto` follow. Connections
with an accept and no operation after it, while every worker sits in `recvfrom`: the pool is
used up.
"""

from __future__ import annotations

import socket
import threading
from queue import SimpleQueue

from uringtrace.targets.blocking import accepted, attend
from uringtrace.targets.http.service import Service
from uringtrace.targets.open_connections import ManyConnections
from uringtrace.targets.serving import House, Options


def serve(options: Options, house: House) -> None:
    service = Service(options.documents)
    waiting: SimpleQueue[socket.socket] = SimpleQueue()
    open_connections = ManyConnections(house.stop)
    main = house.truth.tally()

    def work() -> None:
        tally = house.truth.tally()
        while True:
            connection = waiting.get()
            with open_connections.holding(connection):
                attend(connection, service, tally)

    listener = house.listen()
    for _ in range(options.workers):
        threading.Thread(target=work, daemon=True).start()
    house.announce(workers=options.workers)
    for connection in accepted(listener, house.stop):
        main.accepted()
        waiting.put(connection)
    open_connections.end()

"""Fork: a new process for every connection.

What inetd and the first CERN server did. The parent does nothing but accept and fork; a slow
client holds up its own process alone. The price is paid per connection: copying the page
tables, faulting the shared pages in again, and one more process for the scheduler.

In the trace: `accept4`, `clone`, `close` in the parent for each connection, `recvfrom` and
`sendto` in a process that lives as long as the connection (`uringtrace log -f -p PID`), then
`exit_group` there and `wait4` here. `uringtrace stat --threads -f -p PID` shows as many
threads as there are connections, each with a handful of calls.
"""

from __future__ import annotations

import gc
import socket
from functools import partial

from uringtrace.targets.blocking import accepted, attend
from uringtrace.targets.children import Children
from uringtrace.targets.http.service import Service
from uringtrace.targets.open_connections import OneConnection
from uringtrace.targets.serving import House, Options
from uringtrace.targets.truth import Tally


def serve(options: Options, house: House) -> None:
    service = Service(options.documents)
    listener = house.listen()
    children = Children(house)
    # Otherwise the collector would write to, and so copy, every page of every child.
    gc.freeze()
    house.announce()
    for connection in accepted(listener, house.stop):
        with connection:
            children.start(partial(_answer, connection, listener, service, house))
        children.reap()
    children.end()


def _answer(
    connection: socket.socket, listener: socket.socket, service: Service, house: House, tally: Tally
) -> None:
    listener.close()
    tally.accepted()
    with OneConnection(house.stop).holding(connection):
        attend(connection, service, tally)

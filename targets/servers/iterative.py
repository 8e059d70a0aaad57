"""Iterative: accept a connection, answer it until it ends, accept the next.

The oldest server there is: one process, one thread, every call blocks. A connection that
keeps alive, or a client that dawdles, makes all others wait in the accept queue, although
the machine is idle.

In the trace: `accept4`, `recvfrom`, `sendto`, `close` of one thread, one after the other, in
`uringtrace log -p PID`. `uringtrace stat --connections -p PID` shows connections one at a
time; the others are established, with their requests sent, and nobody has accepted them. A
`recvfrom` that lasts seconds is a client that others wait for.
"""

from __future__ import annotations

from uringtrace.targets.blocking import accepted, attend
from uringtrace.targets.http.service import Service
from uringtrace.targets.open_connections import OneConnection
from uringtrace.targets.serving import House, Options


def serve(options: Options, house: House) -> None:
    service = Service(options.documents)
    tally = house.truth.tally()
    current = OneConnection(house.stop)
    listener = house.listen()
    house.announce()
    for connection in accepted(listener, house.stop):
        tally.accepted()
        with current.holding(connection):
            attend(connection, service, tally)

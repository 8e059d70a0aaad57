"""Prefork: worker processes, forked once, that all block in accept on the same listener.

Apache's first model. No fork per connection any more, but a worker is still bound to its
connection: with as many slow or keep-alive clients as workers, everybody else waits.

In the trace: the same `accept4`, `recvfrom`, `sendto`, `close` as the iterative server makes,
in every worker (`uringtrace stat --threads -p WORKER,WORKER`; `worker_pids` of the first line
names them). The kernel wakes one of the blocked
`accept4` per connection, so there is no herd here. Idle workers sit in `accept4`; when all
threads show a long `recvfrom` instead, the workers are used up.
"""

from __future__ import annotations

import gc

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
    gc.freeze()

    def work(tally: Tally) -> None:
        # The interrupted accept is tried again and finds no descriptor.
        house.stop.on_request(listener.close)
        current = OneConnection(house.stop)
        for connection in accepted(listener, house.stop):
            tally.accepted()
            with current.holding(connection):
                attend(connection, service, tally)

    pids = [children.start(work) for _ in range(options.workers)]
    house.announce(worker_pids=pids)
    while not house.stop.requested:
        children.wait_for_one()
        if not house.stop.requested:
            children.start(work)
    children.end()

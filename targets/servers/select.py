"""Select: one thread and all connections, asked about one by one in every turn.

The first event loop (4.2BSD, 1983): one call waits for everybody, so that a slow client no
longer holds the others up. But the set of descriptors is built anew and handed over for each
call, and the kernel looks at every one of them, ready or not, twice when it has to sleep.
One request cost 0.1 ms of processor time with no other connection, 0.15 ms beside 100 idle
ones, 0.8 ms beside 900; the `epoll` server took less than 0.1 ms each time.

A set has 1,024 bits. A connection whose descriptor has a higher number is closed at once:
said on standard error the first time, counted as `beyond_limit` in the last line.

In the trace (glibc's select is the call `pselect6`):

    uringtrace log -p PID
    … pselect6(8, [3 4 5 6 7], NULL, NULL, NULL, NULL) = 1 (in [7]) … scanned=5 ready=7<TCP …

`scanned` grows with every connection, `= 1` does not. Then `recvfrom` and `sendto`: three
calls for each request, as with epoll; it is not the number of calls that scanning costs.
A broken connection is not told from one that is readable and writable.
"""

from __future__ import annotations

from uringtrace.targets.http.service import Service
from uringtrace.targets.readiness.loop import Loop
from uringtrace.targets.readiness.mechanisms import Select
from uringtrace.targets.serving import House, Options


def serve(options: Options, house: House) -> None:
    listener = house.listen(blocking=False)
    loop = Loop(Select(), listener, Service(options.documents), house.truth.tally(), house.stop)
    house.announce()
    loop.run()
    house.truth.extra["beyond_limit"] = loop.beyond_limit

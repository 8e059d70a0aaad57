"""When requests are due, as pure arithmetic; no clock is read here.

A closed loop has a request ready whenever a connection is free. An open loop has a
request due at fixed times, whatever the server does, and its latency counts from then:
a server that stalls delays every request that was due meanwhile, and all of them show
it. To count from the sending instead would leave out just those ("coordinated
omission").
"""

from __future__ import annotations

from typing import Protocol

SECOND_NS = 1_000_000_000


class Schedule(Protocol):
    """Where requests come from."""

    taken: int
    """How many requests were handed out."""
    ended: bool
    """Nothing is handed out any more, nor will be."""

    def take(self, most: int, now_ns: int) -> list[int]:
        """Times from which the latencies count, of up to `most` requests to send now."""
        ...

    def next_due_ns(self) -> int | None:
        """When there is a request again; None where there is one at any time, or none ever."""
        ...

    def end(self) -> None:
        """Hand out nothing any more."""
        ...

    def overdue(self, now_ns: int) -> int:
        """Requests due by `now_ns` that nobody took; always 0 in a closed loop."""
        ...


class ClosedLoop:
    """A request whenever somebody asks for one, `requests` in all or without end."""

    def __init__(self, requests: int | None) -> None:
        self.requests = requests
        self.taken = 0
        self.ended = requests == 0

    def take(self, most: int, now_ns: int) -> list[int]:
        if self.ended:
            return []
        if self.requests is not None:
            most = min(most, self.requests - self.taken)
            self.ended = self.taken + most == self.requests
        self.taken += most
        return [now_ns] * most

    def next_due_ns(self) -> int | None:
        return None

    def end(self) -> None:
        self.ended = True

    def overdue(self, now_ns: int) -> int:
        return 0


class OpenLoop:
    """`rate` requests per second from `start_ns` on, the first at once.

    With `requests` there are so many in all; otherwise they go on until `end`, and none is
    due at `until_ns` or later.
    """

    def __init__(self, rate: float, requests: int | None, start_ns: int) -> None:
        self.rate = rate
        self.requests = requests
        self.start_ns = start_ns
        self.until_ns: int | None = None
        self.taken = 0
        self.ended = requests == 0

    def take(self, most: int, now_ns: int) -> list[int]:
        times: list[int] = []
        while len(times) < most and not self.ended:
            due_ns = self.next_due_ns()
            if due_ns is None or due_ns > now_ns:
                break
            times.append(due_ns)
            self.taken += 1
            self.ended = self.taken == self.requests
        return times

    def due_ns(self, number: int) -> int:
        """When the request of this number, from 0, is due: multiplied, so that no error adds up."""
        return self.start_ns + round(number * SECOND_NS / self.rate)

    def next_due_ns(self) -> int | None:
        if self.ended:
            return None
        due_ns = self.due_ns(self.taken)
        return None if self.until_ns is not None and due_ns >= self.until_ns else due_ns

    def end(self) -> None:
        self.ended = True

    def overdue(self, now_ns: int) -> int:
        if self.until_ns is not None:
            now_ns = min(now_ns, self.until_ns - 1)
        if now_ns < self.start_ns:
            return 0
        # The estimate may be one off, since a due time is rounded.
        due = int((now_ns - self.start_ns) * self.rate / SECOND_NS) + 2
        while due > self.taken and self.due_ns(due - 1) > now_ns:
            due -= 1
        if self.requests is not None:
            due = min(due, self.requests)
        return max(0, due - self.taken)

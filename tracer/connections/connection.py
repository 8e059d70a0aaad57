"""One connection as a person sees it, and as one row of a table.

A `Connection` is a frozen value of plain scalars, so that text, JSON and recordings show
the same. Moments (`…_ns` without a span in the name) are CLOCK_MONOTONIC nanoseconds.
None means not observed or not applicable, never 0; docs/connections.md has the definitions.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from typing import Any

ACCEPT, CONNECT, BEFORE = "accept", "connect", "before"
"""How a connection began."""
LOCAL, REMOTE, RESET, FAILED = "local", "remote", "reset", "failed"
"""Who closed it first."""
SERVER, CLIENT = "server", "client"
"""Which side of it the target is."""


@dataclass(frozen=True, slots=True)
class Connection:
    """A connected socket from accept or connect to the close of its last descriptor."""

    number: int
    """In this capture, from 1, in order of appearance."""
    inode: int
    """Of the socket: what it is recognised by."""
    tgid: int | None
    """The process that used it last."""
    fd: int | None
    """Its descriptor there, as last seen, or its index when `direct`."""
    direct: bool
    processes: int
    """Processes that were seen to have it."""
    protocol: str
    """`tcp`, `udp`, `unix`, or `protocol N`."""
    role: str | None
    """`server`, `client`; None where its beginning was not seen and no listening socket of the
    target explains it."""
    local: str | None
    remote: str | None
    listener: str | None
    """Address of the listening socket that it was accepted from."""
    began_ns: int | None
    began_by: str
    """`accept`, `connect`, or `before`: it was open when the capture began, or another process
    handed it over."""
    ended_ns: int | None
    """None while it is open, and where its end was not observed."""
    closed_by: str | None
    """The side that closed first, as soon as that is known: `local`, `remote`; `reset` without a
    farewell; `failed`: never connected."""
    bytes_in: int
    bytes_out: int
    bytes_exact: bool
    """Not so when operations moved bytes whose number was not observed: then at least so many."""
    operations_in: int
    operations_out: int
    first_byte_ns: int | None
    """First byte in either direction; None where the beginning was not seen."""
    last_in_ns: int | None
    last_out_ns: int | None
    last_activity_ns: int | None
    """The later of these two, or the beginning."""
    errors: int
    """Operations on it that failed; what only says "not now" (EAGAIN, EINTR, …) is no failure."""
    last_error: str | None
    requests: int | None
    """Requests that were answered, by this side or, for a client, by the peer. None without a role."""
    requests_from_arrival: int | None
    """Those of them whose start is the arrival in the kernel, not the later read."""
    request_waiting_ns: int | None
    """Since when a request waits for the first byte of its answer; None when none does."""
    request_first_sum_ns: int | None
    """Of the times to the first byte of each answer."""
    request_first_max_ns: int | None
    request_first_latest_ns: int | None
    request_last_sum_ns: int | None
    """Of the times to the last byte of each answer."""
    request_last_max_ns: int | None
    request_last_latest_ns: int | None
    interfaces: str
    """`io_uring`, `syscall`, `io_uring syscall`, or empty: which moved data on it."""
    upper_layer: str | None
    tls_version: str | None
    tls_cipher: str | None
    tls_transmit: str | None
    """`software`, `offload`, `none`; `set` where only the request to set it was seen."""
    tls_receive: str | None

    @property
    def is_open(self) -> bool:
        return self.ended_ns is None

    def age_ns(self, started_ns: int, now_ns: int) -> int:
        """Time it was open until its end or now; where the beginning was not seen at least that."""
        return max(0, (self.ended_ns or now_ns) - (self.began_ns or started_ns))

    def idle_ns(self, now_ns: int) -> int | None:
        """Time since the last byte or its beginning; None when closed or nothing was seen."""
        if not self.is_open or self.last_activity_ns is None:
            return None
        return max(0, now_ns - self.last_activity_ns)


CONNECTION_COLUMNS: dict[str, str] = {field.name: str(field.type) for field in fields(Connection)}
"""Column names, in order, to their types: `int`, `str`, `bool`, with ` | None` where NULL occurs."""


def connection_rows(connections: Iterable[Connection]) -> list[dict[str, Any]]:
    """One flat row per connection, with the keys of `CONNECTION_COLUMNS` in that order."""
    return [asdict(connection) for connection in connections]

"""Puts a `Connection` together from what was found about its socket."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from errno import errorcode
from typing import Any

from uringtrace.tracer.connections.connection import BEFORE, CLIENT, CONNECT, SERVER, Connection
from uringtrace.tracer.connections.request_times import ASKS, NO_ROLE, SERVES
from uringtrace.tracer.connections.requests import TIMES
from uringtrace.tracer.connections.sockets import TrackedSocket
from uringtrace.tracer.connections.traffic import IO_URING, SYSCALL, TRAFFIC
from uringtrace.tracer.connections.upper_layers import combined

_ROLES = {SERVES: SERVER, ASKS: CLIENT, NO_ROLE: None}
_INTERFACES = {0: "", IO_URING: "io_uring", SYSCALL: "syscall", IO_URING | SYSCALL: "io_uring syscall"}


@dataclass(frozen=True, slots=True)
class Numbers:
    """What the arrays hold, by slot, as plain Python values."""

    traffic: Sequence[tuple[Any, ...]] | Mapping[int, tuple[Any, ...]]
    """Rows of dtype TRAFFIC."""
    times: Sequence[tuple[Any, ...]] | Mapping[int, tuple[Any, ...]]
    """Rows of dtype TIMES."""
    waits: Sequence[int] | Mapping[int, int]
    tcp_states: bool
    """State changes of TCP sockets are observed in this capture."""


def connection_of(socket: TrackedSocket, numbers: Numbers) -> Connection:
    traffic = dict(zip(TRAFFIC.names or (), numbers.traffic[socket.slot], strict=True))
    times = dict(zip(TIMES.names or (), numbers.times[socket.slot], strict=True))
    descriptor = socket.descriptor
    life, address = socket.life, socket.address
    states_seen = numbers.tcp_states and address.protocol == "tcp"
    ended_ns, closed_by = life.ending(states_seen=states_seen)
    began_ns = life.began_ns or None
    last_in, last_out = traffic["last_in_ns"] or None, traffic["last_out_ns"] or None
    if ended_ns is not None:
        # When both sides have said farewell TCP is done, but what it received can still be read.
        ended_ns = max(ended_ns, last_in or 0)
    has_role = socket.role != NO_ROLE
    answered, finished = has_role and times["requests"] > 0, has_role and times["finished"] > 0
    layer = combined(socket.shown_layer, socket.upper_layer)
    return Connection(
        number=socket.number,
        inode=socket.inode,
        tgid=descriptor.tgid if descriptor else None,
        fd=descriptor.fd if descriptor else None,
        direct=bool(descriptor and descriptor.direct),
        processes=len(socket.processes),
        protocol=address.protocol,
        role=_ROLES[socket.role],
        local=address.local,
        remote=address.remote or (socket.remote_asked if life.began_by == CONNECT else None),
        listener=socket.listener,
        began_ns=began_ns,
        began_by=life.began_by,
        ended_ns=ended_ns,
        closed_by=closed_by,
        bytes_in=traffic["bytes_in"],
        bytes_out=traffic["bytes_out"],
        bytes_exact=not traffic["inexact"],
        operations_in=traffic["operations_in"],
        operations_out=traffic["operations_out"],
        first_byte_ns=traffic["first_ns"] or None if life.began_by != BEFORE else None,
        last_in_ns=last_in,
        last_out_ns=last_out,
        last_activity_ns=max((ns for ns in (last_in, last_out, began_ns) if ns), default=None),
        errors=traffic["errors"],
        last_error=_error_name(traffic["last_error"]),
        requests=times["requests"] if has_role else None,
        requests_from_arrival=times["from_arrival"] if has_role else None,
        request_waiting_ns=(numbers.waits[socket.slot] or None) if ended_ns is None else None,
        request_first_sum_ns=times["first_sum_ns"] if answered else None,
        request_first_max_ns=times["first_max_ns"] if answered else None,
        request_first_latest_ns=times["first_latest_ns"] if answered else None,
        request_last_sum_ns=times["last_sum_ns"] if finished else None,
        request_last_max_ns=times["last_max_ns"] if finished else None,
        request_last_latest_ns=times["last_latest_ns"] if finished else None,
        interfaces=_INTERFACES[traffic["interfaces"]],
        upper_layer=layer.name,
        tls_version=layer.version,
        tls_cipher=layer.cipher,
        tls_transmit=layer.transmit,
        tls_receive=layer.receive,
    )


def _error_name(number: int) -> str | None:
    return errorcode.get(number, f"E{number}") if number else None

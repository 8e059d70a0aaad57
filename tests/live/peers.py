"""Connections to give to what follows them: their files, reads on them, their end."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tests.fakes import STARTED_NS, call
from uringtrace.tracer.record import Batch
from uringtrace.tracer.records import SOCKET_EVENT, Records, SocketEventKind, empty_records
from uringtrace.tracer.source import File, Socket


def files(count: int) -> dict[int, File]:
    def one(number: int) -> File:
        peer = f"127.0.0.1:{4000 + number}"
        return File(
            number, f"TCP 127.0.0.1:80->{peer}", 8, 100 + number, Socket("inet", "tcp", "127.0.0.1:80", peer)
        )

    return {number: one(number) for number in range(1, count + 1)}


def reads(numbers: range, *, after_ns: int = 1_000_000) -> Batch:
    """One byte on each of these connections."""
    batch = np.repeat(call("read", 0, 0, 1, result=1), len(numbers))
    batch["file"] = batch["fd"] = list(numbers)
    batch["submitted_ns"] = STARTED_NS + after_ns
    batch["completed_ns"] = STARTED_NS + after_ns + np.arange(len(numbers))
    return batch


def closed(number: int, ns: int) -> Records:
    """The TCP state of this connection becomes CLOSE."""
    event = np.zeros(1, SOCKET_EVENT)
    event["ns"], event["file"], event["kind"] = ns, number, SocketEventKind.STATE
    event["before"], event["after"] = 1, 7
    return replace(empty_records(), socket_events=event)

"""What the probes said of the fake threads' system calls, decoded."""

from __future__ import annotations

import numpy as np

from tests.probes.fake_threads import MACHINE, Threads
from uringtrace.tracer.decode import decode_records
from uringtrace.tracer.records import Memory, Records
from uringtrace.tracer.syscalls.numbers import system_call_names

NUMBERS = {name: number for number, name in system_call_names(MACHINE).items()}
SOCKET_MODE, REGULAR = 0o140777, 0o100644


def seen(threads: Threads) -> Records:
    return decode_records(threads.engine.slots())


def only_row(records: Records) -> np.void:
    [row] = records.operations
    return row


def only_memory(records: Records) -> dict[int, Memory]:
    [found] = records.memory_by_row().values()
    return found

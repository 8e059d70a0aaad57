"""What a streaming capture learns of its target from the slots that pass by."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from uringtrace.probes.slots import (
    ARGUMENTS_KIND,
    CALL_ARGUMENTS_KIND,
    CALL_KIND,
    CALL_SLOT,
    OPERATION_SLOT,
    SOCKET_EVENT_KIND,
    Slots,
)
from uringtrace.tracer import surroundings
from uringtrace.tracer.source import File, OpenSocket, Socket
from uringtrace.tracer.surroundings import Surroundings
from uringtrace.tracer.syscalls.opcodes import call_names

NAMES = {0: "NOP", 46: "URING_CMD", **call_names("x86_64")}
NUMBERS = {name: opcode - 256 for opcode, name in NAMES.items() if opcode >= 256}
SELF = os.getpid()


def call(name: str, tid: int, tgid: int = SELF) -> Slots:
    """A call and its arguments, whose bytes would be a thread's in a slot of another kind."""
    slots = np.zeros(2, OPERATION_SLOT)
    first = slots.view(CALL_SLOT)[0]
    first["kind"], first["number"], first["tid"], first["tgid"] = CALL_KIND, NUMBERS[name], tid, tgid
    slots[1]["kind"], slots[1]["tid"], slots[1]["tgid"] = CALL_ARGUMENTS_KIND, 4_000_001, SELF
    return slots


def operation(opcode: int, tid: int, kind: int = 1) -> Slots:
    slots = np.zeros(1, OPERATION_SLOT)
    slots[0]["kind"], slots[0]["opcode"], slots[0]["tid"], slots[0]["tgid"] = kind, opcode, tid, SELF
    return slots


@contextmanager
def thread() -> Iterator[int]:
    """The id of a thread that lives until the end of the context."""
    begun, over = threading.Event(), threading.Event()
    ids: list[int] = []

    def run() -> None:
        ids.append(threading.get_native_id())
        begun.set()
        over.wait()

    started = threading.Thread(target=run)
    started.start()
    begun.wait()
    try:
        yield ids[0]
    finally:
        over.set()
        started.join()


def rename(tid: int, name: str) -> None:
    Path(f"/proc/self/task/{tid}/comm").write_text(name)


def test_threads_of_calls_and_of_operations_are_met() -> None:
    """Not what other slots have in the place of a thread."""
    with thread() as one, thread() as other:
        rename(one, "one")
        rename(other, "other")
        seen = Surroundings(NAMES)
        continued = operation(0, 4_000_002, ARGUMENTS_KIND)
        event = operation(0, 4_000_003, SOCKET_EVENT_KIND)
        seen.note(np.concatenate([call("read", one), event, operation(0, other), continued]), {})
    assert {each.tid: (each.tgid, each.name) for each in seen.threads.values()} == {
        one: (SELF, "one"),
        other: (SELF, "other"),
    }


@pytest.mark.parametrize("name", ["prctl", "execve", "execveat"])
def test_a_call_that_may_give_a_thread_another_name_has_it_asked_again(name: str) -> None:
    with thread() as tid:
        rename(tid, "before")
        seen = Surroundings(NAMES)
        seen.note(call("read", tid), {})
        rename(tid, "after")
        seen.note(call("read", tid), {})
        assert seen.threads[tid].name == "before"
        seen.note(call(name, tid), {})
        assert seen.threads[tid].name == "after"


@pytest.mark.parametrize("slots", [call("setsockopt", SELF), operation(46, SELF)], ids=["call", "io_uring"])
def test_a_call_that_may_set_an_upper_layer_has_the_sockets_asked(
    slots: Slots, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = OpenSocket(SELF, 3, 7, Socket("inet", "tcp", None, None, False), None)
    asked: list[int] = []

    class Watch:
        def __init__(self, names: object) -> None:
            pass

        def refresh(self, records: object, files: dict[int, File]) -> tuple[OpenSocket, ...]:
            asked.append(1)
            return (found,)

    monkeypatch.setattr(surroundings, "UpperLayerWatch", Watch)
    seen = Surroundings(NAMES)
    seen.note(np.concatenate([call("read", SELF), operation(0, SELF)]), {})
    assert not asked
    seen.note(slots, {})
    assert seen.open_sockets == (found,)

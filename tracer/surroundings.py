"""What a streaming capture knows of its target beside the operations.

Names of threads, interest lists and open sockets come from /proc and psutil, once the
probes are attached: so nothing falls between what was open before and what is seen to
begin. Invariant: nothing here raises for a process that is gone.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
from numpy.typing import NDArray

from uringtrace.probes.slots import ARGUMENTS_KIND, CALL_KIND, CALL_SLOT, SOCKET_EVENT_KIND, Slots
from uringtrace.tracer.decode import decode_records
from uringtrace.tracer.open_sockets import open_sockets
from uringtrace.tracer.procfs import current_calls, process_interests, thread_name
from uringtrace.tracer.record import FIRST_CALL
from uringtrace.tracer.source import File, Interest, OpenSocket, Thread
from uringtrace.tracer.upper_layer_watch import UpperLayerWatch

_THREADS = 1 << 22
"""Largest possible thread id (PID_MAX_LIMIT, include/linux/threads.h)."""


class Surroundings:
    """Grows while the capture runs; `begin` fills in what was there at its start."""

    def __init__(self, operation_names: Mapping[int, str]) -> None:
        opcodes = {name: opcode for opcode, name in operation_names.items()}
        self._setsockopt = opcodes.get("setsockopt", 0) - FIRST_CALL
        self._command = opcodes.get("URING_CMD", -1)
        self._renaming = [opcodes.get(name, 0) - FIRST_CALL for name in ("execve", "execveat", "prctl")]
        self._watch = UpperLayerWatch(operation_names)
        self._met = np.zeros(_THREADS, bool)
        self.threads: dict[int, Thread] = {}
        self.interests: tuple[Interest, ...] = ()
        self.open_sockets: tuple[OpenSocket, ...] = ()

    def begin(self, pids: Collection[int]) -> None:
        """Look at the processes that are to be traced."""
        for pid in pids:
            self._meet(np.array([call.tid for call in current_calls(pid)], np.uint32), pid)
        self.interests = tuple(interest for pid in pids for interest in process_interests(pid))
        self.open_sockets = open_sockets(pids)

    def note(self, slots: Slots, files: Mapping[int, File]) -> None:
        """Take in one chunk: threads not met before, and sockets that got another upper layer."""
        kinds = slots["kind"]
        calls = slots[kinds == CALL_KIND].view(CALL_SLOT)
        operations = slots[(kinds < ARGUMENTS_KIND) & (kinds != CALL_KIND) & (kinds != SOCKET_EVENT_KIND)]
        for rows in (calls, operations):
            new = rows[~self._met[np.minimum(rows["tid"], _THREADS - 1)]]
            for tgid in np.unique(new["tgid"]).tolist():
                self._meet(np.unique(new["tid"][new["tgid"] == tgid]), tgid)
        for tid in np.unique(calls["tid"][np.isin(calls["number"], self._renaming)]).tolist():
            if tid in self.threads:
                self._name(tid, self.threads[tid].tgid)
        if (calls["number"] == self._setsockopt).any() or (operations["opcode"] == self._command).any():
            self.open_sockets += self._watch.refresh(decode_records(slots), files)

    def _meet(self, tids: NDArray[np.uint32], tgid: int) -> None:
        for tid in tids.tolist():
            if tid and not self._met[min(tid, _THREADS - 1)]:
                self._met[min(tid, _THREADS - 1)] = True
                self._name(tid, tgid)

    def _name(self, tid: int, tgid: int) -> None:
        """Ask for the thread's name; the one it had stands when it is gone."""
        name = thread_name(tid)
        if name is not None or tid not in self.threads:
            self.threads[tid] = Thread(tid, tgid, name)

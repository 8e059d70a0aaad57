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
        self._secures = _among(opcodes, "setsockopt")
        self._renaming = _among(opcodes, "execve", "execveat", "prctl")
        self._command = opcodes.get("URING_CMD", -1)
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
        """Take in one chunk: threads not met before, and sockets that got another upper layer.

        Every chunk of a capture comes by here, so only the columns that are asked for are copied.
        """
        kinds = slots["kind"]
        begins = np.flatnonzero(kinds < ARGUMENTS_KIND)
        first = kinds[begins]
        call_rows = begins[first == CALL_KIND]
        operation_rows = begins[(first != CALL_KIND) & (first != SOCKET_EVENT_KIND)]
        calls = slots.view(CALL_SLOT)
        call_tids, numbers = calls["tid"][call_rows], calls["number"][call_rows]
        self._meet_new(call_tids, calls["tgid"], call_rows)
        self._meet_new(slots["tid"][operation_rows], slots["tgid"], operation_rows)
        for tid in np.unique(call_tids[self._renaming[numbers]]).tolist():
            if tid in self.threads:
                self._name(tid, self.threads[tid].tgid)
        if self._secures[numbers].any() or (slots["opcode"][operation_rows] == self._command).any():
            self.open_sockets += self._watch.refresh(decode_records(slots), files)

    def _meet_new(self, tids: NDArray[np.uint32], tgids: NDArray[np.uint32], rows: NDArray[np.intp]) -> None:
        """Meet those of the threads `tids`, seen in `rows`, that were not; `tgids` has all rows."""
        strangers = np.flatnonzero(~self._met[np.minimum(tids, _THREADS - 1)])
        if not len(strangers):
            return
        new, processes = tids[strangers], tgids[rows[strangers]]
        for tgid in np.unique(processes).tolist():
            self._meet(np.unique(new[processes == tgid]), tgid)

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


def _among(opcodes: Mapping[str, int], *names: str) -> NDArray[np.bool_]:
    """Number → whether it is one of these system calls, of all that fit a slot; shape (65536,)."""
    chosen = np.zeros(1 << 16, bool)
    chosen[[opcodes[name] - FIRST_CALL for name in names if name in opcodes]] = True
    return chosen

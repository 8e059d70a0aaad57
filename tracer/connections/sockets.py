"""The sockets of a capture, each known by its inode, with a small number called its slot.

Several file numbers may stand for one socket, and several descriptors for one file. A slot
is given to every socket that operations or events name, in the order of time; which of
them are connections shows later. Invariant: a slot never changes its inode until it is forgotten;
then the next socket gets it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from uringtrace.tracer.connections.descriptors import Descriptor
from uringtrace.tracer.connections.life import Life
from uringtrace.tracer.connections.request_times import ASKS, NO_ROLE, SERVES
from uringtrace.tracer.connections.upper_layers import Shown
from uringtrace.tracer.source import File, OpenSocket, Socket, UpperLayer

_UNSEEN, _NO_SOCKET = -2, -1


@dataclass(slots=True)
class TrackedSocket:
    """What is known of one socket beside the bytes that it moves."""

    slot: int
    inode: int
    address: Socket
    number: int = 0
    """Of the connection; 0: it is none so far."""
    listener: str | None = None
    remote_asked: str | None = None
    """Where connect(2) was to lead."""
    role: int = NO_ROLE
    life: Life = field(default_factory=Life)
    upper_layer: UpperLayer | None = None
    """What the kernel told."""
    shown_layer: Shown = field(default_factory=Shown)
    """What calls showed."""
    descriptor: Descriptor | None = None
    """By which it was used last."""
    processes: set[int] = field(default_factory=set)


class Sockets:
    """Finds the slot of each file number."""

    def __init__(self) -> None:
        self.all: list[TrackedSocket] = []
        self._by_inode: dict[int, TrackedSocket] = {}
        self._free: list[int] = []
        """Slots of forgotten sockets."""
        self._slot_of_file = np.full(1024, _UNSEEN, np.int32)
        self._slot_of_file[0] = _NO_SOCKET
        self._served: set[str] = set()
        """Where the target listens: a port after a colon, or a path."""
        self._numbers = 0
        self.touched: set[int] = set()
        """Slots of which something beside the moved bytes may have changed; whoever follows that
        empties it."""
        self.roles = np.zeros(64, np.uint8)
        """Role of each slot; longer than there are slots."""
        self.listening = np.zeros(64, np.bool_)

    def irrelevant(self, files: NDArray[np.uint32]) -> NDArray[np.bool_]:
        """File numbers that are known not to be sockets; same shape."""
        if not files.any():
            return np.ones(len(files), bool)
        within = np.minimum(files, len(self._slot_of_file) - 1)
        mask: NDArray[np.bool_] = (self._slot_of_file[within] == _NO_SOCKET) & (within == files)
        return mask

    def slots(self, files: NDArray[np.uint32]) -> NDArray[np.int64]:
        """Slot of each file number, -1 for what is no socket or not known; same shape."""
        if not files.any():
            return np.full(len(files), _NO_SOCKET, np.int64)
        within = np.minimum(files, len(self._slot_of_file) - 1)
        found = np.where(within == files, self._slot_of_file[within], _NO_SOCKET)
        return np.maximum(found, _NO_SOCKET).astype(np.int64)

    def unseen(self, files: NDArray[np.uint32]) -> NDArray[np.bool_]:
        """File numbers of which it is not known whether they are sockets; same shape."""
        if not files.any():
            return np.zeros(len(files), bool)
        within = np.minimum(files, len(self._slot_of_file) - 1)
        mask: NDArray[np.bool_] = (self._slot_of_file[within] == _UNSEEN) | (within != files)
        return mask

    def meet(self, numbers: NDArray[np.uint32], files: Mapping[int, File]) -> None:
        """Learn unseen file numbers in the order in which they appeared; repetitions are no harm."""
        unique, first = np.unique(numbers, return_index=True)
        # A number that no fact explains may be anything in a damaged recording: no table grows for it.
        known = {number: files[number] for number in unique[np.argsort(first)].tolist() if number in files}
        top = max(known, default=0)
        if top >= len(self._slot_of_file):
            more = max(top + 1, 2 * len(self._slot_of_file)) - len(self._slot_of_file)
            self._slot_of_file = np.concatenate([self._slot_of_file, np.full(more, _UNSEEN, np.int32)])
        for number, file in known.items():
            if file.socket is None:
                self._slot_of_file[number] = _NO_SOCKET
            else:
                self._slot_of_file[number] = self._meet(file.inode, file.socket).slot

    def meet_open(self, opened: OpenSocket) -> tuple[TrackedSocket, bool]:
        """Learn a socket that was open when the capture began. Returns it, and whether it is new."""
        new = opened.inode not in self._by_inode
        tracked = self._meet(opened.inode, opened.socket)
        if opened.upper_layer is not None:
            self.touched.add(tracked.slot)
            tracked.upper_layer = opened.upper_layer
        named = opened.socket.family == "unix" and opened.socket.local is not None
        if not opened.socket.listening and named:
            self.is_connection(tracked)
        return tracked, new

    def is_connection(self, tracked: TrackedSocket) -> None:
        """Number it, in order of appearance."""
        self.touched.add(tracked.slot)
        if not tracked.number:
            self._numbers += 1
            tracked.number = self._numbers

    def set_role(self, tracked: TrackedSocket, role: int) -> None:
        self.touched.add(tracked.slot)
        tracked.role = role
        self.roles[tracked.slot] = role

    def forget(self, slots: Sequence[int]) -> NDArray[np.int64]:
        """Leave sockets out from now on, whatever still names them. Returns their file numbers."""
        for slot in slots:
            tracked = self.all[slot]
            if self._by_inode.get(tracked.inode) is tracked:
                del self._by_inode[tracked.inode]
            self.all[slot] = TrackedSocket(slot, 0, tracked.address)
            self.touched.discard(slot)
        self.roles[list(slots)] = NO_ROLE
        self.listening[list(slots)] = False
        self._free.extend(slots)
        files = np.flatnonzero(np.isin(self._slot_of_file, slots))
        self._slot_of_file[files] = _NO_SOCKET
        return files

    def _new(self, inode: int, address: Socket) -> TrackedSocket:
        tracked = TrackedSocket(self._free.pop() if self._free else len(self.all), inode, address)
        if tracked.slot == len(self.all):
            self.all.append(tracked)
        self.all[tracked.slot] = tracked
        return tracked

    def _meet(self, inode: int, address: Socket) -> TrackedSocket:
        tracked = self._by_inode.get(inode)
        if tracked is None:
            tracked = self._by_inode[inode] = self._new(inode, address)
            if tracked.slot >= len(self.roles):
                self.roles = np.concatenate([self.roles, np.zeros_like(self.roles)])
                self.listening = np.concatenate([self.listening, np.zeros_like(self.listening)])
            self.set_role(tracked, self._probable_role(address))
        elif address.remote is not None or tracked.address.remote is None:
            self.touched.add(tracked.slot)
            tracked.address = address
        if address.listening:
            self.listening[tracked.slot] = True
            self._served |= {_place(address.local)} if address.local else set()
        elif address.remote is not None:
            self.is_connection(tracked)
        return tracked

    def _probable_role(self, address: Socket) -> int:
        """Of a socket whose beginning was not seen: it serves where the target listens."""
        if address.listening:
            return NO_ROLE
        if address.local is not None and _place(address.local) in self._served:
            return SERVES
        return ASKS if address.family == "unix" and address.local is None and address.remote else NO_ROLE


def _place(address: str) -> str:
    """What the addresses of a listener and of its connections share: the port, or the path."""
    colon = address.rfind(":")
    return address[colon:] if colon >= 0 and address[colon + 1 :].isdecimal() else address

"""Which descriptors stand for which socket, as far as calls showed it.

A socket may have several: from dup, in a forked child, sent to another process. Only what
was seen is here: so "no descriptor left" is a guess that a later use of the socket refutes.
"""

from __future__ import annotations

from typing import NamedTuple


class Descriptor(NamedTuple):
    """A number in a process; `direct`: an index into a table of io_uring's direct descriptors."""

    tgid: int
    fd: int
    direct: bool = False


class Descriptors:
    """Descriptor to socket and back; sockets are given by their slot."""

    def __init__(self) -> None:
        self._socket: dict[Descriptor, int] = {}
        self._of_socket: dict[int, set[Descriptor]] = {}
        self._of_process: dict[int, set[Descriptor]] = {}

    def add(self, descriptor: Descriptor, slot: int) -> int | None:
        """The descriptor stands for `slot` now. Returns the socket that lost its last one by this."""
        before = self._socket.get(descriptor)
        if before == slot:
            return None
        emptied = self.remove(descriptor)
        self._socket[descriptor] = slot
        self._of_socket.setdefault(slot, set()).add(descriptor)
        self._of_process.setdefault(descriptor.tgid, set()).add(descriptor)
        return emptied

    def remove(self, descriptor: Descriptor) -> int | None:
        """Returns the socket that lost its last descriptor by this."""
        slot = self._socket.pop(descriptor, None)
        if slot is None:
            return None
        self._of_process[descriptor.tgid].discard(descriptor)
        of_socket = self._of_socket[slot]
        of_socket.discard(descriptor)
        if of_socket:
            return None
        del self._of_socket[slot]
        return slot

    def forget(self, slot: int) -> None:
        """Whatever stands for the socket stands for nothing."""
        for descriptor in tuple(self._of_socket.get(slot, ())):
            self.remove(descriptor)

    def remove_range(self, tgid: int, first: int, last: int) -> list[int]:
        """close_range(2). Returns the sockets that lost their last descriptor."""
        chosen = [
            descriptor
            for descriptor in self._of_process.get(tgid, ())
            if not descriptor.direct and first <= descriptor.fd <= last
        ]
        return self._remove_all(chosen)

    def remove_process(self, tgid: int) -> list[int]:
        """The process ended. Returns the sockets that lost their last descriptor."""
        return self._remove_all(list(self._of_process.get(tgid, ())))

    def _remove_all(self, descriptors: list[Descriptor]) -> list[int]:
        emptied = (self.remove(descriptor) for descriptor in descriptors)
        return [slot for slot in emptied if slot is not None]

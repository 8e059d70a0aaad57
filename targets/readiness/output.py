"""What waits to be sent on one connection, and which answers end where in it.

Invariant: an answer is counted when the kernel has taken its last byte, neither before nor
twice; every byte is counted when the kernel has taken it.
"""

from __future__ import annotations

import socket
from collections import deque

from uringtrace.targets.truth import Tally


class Output:
    """A queue of bytes that leaves through a nonblocking socket.

    Its owner keeps it below 1,024 parts, the most that sendmsg(2) takes.
    """

    __slots__ = ("_connection", "_parts", "_tally", "size")

    def __init__(self, connection: socket.socket, tally: Tally) -> None:
        self._connection = connection
        self._tally = tally
        self._parts: deque[tuple[memoryview, int | None]] = deque()
        self.size = 0
        """Bytes that wait."""

    def add(self, data: bytes, status: int | None) -> None:
        """Append; `status` is that of the answer which ends here, None within an answer."""
        self._parts.append((memoryview(data), status))
        self.size += len(data)

    def send(self) -> int:
        """Offer the kernel what waits, once; the bytes it took, 0 when it has no room.

        Less than all means that there is no room left either. Raises OSError when the peer
        is gone.
        """
        return self._offer(len(self._parts))

    def send_first(self) -> int:
        """The same with the first part alone."""
        return self._offer(1)

    def _offer(self, count: int) -> int:
        parts = self._parts
        try:
            if count == 1:
                sent = self._connection.send(parts[0][0])
            else:
                sent = self._connection.sendmsg([data for data, _ in parts])
        except BlockingIOError:
            return 0
        self._tally.sent(sent)
        self.size -= sent
        left = sent
        while parts and left >= len(parts[0][0]):
            data, status = parts.popleft()
            left -= len(data)
            if status is not None:
                self._tally.answered(status)
        if left:
            data, status = parts[0]
            parts[0] = data[left:], status
        return sent

"""How a reference server is told to end: SIGTERM or SIGINT.

Whoever waits must notice, in a blocking call as well as in an event loop: the handler
shuts the listeners down, which ends a blocked accept with EINVAL and makes the listener
ready for everybody who polls it (net/ipv4/tcp.c, tcp_shutdown; inet_shutdown). Python
runs the handler in the main thread, between two instructions, and then continues the
interrupted call (PEP 475).
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from collections.abc import Callable
from types import FrameType

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Stop:
    """Whether the server shall end, and what is to be done at that moment."""

    def __init__(self) -> None:
        self.requested = False
        self._callbacks: list[Callable[[], None]] = []

    def install(self) -> None:
        """Handle the signals from now on; children inherit it. Main thread only."""
        for number in _SIGNALS:
            signal.signal(number, self._on_signal)

    def listener(self, listener: socket.socket) -> None:
        """Shut this listener down when the request comes."""

        def shut_down() -> None:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)

        self.on_request(shut_down)

    def on_request(self, callback: Callable[[], None]) -> None:
        """Call this once, in the main thread, within the signal handler; at once when it is late."""
        self._callbacks.append(callback)
        if self.requested:
            callback()

    def wakeup(self) -> int:
        """A descriptor that a signal makes readable, for an event loop of this process. Main thread only.

        One that comes while Python prepares a call is handled only when that call returns: a thousand
        descriptors for select(2) take long enough for that. The descriptor is written to at once.
        """
        reading, writing = os.pipe()
        os.set_blocking(reading, False)
        os.set_blocking(writing, False)
        signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
        return reading

    def forget(self) -> None:
        """In a forked child: what the parent registered is the parent's to do."""
        self._callbacks.clear()

    def request(self) -> None:
        """What the signals do."""
        if not self.requested:
            self.requested = True
            for callback in self._callbacks:
                callback()

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self.request()

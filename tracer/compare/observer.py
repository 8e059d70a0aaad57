"""Another observer of the same target as a process: attached, let go, gone.

The target is never left stopped or traced: an observer ends with the process that started it, and is
asked with SIGINT, on which all of them detach, before anything stronger.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from uringtrace.tracer.parent_death import end_with_parent

_LET_GO_SECONDS = 20.0
_PAUSE = 0.002


class Observer:
    """A process that observes others; nothing here waits for long but `let_go` and `wait_attached`."""

    name = ""
    """As phases and tables name it."""

    def __init__(self, command: Sequence[str], folder: Path) -> None:
        """Start it; its messages go to a file in `folder`. Raises OSError."""
        self._messages = folder / f"{self.name}.messages"
        with self._messages.open("wb") as messages:
            self._process = subprocess.Popen(
                list(command),
                stdin=subprocess.DEVNULL,
                stdout=messages,
                stderr=messages,
                # Its notices are read; Ctrl-C at the terminal is for us, who then let go in order.
                env={**os.environ, "LC_ALL": "C"},
                start_new_session=True,
                preexec_fn=end_with_parent,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def is_attached(self) -> bool:
        """Whether it observes every process that it was told to."""
        raise NotImplementedError

    def told(self) -> int | None:
        """How many calls it told of; asked when it has ended. None where that cannot be known."""
        raise NotImplementedError

    def why_not(self) -> str:
        """Of one that has not attached: its reason in one line."""
        lines = [line for line in self.messages().splitlines() if line.strip()]
        return f"{self.name} ended: {lines[-1].strip()}" if lines else f"{self.name} did not attach"

    def has_ended(self) -> bool:
        """Whether it is gone: the target ended, or it could not attach."""
        return self._process.poll() is not None

    def messages(self) -> str:
        return self._messages.read_text(errors="replace")

    def ask_to_let_go(self) -> None:
        """Begin to detach; `has_ended` tells when it is done."""
        with suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGINT)

    def let_go(self) -> None:
        """Detach and wait until it is gone, whatever it takes; idempotent."""
        for number, patience in (
            (signal.SIGINT, _LET_GO_SECONDS),
            (signal.SIGTERM, _LET_GO_SECONDS),
            (signal.SIGKILL, None),
        ):
            if self.has_ended():
                return
            self._process.send_signal(number)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(patience)

    def wait_attached(self, seconds: float) -> bool:
        """Wait until it is attached; False when it has ended or the time is over."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.is_attached():
                return True
            if self.has_ended():
                return False
            time.sleep(_PAUSE)
        return False

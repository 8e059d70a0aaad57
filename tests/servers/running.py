"""A reference server as a process of its own, with its first and its last line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

Line = dict[str, Any]


class Running:
    """A server that has printed its first line."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        assert process.stdout is not None
        text = process.stdout.readline()
        assert text, f"the server ended with {process.wait()} before it listened: {self.errors()}"
        self.first: Line = json.loads(text)
        self.pid: int = self.first["pid"]
        host, _, port = self.first["listening"].rpartition(":")
        self.address: tuple[str, int] = (host.strip("[]"), int(port))

    @property
    def url(self) -> str:
        """`http://HOST:PORT`."""
        return f"http://{self.first['listening']}"

    def terminate(self) -> None:
        """SIGTERM. Once only: while Python ends it no longer handles signals."""
        self.process.send_signal(signal.SIGTERM)

    def last_line(self, seconds: float = 20) -> Line:
        """The ground truth, when the server has ended well and has printed nothing else."""
        output, errors = self.process.communicate(timeout=seconds)
        assert self.process.returncode == 0, errors
        assert "Traceback" not in errors, errors
        (last,) = output.splitlines()
        truth: Line = json.loads(last)
        return truth

    def stop(self, seconds: float = 20) -> Line:
        """End the server with SIGTERM; its last line."""
        self.terminate()
        return self.last_line(seconds)

    def errors(self) -> str:
        """What it wrote to standard error, once it has ended."""
        return self.process.stderr.read() if self.process.stderr else ""


@contextmanager
def running(name: str, *arguments: str) -> Iterator[Running]:
    """`uringtrace serve NAME …` in a session of its own; what is left of that at the end is killed."""
    command = [sys.executable, "-m", "uringtrace", "serve", name, "--port", "0", *arguments]
    with subprocess.Popen(
        command, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    ) as process:
        try:
            yield Running(process)
        finally:
            # Until it has been waited for, the number is certainly its own.
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)

"""A reference server as a process of its own, with its first and its last line."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
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

    def stop(self, seconds: float = 20) -> Line:
        """End the server with SIGTERM; its last line, the ground truth."""
        self.process.send_signal(signal.SIGTERM)
        output, errors = self.process.communicate(timeout=seconds)
        assert self.process.returncode == 0, errors
        (last,) = output.splitlines()
        truth: Line = json.loads(last)
        return truth

    def errors(self) -> str:
        """What it wrote to standard error, once it has ended."""
        return self.process.stderr.read() if self.process.stderr else ""


@contextmanager
def running(name: str, *arguments: str) -> Iterator[Running]:
    """`uringtrace serve NAME …`; killed at the end when it still runs."""
    command = [sys.executable, "-m", "uringtrace", "serve", name, "--port", "0", *arguments]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, text=True, **pipes) as process:  # type: ignore[call-overload]  # by name
        try:
            yield Running(process)
        finally:
            if process.poll() is None:
                process.kill()

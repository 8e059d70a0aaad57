"""A reference server that `uringtrace` starts and traces from its first operation on."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.bpf.processes import URINGTRACE, Json, Process, json_lines, wait_for
from tests.uring.clients import Address


@dataclass(frozen=True)
class Server:
    """A server that listens."""

    address: Address
    pid: int


@dataclass(frozen=True)
class Traced:
    """What the server and the tracer said of the same run."""

    truth: Json
    """The server's last line."""
    lines: list[Json]
    """The tracer's."""

    @property
    def report(self) -> Json:
        """Of `stat`: its one object."""
        return self.lines[-1]

    def counted(self, interface: str = "io_uring") -> dict[str, int]:
        """Of `stat`: completions by operation."""
        operations = [each for each in self.report["operations"] if each["interface"] == interface]
        return {each["name"]: each["count"] for each in operations}

    def paths(self, name: str) -> Json:
        """Of `stat`: how often the operation took each path."""
        (operation,) = [each for each in self.report["operations"] if each["name"] == name]
        paths: Json = operation["paths"]
        return paths


def traced(folder: Path, view: list[str], server: list[str], visit: Callable[[Server], None]) -> Traced:
    """Trace `serve …` with `stat` or `log` while `visit` visits it; then end it with SIGTERM."""
    serve = [sys.executable, "-m", "uringtrace", "serve", *server]
    with Process([*URINGTRACE, *view, "--json", "--", *serve], folder) as tracer:
        wait_for(lambda: '"listening"' in tracer.output() or not tracer.running(), "the server listens")
        assert tracer.running(), tracer.notices()
        first = next(line for line in json_lines(tracer.output()) if "listening" in line)
        host, _, port = first["listening"].rpartition(":")
        visit(Server((host, int(port)), first["pid"]))
        os.kill(first["pid"], signal.SIGTERM)
        assert tracer.wait() == 0, tracer.notices()
        lines = json_lines(tracer.output())
    (truth,) = [line for line in lines if "bytes_out" in line and "connections" in line]
    return Traced(truth, [line for line in lines if "type" in line])

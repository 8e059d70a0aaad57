"""The epoll reference server under wrk: its requests per second."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.launch import Failed, run
from bench.processes import Running, running

CONNECTIONS = 8
_RATE = re.compile(r"^Requests/sec:\s*([0-9.]+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Server:
    """One that listens."""

    process: Running
    address: str

    @property
    def pid(self) -> int:
        return self.process.pid

    def requests_per_second(self, seconds: int) -> float:
        """What wrk gets out of it, over one thread and `CONNECTIONS` kept alive. Raises `Failed`."""
        load = ("wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", f"http://{self.address}/")
        output = run(load, seconds + 10).stdout
        rate = _RATE.search(output)
        if not rate or "errors" in output:
            raise Failed("wrk met errors")
        return float(rate[1])


@contextmanager
def serving(program: Path) -> Iterator[Server]:
    """The server for a while. Raises `Failed` when it does not start."""
    with running([str(program)]) as process:
        process.wait_for("\n")
        yield Server(process, json.loads(process.text().splitlines()[0])["listening"])
        process.end(signal.SIGTERM)

"""A reference server under load for as long as a test looks at it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.servers.running import Running, running
from uringtrace.tracer.compare.strace_process import tracer_of


@contextmanager
def under_load(name: str, *, rate: int = 200) -> Iterator[Running]:
    """The server, and so many requests per second to it, over one connection, until the end."""
    with running(name) as server:
        command = [sys.executable, "-m", "uringtrace", "load", f"{server.url}/bytes/100"]
        command += ["-d", "100", "--connections", "1", "--rate", str(rate)]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as load:
            try:
                yield server
            finally:
                load.send_signal(signal.SIGINT)


def is_untouched(pid: int) -> bool:
    """Whether the process runs, neither traced nor stopped."""
    os.kill(pid, 0)
    state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    return tracer_of(pid) == 0 and state in "RSD"

"""Starts programs that are not of this project: small ones of our own over foreign runtimes, and daemons.

Each is a `Program`, which ends with what it says of itself; whatever it left behind is killed.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.servers.running import Line, Running

FOLDER = Path(__file__).parent
BLOCKED_SECONDS = 0.06
_DEADLINE_SECONDS = 20


@dataclass
class Program:
    """What listens, and what it did wrong on purpose where it counts that itself."""

    pid: int
    address: tuple[str, int]
    process: subprocess.Popen[str]
    counts: bool = False

    def stop(self) -> Line:
        """End it; its last line, or nothing where it has none."""
        self.process.send_signal(signal.SIGTERM)
        output, errors = self.process.communicate(timeout=_DEADLINE_SECONDS)
        assert not self.counts or self.process.returncode == 0, errors
        found: Line = json.loads(output.splitlines()[-1]) if self.counts else {"faults": {}}
        return found


@contextmanager
def started(*command: str, env: Mapping[str, str] | None = None) -> Iterator[subprocess.Popen[str]]:
    """In a session of its own."""
    with subprocess.Popen(
        command, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
        env={**os.environ, **(env or {})},
    ) as process:  # fmt: skip
        try:
            yield process
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)


@contextmanager
def python(folder: Path, name: str, way: str) -> Iterator[Program]:
    with started(sys.executable, str(FOLDER / f"{name}_program.py"), way) as process:
        running = Running(process)
        yield Program(running.pid, running.address, process, counts=True)


@contextmanager
def node(folder: Path, way: str, ring: str = "0") -> Iterator[Program]:
    """`ring` 1: libuv asks for files through io_uring."""
    with slow_file(folder / "slow") as path:
        command = ("node", str(FOLDER / "node_program.js"), way, str(path))
        with started(*command, env={"UV_USE_IO_URING": ring}) as process:
            running = Running(process)
            yield Program(running.pid, running.address, process, counts=True)


@contextmanager
def slow_file(path: Path) -> Iterator[Path]:
    """A FIFO whose reader gets its byte, and its end, a while after it has opened it."""
    os.mkfifo(path)
    ended = threading.Event()

    def feed() -> None:
        while True:
            with path.open("wb", buffering=0) as file:
                if ended.wait(BLOCKED_SECONDS):
                    return
                file.write(b"x")
            while _has_reader(path):
                time.sleep(0.001)

    feeder = threading.Thread(target=feed, daemon=True)
    feeder.start()
    try:
        yield path
    finally:
        ended.set()
        reading = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        feeder.join()
        os.close(reading)


def _has_reader(path: Path) -> bool:
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))
    except OSError:
        return False
    return True


@contextmanager
def nginx(folder: Path, locations: str, workers: int = 2) -> Iterator[Program]:
    port = _free_port()
    configuration = folder / "nginx.conf"
    (folder / "page.txt").write_text("hello\n" * 100)
    configuration.write_text(
        f"worker_processes {workers}; pid {folder}/pid; error_log {folder}/errors; daemon off; user root;"
        "events { worker_connections 512; }"
        f"http {{ access_log off; server {{ listen 127.0.0.1:{port}; root {folder}; {locations} }} }}"
    )
    with started("nginx", "-p", str(folder), "-c", str(configuration)) as process:
        yield _listening(process, port)


@contextmanager
def redis(folder: Path) -> Iterator[Program]:
    port = _free_port()
    options = ("--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder))
    with started("redis-server", *options, "--enable-debug-command", "yes") as process:
        yield _listening(process, port)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def _listening(process: subprocess.Popen[str], port: int) -> Program:
    address = ("127.0.0.1", port)
    deadline = time.monotonic() + _DEADLINE_SECONDS
    while True:
        try:
            socket.create_connection(address, 1).close()
            return Program(process.pid, address, process)
        except OSError:
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.01)

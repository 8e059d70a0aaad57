"""`python -m tests.wakes.recorded` makes the recording of this folder again, as root."""

from __future__ import annotations

import json
import shutil
import socket
import tempfile
from pathlib import Path

from tests.bpf.processes import URINGTRACE, Process, wait_for
from tests.bpf.programs import compiled
from tests.findings.record_scenes import slim

FOLDER = Path(__file__).parent / "recordings" / "hand-over"
REQUESTS = 12
WORK_US = 300


def port_of(process: Process) -> int:
    return int(wait_for(process.output, "the program listens").split()[0])


def ask(address: tuple[str, int], pid: int, requests: int, threads: int = 3) -> None:
    """Each question comes when all threads sleep, so that each hand-over is a wake-up.

    From the second on there are at least so many.
    """
    with socket.create_connection(address) as connection:
        for number in range(requests):
            # The first finds threads that are only just there.
            wait_for(lambda first=number == 0: asleep(pid, 1 if first else threads), "all threads sleep")  # type: ignore[misc]
            connection.sendall(b"question")
            assert connection.recv(100) == b"answer"
        wait_for(lambda: asleep(pid, threads), "all threads sleep")


def asleep(pid: int, threads: int) -> bool:
    """All threads of the process sleep, and there are at least so many."""
    states = []
    for status in Path(f"/proc/{pid}/task").glob("*/stat"):
        states.append(status.read_text().rpartition(")")[2].split()[0])
    return len(states) >= threads and set(states) == {"S"}


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        program = compiled("hand_over", folder)
        with Process([program, str(WORK_US)], folder / "program") as target:
            port, path = port_of(target), folder / "recording"
            command = [*URINGTRACE, "record", "-o", path, str(target.pid)]
            with Process(command, folder / "recorder") as recorder:
                wait_for(lambda: "Ctrl-C" in recorder.notices(), "the recorder is attached")
                ask(("127.0.0.1", port), target.pid, REQUESTS)
                wait_for(lambda: not recorder.running(), "the recording is written")
            _, *said = target.output().splitlines()
        slim(path)
        (path / "truth.json").write_text(json.dumps(said))
        shutil.rmtree(FOLDER, ignore_errors=True)
        shutil.copytree(path, FOLDER)


if __name__ == "__main__":
    main()

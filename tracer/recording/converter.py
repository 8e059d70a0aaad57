"""Turning closed journal segments into parts, in a process of its own.

A process and not a thread: at full speed the drain may never wait for an interpreter
lock held by work at the lowest priority. It deletes a segment only when the part
has its name, so it can die at any moment without loss.

Segment numbers come in, one a line, and a line of JSON goes out for each. After the
line `end` the process does what is left and ends. When its input ends without that,
the recorder has died, and it ends at once.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from uringtrace.tracer.recording.layout import private_files
from uringtrace.tracer.recording.metadata import Failure, Part

_END = b"end"
LOWEST = 19
"""Niceness of what may take any time."""


class Converter:
    """The recorder's side: hands over segment numbers and collects what became of them."""

    def __init__(self, directory: Path, lock: int, *, niceness: int = LOWEST) -> None:
        """Start the process; the recording must have its meta.json. Raises OSError.

        `lock` is the descriptor of `layout.hold`: the process shares it, so that the
        directory counts as being written while either is at work.
        """
        self.pending: set[int] = set()
        search_path = os.pathsep.join(entry or str(Path.cwd()) for entry in sys.path)
        # -P: a program that runs as root must not import from where it was started.
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", __name__, str(directory), str(niceness)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": search_path},
            pass_fds=(lock,),
            start_new_session=True,
        )
        assert self._process.stdout is not None
        os.set_blocking(self._process.stdout.fileno(), False)
        self._received = b""

    def submit(self, number: int) -> None:
        """Have segment `number`, which is closed, converted."""
        self.pending.add(number)
        self._send(b"%d\n" % number)

    def _send(self, line: bytes) -> None:
        assert self._process.stdin is not None
        # A process that has died shows in `running`, with its work still in `pending`.
        with suppress(BrokenPipeError):
            self._process.stdin.write(line)
            self._process.stdin.flush()

    def results(self) -> list[Part | Failure]:
        """What has been done since the last call; does not wait."""
        assert self._process.stdout is not None
        while data := self._process.stdout.read():
            self._received += data
        *lines, self._received = self._received.split(b"\n")
        done = [_result(line) for line in lines]
        self.pending.difference_update(result.number for result in done)
        return done

    def wait(self, seconds: float) -> bool:
        """Wait for the process to end by itself, which it does after `finish`; True if it has."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def finish(self) -> None:
        """Let the process end when it has done everything submitted."""
        self._send(_END + b"\n")

    def close(self) -> None:
        """End the process now; what it was at is undone."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with suppress(BrokenPipeError):
                    stream.close()


def _result(line: bytes) -> Part | Failure:
    value = json.loads(line)
    return Failure(**value) if "reason" in value else Part(**value)


class _RecorderDied(Exception):
    """Its end of the pipe was closed without a word."""


def _requests(descriptor: int) -> Iterator[int]:
    """Segment numbers until the recorder has said that it is done. Raises _RecorderDied."""
    received = b""
    queue: list[bytes] = []
    while True:
        if not queue or select.select([descriptor], [], [], 0)[0]:
            data = os.read(descriptor, 65536)
            if not data:
                raise _RecorderDied
            *lines, received = (received + data).split(b"\n")
            queue += lines
            if queue[-1:] == [_END]:
                yield from map(int, queue[:-1])
                return
        if queue:
            yield int(queue.pop(0))


def main(directory: Path, niceness: int) -> None:
    """Convert the segments named on standard input until that ends."""
    # DuckDB is loaded in this process only: the recorder's memory is the user's.
    from uringtrace.tracer.recording.conversion import Conversion

    os.nice(niceness)
    # Niceness orders the processes of one session only where sessions are scheduled as groups
    # (sched(7), autogroup); this process leads a session of its own.
    with suppress(OSError):
        Path("/proc/self/autogroup").write_text(str(niceness))
    conversion = Conversion(directory)
    with private_files(), suppress(_RecorderDied):
        for number in _requests(sys.stdin.fileno()):
            answer = conversion.convert(number)
            print(json.dumps(asdict(answer)), flush=True)
        conversion.finish()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))

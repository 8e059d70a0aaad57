"""Python programs under a capture, and what it says of each of their calls.

A program prints one JSON object with its descriptors and thread ids, and acts only once the
thread it acts on is in the call that is to end.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.bpf.processes import Held
from uringtrace.tracer.capture import StreamingCapture, start_streaming
from uringtrace.tracer.readiness.calls import calls_of
from uringtrace.tracer.readiness.explain import Explainer, Wait
from uringtrace.tracer.readiness.interest import (
    InterestList,
    changes_of,
)
from uringtrace.tracer.readiness.waits import missing_readiness
from uringtrace.tracer.records import Records
from uringtrace.tracer.target import Target
from uringtrace.ui.text.readiness_text import ReadinessText

PRELUDE = """
import ctypes, json, os, select, signal, socket, sys, threading, time
libc = ctypes.CDLL(None, use_errno=True)
EPOLL = {"epoll_wait", "epoll_pwait", "futex", "poll", "pselect6"}
main = threading.get_native_id()

def parked(tid, first=None):
    # In a call that waits, with `first` as its first argument where that is given.
    while True:
        words = open(f"/proc/self/task/{tid}/syscall").read().split()
        state = open(f"/proc/self/task/{tid}/stat").read().rpartition(")")[2].split()[0]
        if state == "S" and len(words) > 2 and (first is None or int(words[1], 0) == first):
            return
        time.sleep(0.001)

def beside(function):
    # A thread that does it; its id.
    begun = threading.Event()
    def run():
        thread.tid = threading.get_native_id()
        begun.set()
        function()
    thread = threading.Thread(target=run)
    thread.start()
    begun.wait()
    return thread

def say(**facts):
    path = sys.argv[1]
    with open(path, "w") as output:
        json.dump({"main": main, **facts}, output)
"""
HELD = """
print('{"ready": 0}', flush=True)
sys.stdin.readline()
"""


@dataclass(frozen=True)
class Seen:
    """What the target said, and what the capture says of each of its calls."""

    said: dict[str, int]
    calls: list[tuple[str, np.void, Wait]]
    """Name, operation and explanation, in the order of completion."""
    lines: list[str]
    changes: np.ndarray
    interests: InterestList
    capture: StreamingCapture

    def waits(self, *names: str, tid: int | None = None) -> list[Wait]:
        return [wait for _, wait in self.rows(*names, tid=tid)]

    def rows(self, *names: str, tid: int | None = None) -> list[tuple[np.void, Wait]]:
        return [
            (operation, wait)
            for name, operation, wait in self.calls
            if name in names and (tid is None or operation["tid"] == tid)
        ]

    def description(self, file: int | None) -> str:
        assert file is not None
        return self.capture.files[file].description

    def name(self, opcode: int | None) -> str:
        assert opcode is not None
        return self.capture.context.operation_names[opcode]


EPOLL_WAITS = ("epoll_wait", "epoll_pwait", "epoll_pwait2")


class Run:
    """Runs programs under a capture."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(self, program: str) -> Seen:
        """From its start to its end."""
        output = self._folder / "said"
        command = (sys.executable, "-I", "-S", "-c", PRELUDE + program, str(output))
        with start_streaming(Target(command=command, follow=True)) as capture:
            return self._seen(capture, capture.records(), output)

    def attached(self, before: str, program: str) -> Seen:
        """`program` only; `before` is over when the capture begins."""
        output = self._folder / "said"
        command = (sys.executable, "-I", "-S", "-c", PRELUDE + before + HELD + program, str(output))
        with Held(command, self._folder / "held") as process:
            with start_streaming(Target(pids=(process.pid,))) as capture:
                process.go()
                seen = self._seen(capture, capture.records(), output)
            assert process.wait() == 0, process.notices()
        return seen

    def _seen(self, capture: StreamingCapture, stream: Iterator[Records], output: Path) -> Seen:
        calls = calls_of(capture.context)
        explainer = Explainer(capture.context, capture.interests)
        text = ReadinessText(capture.context, capture.interests)
        interests = InterestList(capture.interests, calls)
        found, lines, changes = [], [], []
        for records in stream:
            explained = explainer.add(records, capture.files)
            interests.add(records)
            changes.append(changes_of(records, calls))
            words = text.lines(records, capture.files, capture.threads)
            assert missing_readiness(records, calls) == 0
            for row, operation in enumerate(records.operations):
                name = capture.context.operation_names[int(operation["opcode"])]
                found.append((int(operation["completed_ns"]), name, operation, explained.wait(row)))
                if row in words:
                    lines.append(f"{name}{words[row]}")
        found.sort(key=lambda each: each[0])
        assert capture.losses.total_lost == 0
        said = json.loads(output.read_text())
        return Seen(said, [each[1:] for each in found], lines, np.concatenate(changes), interests, capture)


def fds(wait: Wait) -> list[int | None]:
    return [each.fd for each in wait.ready]

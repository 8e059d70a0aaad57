"""Observers beside strace that `--with` adds: what each is told to do, and how many calls it told of."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from uringtrace.tracer.compare.observer import Observer
from uringtrace.tracer.procfs import PROC

_CALLS = re.compile(r"^ +[a-z_]\w* +(\d+) +\d+ +[\d.]+ ", re.MULTILINE)
"""A row of the summary of `perf trace`: name, calls, errors, …"""
_COUNT = re.compile(r"^@calls: (\d+)$", re.MULTILINE)


class PerfTrace(Observer):
    """`perf trace` on every call, with a summary at the end."""

    name = "perf trace"
    program = "perf"

    def __init__(self, pids: Sequence[int], folder: Path) -> None:
        self._output = folder / "perf-trace.txt"
        listed = ",".join(map(str, pids))
        super().__init__(("perf", "trace", "-S", "-o", str(self._output), "-p", listed), folder)

    def is_attached(self) -> bool:
        """It says nothing, but holds the kernel's counters, the last thing that it sets up."""
        return any(link == "anon_inode:[perf_event]" for link in _links(self.pid))

    def told(self) -> int | None:
        try:
            text = self._output.read_text(errors="replace")
        except OSError:
            return None
        return sum(int(calls) for calls in _CALLS.findall(text))


class Bpftrace(Observer):
    """bpftrace with a count and a histogram of latencies for each call."""

    name = "bpftrace"
    program = "bpftrace"

    def __init__(self, pids: Sequence[int], folder: Path) -> None:
        chosen = " || ".join(f"pid == {pid}" for pid in pids)
        script = (
            'BEGIN { printf("ready\\n"); } '
            f"tracepoint:raw_syscalls:sys_enter /{chosen}/ {{ @started[tid] = nsecs; }} "
            f"tracepoint:raw_syscalls:sys_exit /({chosen}) && @started[tid]/ {{ @calls = count(); "
            "@latency[args->id] = hist(nsecs - @started[tid]); delete(@started[tid]); } "
            "END { clear(@started); }"
        )
        super().__init__(("bpftrace", "-e", script), folder)

    def is_attached(self) -> bool:
        return "ready" in self.messages()

    def told(self) -> int | None:
        found = _COUNT.search(self.messages())
        # A count that never was begun is not printed.
        return int(found[1]) if found else 0


OTHERS: Mapping[str, type[PerfTrace] | type[Bpftrace]] = {"perf-trace": PerfTrace, "bpftrace": Bpftrace}
"""By the words of `--with`."""


def missing(word: str) -> str:
    """Why an observer cannot be started; empty where nothing is known."""
    program = OTHERS[word].program
    return "" if shutil.which(program) else f"{program} is not installed (not on PATH)"


def _links(pid: int) -> list[str]:
    found = []
    try:
        for descriptor in (PROC / str(pid) / "fd").iterdir():
            found.append(str(descriptor.readlink()))
    except OSError:
        return found
    return found

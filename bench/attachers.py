"""Who is compared while attached to a running process, and what each is told to do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from bench.launch import URINGTRACE
from bench.processes import Attacher, missing

ATTACHED = "Ctrl-C to end"
"""In the notice of uringtrace."""
COUNTING_GOAL = 0.90
STREAMING_GOAL = 0.80
BYSTANDER_GOAL = 0.97


def of_the_target(folder: Path) -> tuple[Attacher, ...]:
    """Rows for a server that is itself the target; output they insist on goes into `folder`."""
    return (
        _uringtrace("stat", ("stat",), COUNTING_GOAL),
        _uringtrace("record", _recording(folder), STREAMING_GOAL),
        _uringtrace("log", ("log", "--force", "-o", "/dev/null"), STREAMING_GOAL),
        _bpftrace(),
        _perf_trace(folder),
        _strace(),
    )


def of_another(folder: Path) -> tuple[Attacher, ...]:
    """Rows for a program beside which another, idle process is traced."""
    io_uring_only = ("stat", "--interface", "io_uring")
    return (
        _uringtrace("stat", ("stat",), BYSTANDER_GOAL),
        _uringtrace("record", _recording(folder), BYSTANDER_GOAL),
        _uringtrace("stat, io_uring only", io_uring_only, BYSTANDER_GOAL),
        _bpftrace(),
        _perf_trace(folder),
        _strace(),
    )


def _uringtrace(name: str, words: Sequence[str], goal: float) -> Attacher:
    return Attacher(f"uringtrace {name}", _with_pid(*URINGTRACE, *words, "-p"), ATTACHED, goal)


def _recording(folder: Path) -> Sequence[str]:
    return ("record", "--force", "-o", str(folder / "recording"))


def _with_pid(*command: str) -> Callable[[int], Sequence[str]]:
    return lambda pid: (*command, str(pid))


def _strace() -> Attacher:
    command = _with_pid("strace", "-f", "-o", "/dev/null", "-p")
    return Attacher("strace -f", command, " attached", missing=missing("strace"))


def _perf_trace(folder: Path) -> Attacher:
    command = _with_pid("perf", "trace", "-s", "-o", str(folder / "perf.txt"), "-p")
    return Attacher("perf trace -s", command, missing=missing("perf"))


def _bpftrace() -> Attacher:
    """Counts and a latency histogram per system call: about what `stat` shows."""

    def command(pid: int) -> Sequence[str]:
        script = (
            'BEGIN { printf("ready\\n"); } '
            f"tracepoint:raw_syscalls:sys_enter /pid == {pid}/ {{ @started[tid] = nsecs; }} "
            f"tracepoint:raw_syscalls:sys_exit /@started[tid]/ {{ @calls[args->id] = count(); "
            "@latency[args->id] = hist(nsecs - @started[tid]); delete(@started[tid]); }"
        )
        # It does not end by itself when its script fails: timeout(1) passes SIGINT on, and ends it.
        return ("timeout", "-k", "1", "120", "bpftrace", "-e", script)

    return Attacher("bpftrace histogram", command, "ready", missing=missing("bpftrace"))

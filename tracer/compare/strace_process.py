"""strace on running processes for as long as a phase lasts, and why it may not be."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from uringtrace.tracer.compare.observer import Observer
from uringtrace.tracer.procfs import PROC

OPTIONS = ("-f", "-ttt", "-T", "-yy", "-s", "32")
_VERSION = re.compile(r"strace -- version (\S+)")
_REFUSED = re.compile(r"attach: ptrace\(PTRACE_SEIZE, (\d+)\): (.+)")


class StraceProcess(Observer):
    """strace with a log that is for its owner alone."""

    name = "strace"

    def __init__(self, pids: Iterable[int], log: Path) -> None:
        """Raises OSError where strace cannot be started."""
        self._pids = tuple(pids)
        self._log = log
        # strace empties the file, but leaves its mode.
        os.close(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        targets = [word for pid in self._pids for word in ("-p", str(pid))]
        super().__init__(("strace", *OPTIONS, "-o", str(log), *targets), log.parent)

    def is_attached(self) -> bool:
        """Whether it follows every thread of every process that is still there."""
        said = self.messages()
        return all(
            f"strace: Process {pid} attached" in said or not (PROC / str(pid)).exists() for pid in self._pids
        )

    def told(self) -> int | None:
        """Its log is read for more than that."""
        return None

    def why_not(self) -> str:
        said = self.messages()
        refused = _REFUSED.search(said)
        if refused is None:
            lines = [line.removeprefix("strace: ") for line in said.splitlines() if line.strip()]
            return f"strace ended: {lines[-1]}" if lines else "strace ended at once"
        pid, reason = int(refused[1]), refused[2]
        return f"strace may not trace process {pid}: {reason}{hint(pid)}"


def version() -> str | None:
    """That of the strace on PATH; None where there is none, or it says none."""
    if shutil.which("strace") is None:
        return None
    said = subprocess.run(["strace", "--version"], capture_output=True, text=True, check=False).stdout
    found = _VERSION.match(said)
    return found[1] if found else None


def obstacle(pids: Iterable[int], proc: Path = PROC) -> str:
    """Why strace cannot be attached, as far as that is known before trying; empty: nothing is known."""
    if shutil.which("strace") is None:
        return "strace is not installed (not on PATH)"
    if _scope(proc) == 3:
        return "the kernel lets nobody trace: kernel.yama.ptrace_scope is 3 until it is booted anew"
    for pid in pids:
        if tracer := tracer_of(pid, proc):
            return f"process {pid} is traced already, by {_name(tracer, proc)} (process {tracer})"
    return ""


def hint(pid: int, proc: Path = PROC) -> str:
    """What may be behind a refusal, in parentheses; empty where nothing is known."""
    if tracer := tracer_of(pid, proc):
        return f" (it is traced already, by {_name(tracer, proc)}, process {tracer})"
    scope = _scope(proc)
    return f" (kernel.yama.ptrace_scope is {scope}: CAP_SYS_PTRACE is needed)" if scope else ""


def tracer_of(pid: int, proc: Path = PROC) -> int:
    """The process that traces a thread of this one (TracerPid of proc_pid_status(5)); 0: none."""
    for status in (proc / str(pid) / "task").glob("*/status"):
        with suppress(OSError, ValueError, IndexError):
            words = status.read_text(errors="replace").partition("\nTracerPid:")[2].split()
            if tracer := int(words[0]):
                return tracer
    return 0


def _name(pid: int, proc: Path) -> str:
    try:
        return (proc / str(pid) / "comm").read_text(errors="replace").strip()
    except OSError:
        return "?"


def _scope(proc: Path) -> int | None:
    """kernel.yama.ptrace_scope; None where the kernel has no Yama."""
    try:
        return int((proc / "sys/kernel/yama/ptrace_scope").read_text())
    except (OSError, ValueError):
        return None

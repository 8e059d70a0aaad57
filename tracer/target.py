"""What is to be traced, as the user said it; nothing here looks at the system."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Target:
    """The traced process tree. Exactly one of `pids`, `command`, `everything` is set."""

    pids: tuple[int, ...] = ()
    command: tuple[str, ...] = ()
    everything: bool = False
    follow: bool = False
    """Include children that the target forks after the start."""
    inner_pids: tuple[tuple[int, int], ...] = ()
    """Of those of `pids` that were named by a pid further in: the pid here, and that one."""

    def __str__(self) -> str:
        if self.everything:
            return "all processes"
        if self.command:
            return " ".join(self.command)
        noun = "process" if len(self.pids) == 1 else "processes"
        inner = {here: f" ({pid} in its pid namespace)" for here, pid in self.inner_pids}
        return f"{noun} {', '.join(f'{pid}{inner.get(pid, str())}' for pid in self.pids)}"

"""`python -m uringtrace.cli.tethered PARENT STDOUT COMMAND…`: a command that does not outlive its parent.

The kernel sends SIGTERM when the parent is gone, however it went (PR_SET_PDEATHSIG,
prctl(2)); a reference server ends its own processes then. The command gets a session of its
own, so that a Ctrl-C at the terminal reaches the parent alone, which ends it in order.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from uringtrace.tracer.parent_death import end_with_parent


def tethered(stdout: int, *arguments: str) -> tuple[str, ...]:
    """The command line for a child of this process that writes to the descriptor `stdout`.

    The child must inherit the descriptor. It is to be started by the main thread: it ends
    with the thread that started it.
    """
    return (sys.executable, "-m", "uringtrace.cli.tethered", str(os.getpid()), str(stdout), *arguments)


def run(arguments: Sequence[str]) -> None:
    """Bind this process's life to its parent's, then become the command."""
    parent, stdout, *command = arguments
    os.setsid()
    end_with_parent()
    # It may have ended before the kernel knew of the wish.
    if os.getppid() == int(parent):
        os.dup2(int(stdout), 1)
        os.close(int(stdout))
        os.execv(sys.executable, (sys.executable, "-m", "uringtrace", *command))


if __name__ == "__main__":
    run(sys.argv[1:])

"""A real terminal: a tmux server of one's own, with one window, in which one command runs.

The command's exit status, and whether the terminal's settings are those from before, are printed
below it when it has left. Every wait is for a condition, with a deadline.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from tests.bpf.processes import DEADLINE, REPOSITORY, wait_for

LEFT = re.compile(r"left with (\d+), settings (same|changed)")
_SCRIPT = """before=$(stty -g); {command}
status=$?; after=$(stty -g); [ "$before" = "$after" ] && settings=same || settings=changed
echo "left with $status, settings $settings"; exec sleep 1000"""


class Terminal:
    """The window; leaving the context ends tmux and what runs in it."""

    def __init__(
        self,
        command: Sequence[str | Path],
        folder: Path,
        size: tuple[int, int] = (80, 24),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        if shutil.which("tmux") is None:
            pytest.skip("tmux is not installed")
        folder.mkdir(parents=True, exist_ok=True)
        self._socket = folder / "tmux"
        self._pid_file = folder / "pid"
        words = [
            f"PYTHONPATH={REPOSITORY}",
            *(f"{key}={value}" for key, value in (environment or {}).items()),
        ]
        inner = ["sh", "-c", 'echo $$ >"$0"; exec "$@"', str(self._pid_file), "env", *words]
        line = shlex.join([*inner, *map(str, command)])
        width, height = size
        # Neither the user's configuration, nor another server's environment, nor a size that was exported.
        left_out = ("TMUX", "COLUMNS", "LINES")
        variables = {key: value for key, value in os.environ.items() if not key.startswith(left_out)}
        self._run(
            "-f", "/dev/null", "new-session", "-d", "-x", str(width), "-y", str(height),
            "sh", "-c", _SCRIPT.format(command=line), environment={**variables, "LC_ALL": "C.UTF-8"},
        )  # fmt: skip
        self._server = int(self._run("display-message", "-p", "#{pid}"))

    def _run(self, *arguments: str, environment: Mapping[str, str] | None = None) -> str:
        done = subprocess.run(
            ["tmux", "-u", "-S", self._socket, *arguments],
            capture_output=True, text=True, check=False, timeout=DEADLINE, env=environment,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        subprocess.run(["tmux", "-S", self._socket, "kill-server"], capture_output=True, check=False)

    @property
    def pid(self) -> int:
        """Of the command."""
        text = wait_for(lambda: self._pid_file.exists() and self._pid_file.read_text(), "the command runs")
        return int(text or 0)

    def screen(self) -> str:
        return self._run("capture-pane", "-p")

    def everything(self) -> str:
        """With the lines that have left the screen, and lines that were wrapped put together."""
        return self._run("capture-pane", "-p", "-J", "-S", "-")

    def state(self, name: str) -> str:
        """A variable of tmux, such as `alternate_on`."""
        return self._run("display-message", "-p", f"#{{{name}}}").strip()

    def send(self, *keys: str) -> None:
        """As tmux names keys; anything else is typed."""
        self._run("send-keys", *keys)

    def resize(self, width: int, height: int) -> None:
        self._run("resize-window", "-x", str(width), "-y", str(height))

    def close(self) -> None:
        """As if the window's cross was clicked: what runs in it gets SIGHUP."""
        self._run("kill-server")

    def shows(self, *texts: str) -> str:
        """Wait until all of these are on the screen; the screen."""
        return self.until(lambda screen: all(text in screen for text in texts), f"shows {texts}")

    def until(self, condition: Callable[[str], bool], what: str) -> str:
        screen = ""

        def holds() -> bool:
            nonlocal screen
            screen = self.screen()
            return condition(screen)

        try:
            wait_for(holds, what)
        except BaseException:
            print(screen)
            raise
        return screen

    def left(self) -> int:
        """Wait for the command's end; its exit status. The terminal is as it was before."""
        wait_for(lambda: LEFT.search(self.everything()), "the command has ended")
        found = LEFT.search(self.everything())
        assert found is not None
        assert found[2] == "same"
        assert self.state("alternate_on") == "0"
        assert self.state("cursor_flag") == "1"
        assert self.state("mouse_any_flag") == "0"
        return int(found[1])

"""The application on a real terminal: what it shows is true, and whatever ends it leaves nothing behind."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.bpf.kernel_objects import Objects, held_by, in_the_kernel
from tests.bpf.processes import URINGTRACE, Held, Process, held_shell, wait_for
from tests.bpf.tmux import Terminal
from tests.servers.running import Running, running
from uringtrace.targets.catalogue import ARCHITECTURES
from uringtrace.targets.support import support
from uringtrace.tracer.recording import open_recording
from uringtrace.ui.terminal.actions import PANES

pytestmark = [pytest.mark.bpf, pytest.mark.timeout(300)]

HERE = Path(__file__).parent
REQUESTS = 800
CONNECTIONS = 4
ATTACHED = "unseen by strace"
"""In the header of every picture."""


@pytest.fixture
def polling_server() -> Iterator[Running]:
    lacks = support(ARCHITECTURES["uring-sqpoll"]).lacks
    if lacks:
        pytest.skip(lacks)
    with running("uring-sqpoll") as server:
        yield server


@pytest.fixture
def quiet(tmp_path: Path) -> Iterator[Held]:
    """A target that does nothing until it is told to, then ends with status 0."""
    with Held(held_shell("exit 0"), tmp_path / "target") as target:
        yield target


def ask(server: Running) -> None:
    """REQUESTS over CONNECTIONS connections, all answered."""
    amount = ("--connections", str(CONNECTIONS), "--requests", str(REQUESTS))
    command = (*URINGTRACE, "load", server.url, *amount, "--json")
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert json.loads(done.stdout)["requests"]["answered"] == REQUESTS


def kernel_objects(terminal: Terminal) -> Objects:
    """Those of the application, which is attached."""
    objects = held_by(terminal.pid)
    assert {kind for kind, _ in objects} >= {"prog", "map"}
    return objects


def gone(objects: Objects) -> None:
    wait_for(lambda: not objects & in_the_kernel(), "nothing of ours is in the kernel")


def watching(target: int | Path, folder: Path, *, size: tuple[int, int] = (80, 24), **more: str) -> Terminal:
    return Terminal([*URINGTRACE, str(target)], folder, size, more)


def test_what_a_server_without_system_calls_does_is_all_on_the_screen(
    polling_server: Running, tmp_path: Path
) -> None:
    """Totals are those of the server's last line; strace would have seen nothing; every pane draws."""
    server = polling_server
    with watching(server.pid, tmp_path, size=(110, 30)) as terminal:
        terminal.shows(ATTACHED, "Operations")
        objects = kernel_objects(terminal)
        ask(server)
        screen = terminal.until(
            lambda screen: bool(re.search(rf"SEND +ring .* {REQUESTS:,} ", screen)), "all answers are counted"
        )
        assert re.search(r"unseen by strace \S+ \((100|>99\.9|99\.\d)% in all\)", screen)
        assert f"process {server.pid}" in screen
        assert "  lost 0  " in screen
        terminal.send("2")
        terminal.shows(f"0 open, 0 waiting for an answer, {CONNECTIONS} closed")
        for pane, expected in {
            "3": ("SQPOLL", "trouble: "),
            "4": ("iou-sqp-", "SECOND"),
            "5": ("1.00s wide",),
            "6": ("SEND(",),
            "7": (" rules: ", "architecture: io_uring with SQPOLL"),
            "1": ("OPERATION",),
        }.items():
            terminal.send(pane)
            terminal.shows(*expected, ATTACHED)
        terminal.send("q")
        assert terminal.left() == 0
        gone(objects)
    truth = server.stop()
    assert (truth["requests"], truth["connections"]) == (REQUESTS, CONNECTIONS)


def test_a_recording_from_one_key_to_the_next_holds_what_happened_between(
    polling_server: Running, tmp_path: Path
) -> None:
    server = polling_server
    command: list[str | Path] = ["env", "-C", tmp_path, *URINGTRACE, str(server.pid)]
    with Terminal(command, tmp_path / "terminal", (110, 30)) as terminal:
        terminal.shows(ATTACHED)
        ask(server)
        terminal.shows(f" {REQUESTS:,} ")
        terminal.send("r")
        terminal.shows("live recording")
        ask(server)
        terminal.shows(f" {2 * REQUESTS:,} ")
        terminal.send("r")
        terminal.until(lambda screen: "live recording" not in screen, "the recording has ended")
        ask(server)
        terminal.send("q")
        assert terminal.left() == 0
    [path] = tmp_path.glob("uringtrace-*")
    recording = open_recording(path)
    names = recording.context.operation_names
    batch = np.concatenate(list(recording.batches()))
    sent = [names.get(int(opcode)) == "SEND" for opcode in batch["opcode"]]
    assert recording.status == "complete"
    assert recording.losses.total_lost == 0
    assert sum(sent) == REQUESTS
    assert set(batch["result"][sent]) == {int(batch["result"][sent][0])}


def test_a_target_that_ends_is_said_to_have_ended_and_stays_on_the_screen(
    quiet: Held, tmp_path: Path
) -> None:
    with watching(quiet.pid, tmp_path) as terminal:
        terminal.shows(ATTACHED, " live")
        objects = kernel_objects(terminal)
        quiet.go()
        terminal.shows(" ended")
        terminal.send("4")
        terminal.shows("SECOND", " ended")
        terminal.send("q")
        assert terminal.left() == 0
        gone(objects)


def test_a_command_is_launched_and_its_status_passed_on(tmp_path: Path) -> None:
    """Its output does not disturb the screen: a file has it."""
    command = [*URINGTRACE, "--", "sh", "-c", "printf %s-%s from command; exit 7"]
    with Terminal(command, tmp_path) as terminal:
        terminal.shows(" ended", "write")
        assert "from-command" not in terminal.screen()
        terminal.send("q")
        assert terminal.left() == 7
        kept = re.search(r"the command's output goes to (\S+)", terminal.everything())
        assert kept is not None
        path = Path(kept[1])
        assert path.read_text() == "from-command"
        path.unlink()


@pytest.mark.parametrize("way", ["SIGTERM", "SIGINT", "closed", "Ctrl-C"])
def test_whatever_ends_it_detaches(quiet: Held, tmp_path: Path, way: str) -> None:
    """A signal, the terminal's end, Ctrl-C: the target goes on, the kernel holds nothing."""
    with watching(quiet.pid, tmp_path) as terminal:
        terminal.shows(ATTACHED)
        objects = kernel_objects(terminal)
        process = Path(f"/proc/{terminal.pid}")
        if way == "closed":
            terminal.close()
            wait_for(lambda: not process.exists(), "it has ended with its terminal")
        elif way == "Ctrl-C":
            terminal.send("C-c")
            assert terminal.left() == 0
        else:
            subprocess.run(["kill", f"-{way.removeprefix('SIG')}", str(terminal.pid)], check=True)
            assert terminal.left() == 0
            assert "Traceback" not in terminal.everything()
        gone(objects)
        assert quiet.running()


def test_a_terminal_may_become_tiny_and_large_again(quiet: Held, tmp_path: Path) -> None:
    """Every pane draws on 40 columns and 10 lines, and all of it is there again on 80 and 24."""
    with watching(quiet.pid, tmp_path) as terminal:
        terminal.shows(ATTACHED, "7 Findings")
        terminal.resize(40, 10)
        for pane in PANES:
            terminal.send(pane.key)
            terminal.shows(f"{pane.key} {pane.title}", "lost 0")
        terminal.send("1")
        terminal.resize(80, 24)
        terminal.shows(ATTACHED, "7 Findings", "OPERATION")
        terminal.send("q")
        assert terminal.left() == 0


def test_names_and_paths_that_a_terminal_would_obey_are_shown_harmlessly(tmp_path: Path) -> None:
    """Escape sequences, markup, line ends and bytes that are no UTF-8, of a process and of a file."""
    command: list[str | Path] = [sys.executable, HERE / "hostile_target.py", tmp_path]
    with Process(command, tmp_path / "target") as target:
        wait_for(lambda: '"ready"' in target.output(), "the target is ready")
        with watching(target.pid, tmp_path, size=(200, 40)) as terminal:
            terminal.shows(ATTACHED, r"\x1b[2J[red]\xff")
            terminal.send("4")
            terminal.shows("SECOND", r"\x1b[2J[red]\xff")
            terminal.send("6")
            terminal.shows("title", "[bold]", "openat(")
            terminal.send("q")
            assert terminal.left() == 0
            assert terminal.state("pane_title") != "title"


def test_five_hundred_threads(tmp_path: Path) -> None:
    with Process([sys.executable, HERE / "many_threads.py", "500"], tmp_path / "target") as target:
        wait_for(lambda: '"ready"' in target.output(), "the target is ready")
        with watching(target.pid, tmp_path) as terminal:
            terminal.send("4")
            terminal.shows(ATTACHED, "clock_nanosleep")
            first = terminal.screen().splitlines()[4]
            terminal.send("End")
            terminal.until(lambda screen: screen.splitlines()[4] != first, "the last rows are shown")
            terminal.send("q")
            assert terminal.left() == 0


def test_ten_thousand_connections(tmp_path: Path) -> None:
    script = HERE / "many_connections.py"
    count = 10_000
    with Held([sys.executable, script, "server", str(count)], tmp_path / "server") as server:
        port = json.loads(server.output())["port"]
        with watching(server.pid, tmp_path) as terminal:
            terminal.shows(ATTACHED)
            server.go()
            with Held(
                [sys.executable, script, "client", str(port), str(count)], tmp_path / "client"
            ) as client:
                terminal.send("2")
                terminal.shows("10,000 open")
                terminal.send("End")
                terminal.shows("lost 0", "10,000 open")
                client.go()
                client.said()
                server.said()
            terminal.shows(" ended", "10,000 closed")
            terminal.send("q")
            assert terminal.left() == 0


def test_a_terminal_that_cannot_be_drawn_on_gets_text(quiet: Held, tmp_path: Path) -> None:
    """TERM=dumb: the tables of `stat`, each second; no escape sequence."""
    with watching(quiet.pid, tmp_path, TERM="dumb") as terminal:
        terminal.shows("Ctrl-C to end", "no operation in")
        assert terminal.state("alternate_on") == "0"
        quiet.go()
        assert terminal.left() == 0


def test_without_colours_everything_is_still_told_apart(quiet: Held, tmp_path: Path) -> None:
    with watching(quiet.pid, tmp_path, NO_COLOR="1") as terminal:
        terminal.shows(ATTACHED, "OPERATION")
        drawn = terminal._run("capture-pane", "-p", "-e")
        colours = {
            tuple(map(int, code.split(";")))
            for codes in re.findall(r"\x1b\[([0-9;]*)m", drawn)
            for code in re.findall(r"[34]8;2;(\d+;\d+;\d+)", codes)
        }
        assert all(max(colour) - min(colour) <= 1 for colour in colours), colours
        terminal.send("q")
        assert terminal.left() == 0


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="setpriv is not installed")
def test_where_no_capture_is_permitted_the_demonstration_plays_a_recording(tmp_path: Path) -> None:
    without = ["setpriv", "--bounding-set", "-bpf,-perfmon,-sys_admin"]
    with Terminal([*without, *URINGTRACE, "demo"], tmp_path) as terminal:
        terminal.shows("No demonstration on this machine", "NOT a capture of this machine", "Enter plays it")
        terminal.send("Enter")
        terminal.shows(ATTACHED, "OPERATION", "clock_nanosleep")
        terminal.send("q")
        assert terminal.left() == 0

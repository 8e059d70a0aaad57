"""A command line names exactly one target, and a process is looked up before anything starts."""

import argparse
import os
import subprocess
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uringtrace.cli.command import parse
from uringtrace.cli.target_options import add_target_arguments, recording_from, target_from
from uringtrace.errors import RecordingError, TargetError, UsageError
from uringtrace.tracer.target import Target


class Tracing:
    """A command with the target options and one more."""

    name, summary, group, epilog = "stat", "count", "Capture", "examples"

    def __init__(self, recording=True):
        self.recording = recording

    def configure(self, parser):
        parser.add_argument("-d", "--duration", type=float)
        add_target_arguments(parser, recording=self.recording)

    def run(self, arguments):
        return 0


@pytest.fixture
def proc(tmp_path):
    """A /proc with process 10, its thread 11, process 12 and the zombie 13."""
    for tid, tgid, state in (
        (10, 10, "S (sleeping)"),
        (11, 10, "R (running)"),
        (12, 12, "R (running)"),
        (13, 13, "Z (zombie)"),
    ):
        folder = tmp_path / "proc" / str(tid)
        folder.mkdir(parents=True)
        (folder / "status").write_text(f"Name:\tworker\nState:\t{state}\nTgid:\t{tgid}\nPid:\t{tid}\n")
    return tmp_path / "proc"


def target(proc, *argv, recording=True):
    return target_from(parse("stat", Tracing(recording), list(argv)), proc)


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["10"], Target(pids=(10,))),
        (["10,12"], Target(pids=(10, 12))),
        (["-p", "12"], Target(pids=(12,))),
        (["-p", "10,12"], Target(pids=(10, 12))),
        (["-p", "10", "--pid=12", "10"], Target(pids=(10, 12))),
        (["-f", "-p10"], Target(pids=(10,), follow=True)),
        (["-a"], Target(everything=True)),
        (["-d", "5", "--", "ls"], Target(command=("ls",))),
        (
            ["-f", "--", "make", "-p", "10", "--", "-a"],
            Target(command=("make", "-p", "10", "--", "-a"), follow=True),
        ),
    ],
)
def test_targets(proc, argv, expected):
    assert target(proc, *argv) == expected


@given(st.lists(st.text(min_size=1), min_size=1))
def test_a_command_is_never_parsed(command):
    arguments = parse("stat", Tracing(), ["-d", "1", "--", *command])
    assert target_from(arguments) == Target(command=tuple(command))
    assert arguments.duration == 1


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], "nothing to trace was named"),
        (["-f"], "nothing to trace was named"),
        (["10", "-a"], "only one target at a time: a process and -a were given"),
        (["-p", "10", "--", "ls"], "only one target at a time: a process and a command after -- were given"),
        (["-a", "--", "ls"], "only one target at a time: -a and a command after -- were given"),
        (["-p", "x"], "'x' is not a process id"),
        (["-p", "0"], "'0' is not a process id"),
        (["-p", "10,"], "'' is not a process id"),
        (["--"], "no command after --"),
    ],
)
def test_bad_usage(proc, argv, message):
    with pytest.raises(UsageError) as caught:
        target(proc, *argv)
    assert caught.value.message == message
    assert caught.value.way_out


def test_usage_line_names_the_command(proc):
    with pytest.raises(UsageError) as caught:
        target(proc, recording=False)
    assert caught.value.way_out == "usage: uringtrace stat PID | -p PID[,PID…] | -a | -- COMMAND [ARG…]"


def test_a_program_instead_of_a_process_id(proc):
    with pytest.raises(UsageError) as caught:
        target(proc, "./server", recording=False)
    assert caught.value.way_out == "to start a program: uringtrace stat -- ./server"


def test_no_such_process(proc):
    with pytest.raises(TargetError, match="no such process: 14"):
        target(proc, "-p", "10,14")


def test_a_thread_names_its_process(proc):
    with pytest.raises(TargetError) as caught:
        target(proc, "11")
    assert (caught.value.message, caught.value.way_out) == (
        "11 (worker) is a thread of process 10",
        "name the process: -p 10",
    )


def test_a_zombie_has_ended(proc):
    with pytest.raises(TargetError, match="process 13 has ended"):
        target(proc, "13")


def test_the_running_kernel_agrees():
    """Against the real /proc: this process, a thread of it, and a reaped child."""
    assert target_from(parse("stat", Tracing(), [str(os.getpid())])).pids == (os.getpid(),)
    done = threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    try:
        with pytest.raises(TargetError, match=f"is a thread of process {os.getpid()}"):
            target_from(parse("stat", Tracing(), [str(thread.native_id)]))
    finally:
        done.set()
        thread.join()
    child = subprocess.Popen(["true"])
    child.wait()
    with pytest.raises(TargetError, match="no such process"):
        target_from(parse("stat", Tracing(), [str(child.pid)]))


def test_recording(tmp_path):
    (tmp_path / "night").mkdir()
    arguments = parse("stat", Tracing(), [str(tmp_path / "night")])
    assert recording_from(arguments) == tmp_path / "night"


@pytest.mark.parametrize("argv", [["10"], ["-a"], [], ["--", "ls"]])
def test_no_recording_named(argv):
    assert recording_from(parse("stat", Tracing(), argv)) is None


def test_a_number_is_a_process_even_where_a_folder_has_that_name(tmp_path, monkeypatch):
    (tmp_path / "10").mkdir()
    monkeypatch.chdir(tmp_path)
    assert recording_from(parse("stat", Tracing(), ["10"])) is None
    assert recording_from(parse("stat", Tracing(), ["./10"])) is not None


def test_missing_recording():
    with pytest.raises(RecordingError) as caught:
        recording_from(parse("stat", Tracing(), ["./server"]))
    assert caught.value.way_out == "to start a program: uringtrace stat -- ./server"


@pytest.mark.parametrize("argv", [["-p", "10"], ["-a"], ["-f"], ["--", "ls"]])
def test_a_recording_and_a_target(tmp_path, argv):
    with pytest.raises(UsageError, match="a recording has its target"):
        recording_from(parse("stat", Tracing(), [str(tmp_path), *argv]))


def test_commands_that_read_no_recording(tmp_path):
    arguments = parse("stat", Tracing(recording=False), [str(tmp_path)])
    assert recording_from(arguments) is None
    assert isinstance(arguments, argparse.Namespace)

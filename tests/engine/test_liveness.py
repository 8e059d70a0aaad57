"""When a capture has ended: by the processes that were named, launched or followed."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from uringtrace.errors import TargetError
from uringtrace.probes.facts import ExitFact, ForkFact
from uringtrace.tracer.launch import Launched
from uringtrace.tracer.liveness import Liveness


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(["sleep", "600"])
    yield process
    process.kill()
    process.wait()


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def gone_pid() -> int:
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


def test_a_named_process_that_ends_ends_the_capture(sleeper: subprocess.Popen[bytes]) -> None:
    liveness = Liveness([sleeper.pid], None, everything=False)
    assert liveness.pids == {sleeper.pid}
    assert not liveness.ended()
    sleeper.kill()
    until(liveness.ended)
    assert liveness.pids == frozenset()


def test_a_zombie_has_ended(sleeper: subprocess.Popen[bytes]) -> None:
    """Nobody may have waited for the target yet."""
    liveness = Liveness([sleeper.pid], None, everything=False)
    sleeper.kill()
    until(liveness.ended)
    assert sleeper.returncode is None


def test_all_named_processes_have_to_end(sleeper: subprocess.Popen[bytes]) -> None:
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as other:
        liveness = Liveness([sleeper.pid, other.pid], None, everything=False)
        sleeper.kill()
        until(lambda: liveness.pids == {other.pid} or liveness.ended())
        assert not liveness.ended()
        other.kill()
    until(liveness.ended)


def test_no_such_process_is_named_and_nothing_stays_open(sleeper: subprocess.Popen[bytes]) -> None:
    before = open_descriptors()
    pid = gone_pid()
    with pytest.raises(TargetError, match=f"no such process: {pid}"):
        Liveness([sleeper.pid, pid], None, everything=False)
    assert open_descriptors() == before


def test_a_thread_is_refused_without_a_traceback() -> None:
    """pidfd_open(2) takes processes only."""
    ready, over = threading.Event(), threading.Event()
    threads: list[int] = []

    def run() -> None:
        threads.append(threading.get_native_id())
        ready.set()
        over.wait()

    thread = threading.Thread(target=run)
    thread.start()
    ready.wait()
    try:
        with pytest.raises(TargetError, match=str(threads[0])):
            Liveness(threads, None, everything=False)
    finally:
        over.set()
        thread.join()


def test_a_launched_command_that_ends_ends_the_capture() -> None:
    launched = Launched(("true",))
    liveness = Liveness((), launched, everything=False)
    assert not liveness.ended()
    assert liveness.pids == {launched.pid}
    launched.release()
    until(liveness.ended)
    assert liveness.pids == frozenset()


def test_followed_children_keep_the_capture_going(sleeper: subprocess.Popen[bytes]) -> None:
    liveness = Liveness((), None, everything=False)
    liveness.note(ForkFact(sleeper.pid, 1))
    assert not liveness.ended()
    assert liveness.pids == {sleeper.pid}
    liveness.note(ExitFact(sleeper.pid))
    assert liveness.ended()


def test_a_child_whose_exit_was_not_told_is_noticed() -> None:
    liveness = Liveness((), None, everything=False)
    liveness.note(ForkFact(gone_pid(), 1))
    assert liveness.ended()


def test_the_exit_of_a_stranger_means_nothing(sleeper: subprocess.Popen[bytes]) -> None:
    liveness = Liveness([sleeper.pid], None, everything=False)
    liveness.note(ExitFact(sleeper.pid + 1))
    assert not liveness.ended()
    liveness.close()


def test_the_whole_machine_never_ends() -> None:
    assert not Liveness((), None, everything=True).ended()


def test_closing_gives_the_descriptors_back(sleeper: subprocess.Popen[bytes]) -> None:
    before = open_descriptors()
    liveness = Liveness([sleeper.pid], None, everything=False)
    assert open_descriptors() == before + 1
    liveness.close()
    liveness.close()
    assert open_descriptors() == before

"""The first signal asks for an orderly end, the second Ctrl-C ends; a child's end is passed on."""

import signal
import subprocess
import sys
import textwrap

import pytest

from uringtrace.cli.signals import STOPPING, pass_on, stopping_on_signals


@pytest.fixture
def handlers():
    """The handlers before the test, which are put back after it."""
    before = {n: signal.getsignal(n) for n in STOPPING}
    yield before
    for number, handler in before.items():
        signal.signal(number, handler)


def test_without_a_signal_the_handlers_come_back(handlers):
    with stopping_on_signals(lambda: None):
        pass
    assert {n: signal.getsignal(n) for n in STOPPING} == handlers


@pytest.mark.parametrize("number", STOPPING)
def test_the_first_signal_stops_and_interrupts_end_at_once_from_then_on(number, handlers):
    """Also when the context was left: the output may be held up by whoever reads it."""
    calls = []
    with stopping_on_signals(lambda: calls.append(number)):
        signal.raise_signal(number)
    assert calls == [number]
    after = {n: signal.getsignal(n) for n in STOPPING}
    assert after == {**handlers, signal.SIGINT: signal.SIG_DFL}


def test_nohup_is_respected(monkeypatch):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    calls = []
    try:
        with stopping_on_signals(lambda: calls.append("hup")):
            signal.raise_signal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)
    assert calls == []


def run(repository, body):
    program = "import os, signal\nfrom uringtrace.cli.signals import pass_on, stopping_on_signals\n"
    return subprocess.run(
        [sys.executable, "-c", program + textwrap.dedent(body)],
        capture_output=True, text=True, check=False, timeout=30, cwd=repository,
    )  # fmt: skip


def test_a_second_interrupt_ends_at_once(repository):
    done = run(
        repository,
        """
        with stopping_on_signals(lambda: print("stopping", flush=True)):
            signal.raise_signal(signal.SIGTERM)
            signal.raise_signal(signal.SIGINT)
            print("not reached")
        """,
    )
    assert (done.returncode, done.stdout) == (-signal.SIGINT, "stopping\n")


@pytest.mark.parametrize("code", [0, 1, 42, 255])
def test_an_exit_code_is_passed_on(code):
    assert pass_on(code << 8) == code


def test_no_child_is_success():
    assert pass_on(None) == 0


@pytest.mark.parametrize(
    "number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV, signal.SIGPIPE, signal.SIGINT]
)
def test_a_fatal_signal_is_raised_again(repository, number):
    done = run(repository, f"print('report'); pass_on({int(number)})")
    assert (done.returncode, done.stdout, done.stderr) == (-number, "report\n", "")


def test_a_core_dump_stays_the_childs(repository):
    """The flag bit for a core dump in the status is no part of the signal's number."""
    done = run(repository, f"pass_on({signal.SIGQUIT | 0x80})")
    assert done.returncode == -signal.SIGQUIT

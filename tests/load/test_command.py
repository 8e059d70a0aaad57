"""The command: what it prints, and what it refuses."""

import json
import os
import re
import signal
import subprocess
import sys

import pytest

from uringtrace.cli.command import COMMANDS, parse
from uringtrace.cli.load import engine_for, plan_from, report
from uringtrace.errors import UsageError
from uringtrace.targets.load import wrk
from uringtrace.targets.load.tally import ERRORS


def arguments(*argv):
    return parse("load", COMMANDS["load"].load(), list(argv))


def engine_of(*argv):
    chosen = arguments("127.0.0.1:1", *argv)
    return engine_for(plan_from(chosen), chosen.engine)


def test_json_has_the_documented_fields_and_no_others(server, run_uringtrace, repository):
    done = run_uringtrace(
        "load",
        f"{server.address}/bytes/10",
        "--requests",
        "50",
        "--rate",
        "1000",
        "--slow-clients",
        "1",
        "--json",
    )
    assert (done.returncode, done.stderr) == (0, "")
    document = json.loads(done.stdout)
    assert document["requests"]["right"] == 50
    page = (repository / "docs/load.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"^\| `([a-z0-9_.]+)` \|", page.partition("## JSON")[2], re.MULTILINE))
    free = {"errors", "statuses", "slow.errors"}
    fields = set()
    for name, value in document.items():
        fields.add(name)
        if isinstance(value, dict) and name not in free:
            fields |= {f"{name}.{inner}" for inner in value}
    from_wrk = {name for name in documented if name.startswith("wrk.")}
    assert fields == documented - from_wrk
    for kind in ERRORS:
        assert f"`{kind}`" in page


def test_the_report_fits_80_columns_and_says_how_it_measured(server, run_uringtrace):
    done = run_uringtrace("load", server.address, "--requests", "50", "--slow-clients", "2")
    assert done.returncode == 0
    assert max(map(len, done.stdout.splitlines())) <= 80
    for words in (
        "own engine",
        "closed loop",
        "p99.9",
        "from the sending of the request",
        "no errors",
        "2 slow",
    ):
        assert words in done.stdout
    assert done.stderr.endswith("Ctrl-C to end\n")


def test_errors_are_in_the_report_with_their_meaning(server, run_uringtrace):
    done = run_uringtrace("load", f"{server.address}/missing", "--requests", "7")
    assert done.returncode == 0
    assert f"7 status: {ERRORS['status']}" in done.stdout
    assert "7 of status 404" in done.stdout
    assert "no right answer" in done.stdout


def test_ctrl_c_ends_it_with_the_report(server, repository):
    process = subprocess.Popen(
        [sys.executable, "-m", "uringtrace", "load", server.address, "-d", "3600", "--json"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=repository,
    )  # fmt: skip
    server.on_request = lambda number: os.kill(process.pid, signal.SIGINT) if number == 100 else None
    output, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, "")
    document = json.loads(output)
    assert document["ended_by"] == "interruption"
    assert document["requests"]["sent"] == server.requests


@pytest.mark.parametrize("url", ["http://192.0.2.7/", "192.0.2.7:80"])
def test_another_machine_is_refused(run_uringtrace, url):
    done = run_uringtrace("load", url)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("uringtrace: error: 192.0.2.7 is not on this machine\n")


def test_nobody_there(run_uringtrace):
    done = run_uringtrace("load", "127.0.0.1:1", "--json")
    assert (done.returncode, done.stdout) == (2, "")
    assert "no connection to 127.0.0.1:1: Connection refused" in done.stderr


@pytest.mark.parametrize(
    "argv",
    [
        ["--requests", "0"],
        ["--requests", "5", "-d", "1"],
        ["--rate", "0"],
        ["--rate", "nan"],
        ["-d", "-1"],
        ["--connections", "x"],
        ["--pipeline", "2", "--new-connections"],
        ["--status", "99"],
        ["--length", "some"],
        ["--engine", "wrk", "--rate", "5"],
    ],
)
def test_bad_usage(argv):
    with pytest.raises(UsageError):
        engine_of(*argv)


@pytest.mark.parametrize(
    ("engine", "argv", "installed", "expected"),
    [
        ("own", [], True, "Reactor"),
        ("auto", [], True, "WrkRun"),
        ("auto", [], False, "Reactor"),
        ("auto", ["--rate", "5"], True, "Reactor"),
        ("wrk", [], True, "WrkRun"),
    ],
)
def test_which_engine_runs(monkeypatch, engine, argv, installed, expected):
    """Without a word it is the own one, so that results do not depend on what is installed."""
    monkeypatch.setattr(wrk, "installed", lambda: "/usr/bin/wrk" if installed else None)
    assert arguments("127.0.0.1:1").engine == "own"
    assert type(engine_for(plan_from(arguments("127.0.0.1:1", *argv)), engine)).__name__ == expected


def test_ten_seconds_unless_told():
    assert plan_from(arguments("127.0.0.1:1")).duration_ns == 10 * 10**9
    assert plan_from(arguments("127.0.0.1:1", "--requests", "5")).duration_ns is None
    assert plan_from(arguments("127.0.0.1:1", "-d", "0.5")).duration_ns == 5 * 10**8


def test_what_wrk_does_not_tell_is_a_dash():
    from tests.load.test_wrk import REAL, plan

    lines = report(wrk.outcome(plan(), wrk.parse(REAL), 1, interrupted=False))
    assert "http://127.0.0.1:1/ by wrk" in lines
    assert any(line.startswith("– connections opened; – out, 55.6KiB in") for line in lines)
    assert "2,002 failed reads, 517 failed writes" in lines
    assert max(map(len, lines)) <= 80

"""`uringtrace check` says the same in text and JSON, and its exit code is the answer."""

import json

import pytest

from uringtrace.cli.check import as_json, as_text
from uringtrace.cli.main import main
from uringtrace.tracer.check import Check, Status

GOOD = {
    "Privileges": (Check("CAP_BPF", Status.OK, "load the probes", required=True),),
    "Tracepoints": (
        Check("io_uring_queue_async_work", Status.MISSING, "path `io-wq` is shown as `inline` " * 3),
        Check("pid namespace", Status.DEGRADED, "a container's", "run it with --pid=host"),
    ),
}
BAD = {
    "Privileges": (
        Check("CAP_BPF", Status.MISSING, "load the probes", "sudo " + "x" * 90, required=True),
        Check("CAP_PERFMON", Status.MISSING, "attach them", "sudo " + "x" * 90, required=True),
    ),
    "Kernel": (Check("BTF", Status.MISSING, "no types", "boot another", required=True),),
}


@pytest.mark.parametrize(("checks", "code"), [(GOOD, 0), (BAD, 1)])
@pytest.mark.parametrize("options", [[], ["--json"]])
def test_exit_code(checks, code, options, monkeypatch):
    monkeypatch.setattr("uringtrace.cli.check.examine", lambda: checks)
    assert main(["check", *options]) == code


def test_text_fits_80_columns_and_states_in_words():
    text = as_text(GOOD)
    assert max(map(len, text.splitlines())) <= 80
    assert "\x1b" not in text
    assert "  ok        CAP_BPF                   load the probes\n" in text
    assert "  missing   io_uring_queue_async_work path `io-wq`" in text
    assert "run it with --pid=host" in text
    assert text.endswith("\n\nA capture is possible.")


def test_everything_that_blocks_is_told_once_and_commands_stay_whole():
    verdict = as_text(BAD).split("No capture is possible:\n")[1]
    assert verdict.splitlines() == [
        "  CAP_BPF: load the probes",
        "  CAP_PERFMON: attach them",
        "  BTF: no types",
        "What to do:",
        "  sudo " + "x" * 90,
        "  boot another",
    ]


def test_json():
    report = json.loads(as_json(BAD))
    assert (report["schema"], report["capture_possible"]) == (1, False)
    assert report["reason"] == "CAP_BPF: load the probes"
    assert report["checks"][2] == {
        "group": "kernel",
        "name": "BTF",
        "status": "missing",
        "detail": "no types",
        "way_out": "boot another",
        "required": True,
    }
    assert json.loads(as_json(GOOD))["reason"] is None


def test_on_this_machine(run_uringtrace):
    """Whatever it offers: the report is whole, and the exit code agrees with it."""
    done = run_uringtrace("check", "--json")
    assert done.stderr == ""
    report = json.loads(done.stdout)
    assert done.returncode == (0 if report["capture_possible"] else 1)
    assert {check["group"] for check in report["checks"]} == {
        "privileges",
        "kernel",
        "software",
        "interfaces",
        "tracepoints",
    }
    assert run_uringtrace("check").returncode == done.returncode

"""`uringtrace targets` lists the whole catalogue and says what this machine lacks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import Run
from uringtrace.cli.targets import as_json, as_text
from uringtrace.errors import CapabilityError
from uringtrace.targets import support as support_module
from uringtrace.targets.catalogue import ARCHITECTURES, FAULTS
from uringtrace.targets.support import Support, support


def listed(**here: Support) -> str:
    """The short list where these servers lack something and all others run."""
    found = [
        (each, here.get(name.replace("-", "_"), Support(modes=each.modes)))
        for name, each in ARCHITECTURES.items()
    ]
    return as_text(found, verbose=False)


def test_a_line_for_each_server_in_80_columns(run_uringtrace: Run) -> None:
    done = run_uringtrace("targets")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    names = [line.split()[0] for line in lines if line.startswith("  ") and line[2] != " "]
    assert [name for name in names if name in ARCHITECTURES] == list(ARCHITECTURES)


def test_verbose_names_every_mode_and_fault(run_uringtrace: Run) -> None:
    text = run_uringtrace("targets", "-v").stdout
    assert max(map(len, text.splitlines())) <= 80
    for architecture in ARCHITECTURES.values():
        assert not architecture.modes or f"modes: {', '.join(architecture.modes)}" in text
    for fault in FAULTS:
        assert f"\n  {fault} " in text


def test_json_has_the_same_and_tells_what_runs(run_uringtrace: Run) -> None:
    document = json.loads(run_uringtrace("targets", "--json").stdout)
    assert document["schema"] == 1
    assert [server["name"] for server in document["servers"]] == list(ARCHITECTURES)
    assert document["faults"] == dict(FAULTS)
    for server in document["servers"]:
        assert server["runs"] == (server["lacks"] is None)
        assert set(server["modes_here"]) <= set(server["modes"])


def test_what_is_missing_is_said_at_the_server_and_what_to_do_below() -> None:
    text = listed(
        uvloop=Support("needs uvloop", "pip install it"),
        greenlet=Support("needs greenlet", "pip install it"),
        uring_ktls=Support(modes=("user-records",), note="no tls module"),
    )
    assert "not on this machine: needs uvloop" in text
    assert "here in mode user-records: no tls module" in text
    assert text.count("pip install it") == 1
    assert "What to do" not in listed()


def test_a_package_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(support_module, "missing_packages", lambda architecture: ("uvloop",))
    here = support(ARCHITECTURES["uvloop"])
    assert (here.lacks, "pip install" in here.way_out) == ("needs uvloop", True)


def test_a_machine_that_refuses_rings(monkeypatch: pytest.MonkeyPatch) -> None:
    """It says why, and does without the mode that needs one."""
    refusal = CapabilityError("io_uring is switched off here", "sysctl kernel.io_uring_disabled=0")
    monkeypatch.setattr(support_module, "_ring_refusal", lambda polled: refusal)
    for name in ("uring", "uring-sqpoll", "uring-ktls"):
        here = support(ARCHITECTURES[name])
        assert (here.lacks, here.way_out) == (refusal.message, refusal.way_out)
    assert support(ARCHITECTURES["sendfile"]).modes == ("sendfile",)
    assert support(ARCHITECTURES["epoll"]).lacks == ""


def test_json_of_a_server_that_does_not_run() -> None:
    row = json.loads(as_json([(ARCHITECTURES["uvloop"], Support("needs uvloop", "install it"))]))["servers"][
        0
    ]
    assert (row["runs"], row["lacks"], row["way_out"]) == (False, "needs uvloop", "install it")


def test_the_documentation_names_every_server_mode_and_fault(repository: Path) -> None:
    text = (repository / "docs/servers.md").read_text(encoding="utf-8")
    for architecture in ARCHITECTURES.values():
        assert f"`{architecture.name}`" in text
        assert [mode for mode in architecture.modes if f"`{mode}`" not in text] == []
        for fault in architecture.faults:
            (row,) = [line for line in text.splitlines() if line.startswith(f"| `{fault}` ")]
            assert f"`{architecture.name}`" in row

"""What counts as agreement between a capture and a program's own account."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.vm.observation import NO, WRONG, YES, Observation, Result

SAID = {
    "first": {"listening": "127.0.0.1:80", "mode": "level"},
    "last": {"connections": 1, "bytes_in": 30, "bytes_out": 70},
}
SEEN = {"role": "server", "local": "127.0.0.1:80", "bytes_in": 30, "bytes_out": 70}
RING = {"ring": 1, "tgid": 12, "submitted": 5, "completions": 5, "messages": 0}
KINDS = [
    {"name": "nop", "pid": 12, "errors": "", "said": {"rings": 1, "submitted": 5, "cqe_total": 5}},
    {"name": "none", "pid": 14, "errors": "", "said": {"rings": 0, "submitted": 0, "cqe_total": 0}},
]


class Files:
    """A folder as observe.sh leaves it; tests change single files."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        for subject in KINDS:
            subject["said"] |= {"abandoned": 0, "messages": 0, "supported": True}  # type: ignore[operator]
        self.check("ok")
        self.report(rings=[RING], connections=[SEEN])
        for capture in ("streamed", "log"):
            self.put(f"programs-{capture}/calls.json", {"pid": 20, "calls": 256})
            for name in ("iterative", "epoll", "uring"):
                self.put(f"programs-{capture}/server-{name}.json", {"refused": "too old"})
            self.put(f"programs-{capture}/server-epoll.json", SAID)
        self.put("programs-streamed/kinds.json", KINDS)
        self.write("log.output", "[pid 9] read(4<TCP 127.0.0.1:80->127.0.0.1:999>, …) = 30\n")
        self.write("log.errors", "uringtrace: 1 lines; lost 0, untracked 0\n")

    def check(self, io_uring: str) -> None:
        row = {"group": "interfaces", "name": "io_uring operations", "status": io_uring, "detail": "too old"}
        self.put("check.output", {"capture_possible": True, "checks": [row]})

    def report(self, **parts: Any) -> None:
        report = {"lost": {}, "untracked": 0, "rings": [], "connections": [], **parts}
        self.put("streamed.output", report)
        self.write("streamed.status", "0\n")
        self.write("streamed.errors", "uringtrace: io_uring operations are not captured: too old\n")

    def put(self, name: str, value: object) -> None:
        self.write(name, json.dumps(value))

    def write(self, name: str, text: str) -> None:
        path = self._folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)

    @property
    def observation(self) -> Observation:
        return Observation(self._folder)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def test_numbers_that_agree(files: Files) -> None:
    seen = files.observation
    assert seen.operations("streamed") == Result("", YES, "2 of 2 subjects")
    assert seen.connections() == Result("", YES)
    assert seen.server("epoll") == Result("", YES, "level")


@pytest.mark.parametrize("field", ["submitted", "completions", "messages"])
def test_one_operation_too_many_is_wrong(files: Files, field: str) -> None:
    files.report(rings=[RING | {field: RING[field] + 1}])
    result = files.observation.operations("streamed")
    assert result.outcome == WRONG
    assert "nop: " in result.detail


def test_a_ring_of_another_subject_is_wrong(files: Files) -> None:
    files.report(rings=[RING | {"tgid": 15}])
    assert files.observation.operations("streamed").outcome == WRONG


def test_one_byte_too_few_is_wrong(files: Files) -> None:
    files.report(connections=[SEEN | {"bytes_out": 69}])
    assert files.observation.connections().outcome == WRONG


def test_a_connection_that_the_log_lacks_is_wrong(files: Files) -> None:
    files.write("log.output", "[pid 9] read(4, …) = 30\n")
    (result,) = files.observation.results({"log": lambda seen: seen.server("epoll")})
    assert result.outcome == WRONG


def test_what_was_lost_is_wrong(files: Files) -> None:
    files.write("log.errors", "uringtrace: 1 lines; lost 1, untracked 0\n")
    (result,) = files.observation.results({"log": lambda seen: seen.server("epoll")})
    assert result.outcome == WRONG


def test_what_the_kernel_skipped_has_its_reason(files: Files) -> None:
    files.write("log.errors", "uringtrace: 1 lines; lost 1 (events skipped by the kernel 1), untracked 0\n")
    files.report(lost={"events skipped by the kernel": 1})
    features = {"log": lambda seen: seen.server("epoll"), "stat": lambda seen: seen.operations("streamed")}
    assert {result.outcome for result in files.observation.results(features)} == {NO}


def test_a_kernel_that_shows_no_operations_says_so(files: Files) -> None:
    files.check("missing")
    result = files.observation.operations("streamed")
    assert result == Result("", NO, "io_uring operations are not captured: too old")


def test_a_server_that_cannot_run_has_its_reason(files: Files) -> None:
    assert files.observation.server("uring") == Result("", NO, "too old")

"""What a kernel showed: one boot, and its output files compared with the programs' own accounts.

Nothing here runs in the machine. A `Result` is `yes` only where every number agrees; `no`
where kernel, server or uringtrace said why not; all else is `wrong`.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tests.vm.machine import Kernel, run
from tests.vm.prepared import prepare
from uringtrace.targets.catalogue import ARCHITECTURES

SECONDS = 2400
YES, NO, WRONG = "yes", "no", "wrong"
_IO_URING = "io_uring operations"
_RING_COUNTS = ("submitted", "completions", "messages")
_LAST_LINE = re.compile(r"([\d,]+) lines; lost ([\d,]+)(?: \(([^)]*)\))?, untracked ([\d,]+)")
SKIPPED = "events skipped by the kernel"


class Skipped(Exception):
    """The kernel did not run a probe for every event, and uringtrace said so: nothing can be exact."""

    def __init__(self) -> None:
        super().__init__(
            "this kernel may put a thread aside in the middle of a probe, and does not run the probe for "
            f"other threads on that processor meanwhile: {SKIPPED} are counted as lost"
        )


@dataclass(frozen=True, slots=True)
class Result:
    """One cell of the matrix."""

    feature: str
    outcome: str
    detail: str = ""


COUNTED = ("iterative", "epoll", "uring")
"""Servers that every observation has: a call at a time, by readiness, by completion."""


def observe(kernel: Kernel, exchange: Path, logged: Sequence[str] = ()) -> Observation:
    """Boot `kernel` once and capture the programs there; raises as `machine.run`.

    The servers `logged` are started once more, for `log`; with none, only the shorter part
    is done (matrix.CAPTURES), with the last of the counted servers alone.
    """
    prepare(kernel, exchange)
    counted = COUNTED if logged else COUNTED[-1:]
    command = ["tests/vm/observe.sh", sys.executable, ",".join(counted), *logged]
    done = run(kernel, command, seconds=SECONDS, exchange=exchange)
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    return Observation(exchange, counted)


class Observation:
    """The files that observe.sh left."""

    def __init__(self, folder: Path, counted: Sequence[str] = COUNTED) -> None:
        self._folder = folder
        self._counted = counted

    @property
    def kernel(self) -> str:
        """Release, and the version of Debian's package."""
        release, *version = (self._folder / "kernel").read_text().split()
        return f"{release} ({' '.join(version).partition('Debian ')[2].split()[0]})"

    def results(self, features: Mapping[str, Callable[[Observation], Result]]) -> Iterator[Result]:
        """One for each feature; what cannot even be compared is wrong."""
        for feature, compare in features.items():
            try:
                result = compare(self)
            except Skipped as skipped:
                result = Result("", NO, str(skipped))
            except (AssertionError, KeyError, ValueError, OSError, StopIteration) as error:
                result = Result("", WRONG, f"{type(error).__name__}: {error}")
            yield Result(feature, result.outcome, result.detail)

    def check(self) -> Result:
        verdict = json.loads(self._read("check.output"))
        return Result("", YES) if verdict["capture_possible"] else Result("", NO, verdict["reason"])

    @cached_property
    def missing(self) -> tuple[str, ...]:
        """What `uringtrace check` calls missing among interfaces and tracepoints, with its cost."""
        checks = json.loads(self._read("check.output"))["checks"]
        groups = ("interfaces", "tracepoints")
        return tuple(
            f"{each['name']}: {each['detail']}"
            for each in checks
            if each["group"] in groups and each["status"] == "missing"
        )

    def _lacks_io_uring(self) -> str:
        return next((text for text in self.missing if text.startswith(_IO_URING)), "")

    def operations(self, capture: str) -> Result:
        """Each subject's submissions, completions and messages, summed over its rings."""
        if self._lacks_io_uring():
            return Result("", NO, self._said(capture, "not captured"))
        report = self._report(capture)
        _demand_all(report["lost"])
        assert report["untracked"] == 0, report["untracked"]
        accounts = json.loads(self._read(f"programs-{capture}/kinds.json"))
        calls_pid = json.loads(self._read(f"programs-{capture}/calls.json"))["pid"]
        rings: dict[str, list[dict[str, Any]]] = {account["name"]: [] for account in accounts}
        for ring in report["rings"]:
            if ring["ring"] and ring["tgid"] < calls_pid:
                rings[_owner(ring["tgid"], accounts)].append(ring)
        problems, supported = [], 0
        for account in accounts:
            if "said" not in account:
                problems.append(f"{account['name']}: {account['errors']}")
                continue
            said, own = account["said"], rings[account["name"]]
            seen = (len(own), *(sum(ring[field] for ring in own) for field in _RING_COUNTS))
            completions = said["cqe_total"] + said["abandoned"]
            stated = (said["rings"], said["submitted"], completions, said["messages"])
            supported += said["supported"]
            if seen != stated:
                problems.append(f"{account['name']}: {seen} instead of {stated}")
        if problems:
            return Result("", WRONG, "; ".join(problems))
        return Result("", YES, f"{supported} of {len(accounts)} subjects")

    def counted_calls(self) -> Result:
        report, said = self._report("stat"), json.loads(self._read("programs-stat/calls.json"))
        counts = {row["name"]: row["count"] for row in report["operations"] if row["interface"] == "syscall"}
        _demand_all(report["lost"])
        assert counts["getppid"] == said["calls"], (counts["getppid"], said)
        return Result("", YES)

    def logged_calls(self) -> Result:
        """Live, as lines of text."""
        lines = self._read("live.output").splitlines()
        said = json.loads(next(line for line in lines if line.startswith('{"kind"')))
        for call in ("sendto", "recvfrom"):
            shown = sum(f"] {call}(" in line for line in lines)
            assert shown == said["calls"] // 2, (call, shown, said)
        self._last_line("live", len(lines) - 1)
        return Result("", YES)

    def connections(self) -> Result:
        """Of servers that run here: as many as they accepted, and not a byte more or less."""
        _demand_all(self._report("streamed")["lost"])
        names = [name for name in self._counted if "last" in self._server("streamed", name)]
        different = [f"{name}: {each}" for name in names if (each := self._unlike_its_account(name))]
        assert names
        return Result("", WRONG, "; ".join(different)) if different else Result("", YES)

    def tls(self, way: str) -> Result:
        path = self._folder / "programs-streamed/ktls.json"
        if not path.exists():
            last = self._read("programs-streamed/ktls.errors").strip().splitlines()[-1]
            return Result("", NO, f"this kernel has no kTLS ({last})")
        connections = {each["way"]: each for each in json.loads(path.read_text())["connections"]}
        if way not in connections:
            return Result("", NO, "this kernel has no such command")
        said = connections[way]
        connections_seen = self._report("streamed")["connections"]
        (seen,) = (each for each in connections_seen if each["remote"] == said["peer"])
        told = (seen["tls_version"], seen["tls_cipher"])
        assert told == (said["version"], said["cipher"]), told
        return Result("", YES, f"TLS {told[0]}, {told[1]}")

    def only_io_uring(self) -> Result:
        status = int(self._read("only.status"))
        if not self._lacks_io_uring():
            assert status == 0, self._read("only.errors")
            return Result("", YES)
        assert status == 2, status
        return Result("", NO, "exit code 2: " + self._said("only", "can be captured"))

    def server(self, name: str) -> Result:
        """Its log: nothing lost, and each of its connections is in it."""
        account = self._server("log", name)
        if "refused" in account:
            return Result("", NO, account["refused"])
        if "failed" in account:
            return Result("", WRONG, account["failed"])
        log = self._read("log.output")
        self._last_line("log", len(log.splitlines()))
        mode = account["first"]["mode"] or ""
        if self._lacks_io_uring() and ARCHITECTURES[name].io_uring:
            return Result("", NO, "of its work on rings nothing is seen: " + self._lacks_io_uring())
        port = account["first"]["listening"].rpartition(":")[2]
        shown = set(re.findall(rf"127\.0\.0\.1:{port}->127\.0\.0\.1:\d+", log))
        assert len(shown) == account["last"]["connections"], f"{sorted(shown)}, {account['last']}"
        return Result("", YES, mode)

    def _server(self, capture: str, name: str) -> dict[str, Any]:
        account: dict[str, Any] = json.loads(self._read(f"programs-{capture}/server-{name}.json"))
        return account

    def _unlike_its_account(self, name: str) -> str:
        account = self._server("streamed", name)
        if self._lacks_io_uring() and ARCHITECTURES[name].io_uring:
            return ""
        seen = [
            each
            for each in self._report("streamed")["connections"]
            if each["role"] == "server" and each["local"] == account["first"]["listening"]
        ]
        fields = ("bytes_in", "bytes_out")
        shown = (len(seen), *(sum(each[field] for each in seen) for field in fields))
        stated = (account["last"]["connections"], *(account["last"][field] for field in fields))
        return "" if shown == stated else f"{shown} instead of {stated}"

    def _last_line(self, name: str, lines: int) -> None:
        found = _LAST_LINE.search(self._read(f"{name}.errors"))
        assert found, self._read(f"{name}.errors")
        shown, lost, kinds, untracked = found.groups()
        if kinds and kinds.rpartition(" ")[0] == SKIPPED:
            raise Skipped
        told = tuple(int(number.replace(",", "")) for number in (shown, lost, untracked))
        assert told == (lines, 0, 0), told

    def _said(self, name: str, words: str) -> str:
        """The line of notices with these words."""
        line = next(line for line in self._read(f"{name}.errors").splitlines() if words in line)
        return line.removeprefix("uringtrace: ").removeprefix("error: ")

    def _report(self, name: str) -> dict[str, Any]:
        assert self._read(f"{name}.status").strip() == "0", self._read(f"{name}.errors")
        report: dict[str, Any] = json.loads(self._read(f"{name}.output").splitlines()[-1])
        return report

    def _read(self, name: str) -> str:
        return (self._folder / name).read_text()


def _demand_all(lost: Mapping[str, int]) -> None:
    if set(lost) == {SKIPPED}:
        raise Skipped
    assert lost == {}, lost


def _owner(tgid: int, accounts: Sequence[dict[str, Any]]) -> str:
    """The subject that a process belongs to: the last one begun when it was."""
    name: str = next(account["name"] for account in reversed(accounts) if account["pid"] <= tgid)
    return name


def as_json(observation: Observation, results: Sequence[Result]) -> str:
    """For `matrix.py`: everything that docs/kernels.md says of one kernel."""
    document = {
        "kernel": observation.kernel,
        "missing": observation.missing,
        "results": [asdict(result) for result in results],
    }
    return json.dumps(document, indent=1)

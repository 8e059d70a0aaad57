"""One process of each reference server, shared by the tests of its conformance."""

from __future__ import annotations

import random
import resource
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.servers.running import Running, running
from tests.servers.visitor import Visitors, unverified
from uringtrace.targets.catalogue import ARCHITECTURES, Architecture
from uringtrace.targets.support import support


@dataclass(frozen=True)
class Case:
    """A server in one of its modes, if it has any."""

    architecture: Architecture
    mode: str | None

    def __str__(self) -> str:
        return self.architecture.name + (f"-{self.mode}" if self.mode else "")


@dataclass(frozen=True)
class Served:
    """A running server and everybody who visits it."""

    name: str
    case: Case
    process: Running
    visitors: Visitors
    documents: Path


def cases() -> list[Case]:
    """The whole catalogue; of servers that find out their mode those that this machine has."""
    return [
        Case(architecture, mode)
        for architecture in ARCHITECTURES.values()
        for mode in (support(architecture).modes if architecture.probes_mode else architecture.modes)
        or (None,)
    ]


@pytest.fixture(scope="session", autouse=True)
def many_descriptors() -> None:
    """The visitors are as many as the servers allow."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


@pytest.fixture(scope="session")
def documents(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small file, an empty one, and one that no buffer holds, of a size that is no round number."""
    folder = tmp_path_factory.mktemp("documents")
    (folder / "small.txt").write_bytes(b"small\n")
    (folder / "empty").write_bytes(b"")
    (folder / "large.bin").write_bytes(random.Random(4).randbytes((1 << 20) + 4097))
    return folder


@pytest.fixture(scope="module", params=cases(), ids=str)
def served(request: pytest.FixtureRequest, documents: Path) -> Iterator[Served]:
    """Each server of the catalogue in each of its modes, one after the other."""
    case: Case = request.param
    offered = support(case.architecture)
    if offered.lacks:
        pytest.skip(offered.lacks)
    if case.mode and case.mode not in offered.modes:
        pytest.skip(f"no {case.mode} on this machine")
    # What a server finds out for itself must be what was found out here.
    mode = ("--mode", case.mode) if case.mode and case.mode != offered.modes[0] else ()
    with running(case.architecture.name, *mode, "--files", str(documents)) as process:
        tls = unverified() if case.architecture.tls else None
        yield Served(case.architecture.name, case, process, Visitors(process.address, tls), documents)

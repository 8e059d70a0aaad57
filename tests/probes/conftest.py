"""The probes compiled for user space, once per run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.probes.engine import Engine, compile_engine, constants, has_compiler
from tests.probes.fake_threads import Threads
from uringtrace.probes.program import Filter, Mode

Build = Callable[[Mode, Filter], Engine]


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """Build the probes for a mode and a filter; the same library for the same question."""
    if not has_compiler():
        pytest.skip("no C compiler (cc) or no kernel UAPI headers here")
    folder: Path = tmp_path_factory.mktemp("engine")
    built: dict[tuple[Mode, Filter], Engine] = {}

    def make(mode: Mode, which: Filter = Filter.EVERYTHING) -> Engine:
        if (mode, which) not in built:
            name = f"{mode.name}_{which.name}".lower()
            built[mode, which] = compile_engine(folder, name, constants(mode, which))
        return built[mode, which]

    return make


@pytest.fixture(scope="session")
def counting(build: Build) -> Engine:
    return build(Mode.COUNT, Filter.EVERYTHING)


@pytest.fixture(scope="session")
def streaming(build: Build) -> Engine:
    """Without the SQE's fields."""
    return build(Mode.STREAM, Filter.EVERYTHING)


@pytest.fixture(scope="session")
def arguments(build: Build) -> Engine:
    return build(Mode.STREAM_ARGUMENTS, Filter.EVERYTHING)


@pytest.fixture
def threads(arguments: Engine) -> Threads:
    """A process of a fake kernel, whose calls the probes see with their arguments."""
    return Threads(arguments)

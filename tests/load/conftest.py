"""A server of the tests' own, and a run against it."""

import pytest

pytest.importorskip("httptools", reason="httptools is not installed")

from tests.load.answering import answering
from uringtrace.targets.load.address import endpoint
from uringtrace.targets.load.plan import Plan
from uringtrace.targets.load.reactor import Reactor


@pytest.fixture
def server():
    with answering() as running:
        yield running


@pytest.fixture
def load(server):
    """Run a plan against the server's path; keywords are `Plan`'s."""

    def run(path="/", **settings):
        if "duration_ns" not in settings:
            settings.setdefault("requests", 20)
        settings.setdefault("connections", 2)
        return Reactor(Plan(endpoint(f"{server.address}{path}"), **settings)).run()

    return run

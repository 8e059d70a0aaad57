"""The target `kinds`, and what one run of all its subjects printed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.targets.truth import Truth, run_json
from uringtrace.errors import UsageError
from uringtrace.targets import build


@pytest.fixture(scope="session")
def kinds() -> Path:
    try:
        return build.binary("kinds")
    except UsageError as error:
        pytest.skip(error.message)


@pytest.fixture(scope="session")
def truth(kinds: Path) -> Truth:
    """What a run of all subjects printed."""
    return run_json(kinds)


@pytest.fixture(scope="session")
def by_subject(truth: Truth) -> dict[str, Truth]:
    return {subject["subject"]: subject for subject in truth["subjects"]}

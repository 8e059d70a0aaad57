"""What the live comparisons need of the machine."""

from __future__ import annotations

import pytest

from tests.strace.runs import strace_or_skip


@pytest.fixture(scope="session")
def strace() -> None:
    """Skips where strace may not trace."""
    strace_or_skip()

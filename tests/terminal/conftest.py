"""Screens are the same on every machine."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def colours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs the tests may have switched them off."""
    monkeypatch.delenv("NO_COLOR", raising=False)

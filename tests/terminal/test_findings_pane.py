"""The findings keep their place and promise nothing."""

from __future__ import annotations

from typing import Any

import pytest
from textual.pilot import Pilot

from tests.terminal.running import SIZES, application, open_pane


@pytest.mark.parametrize("size", SIZES)
def test_screen(size: tuple[int, int], snap_compare: Any) -> None:
    async def shown(pilot: Pilot[None]) -> None:
        await open_pane(pilot, "findings")

    assert snap_compare(application(), terminal_size=size, run_before=shown)

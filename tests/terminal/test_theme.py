"""Two themes, told apart by light, whose states colour-blind eyes can tell apart as well."""

from __future__ import annotations

import pytest
from textual.color import Color
from textual.theme import Theme

from tests.terminal.running import running
from uringtrace.ui.terminal.theme import DARK, LIGHT


def contrast(one: Color, other: Color) -> float:
    """WCAG 2.2's contrast ratio, of relative luminances."""

    def luminance(colour: Color) -> float:
        parts = [
            part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour.normalized
        ]
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]

    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("theme", [DARK, LIGHT], ids=lambda theme: theme.name)
@pytest.mark.parametrize("name", ["foreground", "primary", "accent", "warning", "error"])
def test_what_is_written_can_be_read(theme: Theme, name: str) -> None:
    """Contrast of at least 3:1 with the background, 7:1 for plain text (WCAG 2.2, 1.4.3 and 1.4.6)."""
    colour, background = Color.parse(getattr(theme, name)), Color.parse(theme.background)
    assert contrast(colour, background) >= (7 if name == "foreground" else 3)


@pytest.mark.parametrize("theme", [DARK, LIGHT], ids=lambda theme: theme.name)
def test_what_is_wrong_differs_in_blue_from_what_is_right(theme: Theme) -> None:
    """All common forms of colour blindness keep blue against orange; none keeps red against green."""
    right, wrong = Color.parse(theme.success), Color.parse(theme.error)
    assert right.b - right.r > 50
    assert wrong.r - wrong.b > 50


@pytest.mark.asyncio
async def test_t_changes_between_dark_and_light() -> None:
    async with running("operations") as pilot:
        assert pilot.app.theme == DARK.name
        await pilot.press("t")
        assert pilot.app.theme == LIGHT.name
        await pilot.press("t")
        assert pilot.app.theme == DARK.name

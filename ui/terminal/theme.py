"""Colours that stay apart for colour-blind eyes: blue, orange, and light against dark.

After Okabe and Ito, "Color Universal Design" (2008). Nothing is told by colour alone: every
state also has a word or a sign.
"""

from __future__ import annotations

from textual.theme import Theme

DARK = Theme(
    name="uringtrace-dark",
    primary="#56B4E9",
    secondary="#0072B2",
    accent="#E69F00",
    warning="#E69F00",
    error="#FF8C5A",
    success="#56B4E9",
    foreground="#E6E6E6",
    background="#101418",
    surface="#161B20",
    panel="#232A31",
    dark=True,
)
LIGHT = Theme(
    name="uringtrace-light",
    primary="#0072B2",
    secondary="#56B4E9",
    accent="#B35900",
    warning="#B35900",
    error="#A63A00",
    success="#0072B2",
    foreground="#1A1A1A",
    background="#FAFAFA",
    surface="#F2F2F2",
    panel="#DDE3E8",
    dark=False,
)

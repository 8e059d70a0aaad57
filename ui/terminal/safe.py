"""Names, paths and addresses come from the target: here they lose what a terminal would obey.

What is printable stays as it is. Markup is harmless by itself, as nothing here is ever
parsed as markup: widgets get segments, `Text`, or have it turned off.
"""

from __future__ import annotations

_SURROGATES = range(0xDC80, 0xDD00)
"""How Python keeps a byte that is no UTF-8 (PEP 383)."""


def printable(text: str) -> str:
    """`text` with everything that is not printable as `\\x1b`, `\\u202e` or `\\U000e0001`.

    A byte that is no UTF-8 is shown as that byte. Never holds a line end or a tab.
    """
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() else _escaped(ord(sign)) for sign in text)


def _escaped(code: int) -> str:
    if code in _SURROGATES:
        code -= 0xDC00
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"

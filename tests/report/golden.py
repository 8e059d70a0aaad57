"""Golden files: compared to the character, and written anew with URINGTRACE_WRITE_GOLDEN=1."""

from __future__ import annotations

import os
from pathlib import Path

FOLDER = Path(__file__).parent / "golden"


def is_golden(name: str, text: str) -> bool:
    """Whether `text` is what the file holds."""
    path = FOLDER / name
    if os.environ.get("URINGTRACE_WRITE_GOLDEN") == "1":
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return path.read_text() == text

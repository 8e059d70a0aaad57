"""Names for files that are made on a key: what was watched, and when."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

from uringtrace.errors import RecordingError

_SAFE = re.compile(r"[^A-Za-z0-9._-]+")
_NAMES = 1000
_LONGEST = 40


def free_path(folder: Path, target: str, unix_ns: int, suffix: str = "") -> Path:
    """A path in `folder` that does not exist, `target` being the target in words.

    Raises RecordingError when a thousand of that second exist.
    """
    words = _SAFE.sub("-", target).strip("-.")[:_LONGEST]
    moment = time.strftime("%Y%m%d-%H%M%S", time.localtime(unix_ns / 1e9))
    stem = f"uringtrace-{words}-{moment}" if words else f"uringtrace-{moment}"
    for number in range(1, _NAMES):
        path = folder / ((stem if number == 1 else f"{stem}-{number}") + suffix)
        if not os.path.lexists(path):
            return path
    raise RecordingError(f"no free name in {folder}")

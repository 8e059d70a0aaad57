"""Compiled probes kept between runs, so that a second start takes no compiler.

Compiling takes most of a second; an incident should not wait for it twice. An entry is
named by a hash of everything that went into it, and is trusted only when no other user
could have written it. A cache that cannot be used is never an error.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import stat
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, get_type_hints

from uringtrace.probes.compiler import CompiledProbes, MapDescription

_FORMAT = 1
_MAP_FIELDS = get_type_hints(MapDescription)
_KEEP = 32
"""Entries kept; the oldest go first."""


def cache_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """/var/cache/uringtrace for root, whose HOME may be another user's under sudo."""
    if os.geteuid() == 0:
        return Path("/var/cache/uringtrace")
    base = environment.get("XDG_CACHE_HOME") or Path(environment.get("HOME", "/nonexistent")) / ".cache"
    return Path(base) / "uringtrace"


def cache_key(text: str, constants: Mapping[str, str]) -> str:
    """A name for what compiling `text` with `constants` gives."""
    what = json.dumps([_FORMAT, text, sorted(constants.items())])
    return hashlib.sha256(what.encode()).hexdigest()


def load(folder: Path, key: str) -> CompiledProbes | None:
    """The entry `key`, or None when there is none that can be trusted and read."""
    path = folder / f"{key}.json"
    try:
        if not (_is_private(folder) and _is_private(path)):
            return None
        return _parse(json.loads(path.read_text()))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def store(folder: Path, key: str, probes: CompiledProbes) -> None:
    """Keep an entry; does nothing where the folder cannot be written or trusted."""
    with suppress(OSError):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not _is_private(folder):
            return
        with tempfile.TemporaryDirectory(dir=folder) as unfinished:
            file = Path(unfinished) / "entry"
            file.write_text(json.dumps(_document(probes)))
            file.chmod(0o600)
            file.rename(folder / f"{key}.json")
        entries = sorted(folder.glob("*.json"), key=lambda entry: entry.stat().st_mtime)
        for entry in entries[:-_KEEP]:
            entry.unlink()


def _is_private(path: Path) -> bool:
    status = path.lstat()
    others_write = status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return status.st_uid == os.geteuid() and not others_write and not stat.S_ISLNK(status.st_mode)


def _document(probes: CompiledProbes) -> dict[str, object]:
    return {
        "maps": [asdict(description) for description in probes.maps],
        "functions": {name: base64.b64encode(code).decode() for name, code in probes.functions.items()},
    }


def _parse(document: dict[str, Any]) -> CompiledProbes:
    maps = tuple(MapDescription(**fields) for fields in document["maps"])
    if not all(type(getattr(each, name)) is kind for each in maps for name, kind in _MAP_FIELDS.items()):
        raise ValueError("a map's description has a value of another type")
    functions = {name: base64.b64decode(code, validate=True) for name, code in document["functions"].items()}
    return CompiledProbes(maps, functions)

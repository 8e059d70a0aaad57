"""Compiled probes are kept, found again, and trusted only where nobody else could write."""

from __future__ import annotations

import base64
import json
import os
from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uringtrace.probes import cache
from uringtrace.probes.compiler import CompiledProbes, MapDescription

PROBES = CompiledProbes(
    maps=(MapDescription("in_flight", 2, 4, 192, 65536, 1024), MapDescription("spilled", 1, 8, 48, 64, 0)),
    functions={"io_uring_complete": bytes(range(256)), "empty": b""},
)
MAP = asdict(PROBES.maps[0])
KEY = cache.cache_key("text", {"A": "1"})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def entry(folder: Path) -> Path:
    return folder / f"{KEY}.json"


def test_what_is_stored_is_loaded(folder: Path) -> None:
    assert cache.load(folder, KEY) is None
    cache.store(folder, KEY, PROBES)
    assert cache.load(folder, KEY) == PROBES
    assert folder.stat().st_mode & 0o777 == 0o700
    assert entry(folder).stat().st_mode & 0o777 == 0o600
    assert [path.name for path in folder.iterdir()] == [f"{KEY}.json"], "nothing half-written stays"


def test_the_key_depends_on_everything_that_is_compiled() -> None:
    keys = {
        KEY,
        cache.cache_key("text ", {"A": "1"}),
        cache.cache_key("text", {"A": "2"}),
        cache.cache_key("text", {"B": "1"}),
        cache.cache_key("text", {"A": "1", "B": "1"}),
    }
    assert len(keys) == 5
    assert cache.cache_key("t", {"A": "1", "B": "2"}) == cache.cache_key("t", {"B": "2", "A": "1"})


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_an_entry_that_others_can_write_is_not_trusted(folder: Path, mode: int) -> None:
    cache.store(folder, KEY, PROBES)
    entry(folder).chmod(mode)
    assert cache.load(folder, KEY) is None


@pytest.mark.parametrize("mode", [0o770, 0o702, 0o777])
def test_a_folder_that_others_can_write_is_neither_read_nor_written(folder: Path, mode: int) -> None:
    cache.store(folder, KEY, PROBES)
    folder.chmod(mode)
    assert cache.load(folder, KEY) is None
    entry(folder).unlink()
    cache.store(folder, KEY, PROBES)
    assert not entry(folder).exists()


def test_another_users_entry_or_folder_is_not_trusted(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.store(folder, KEY, PROBES)
    owner = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    assert cache.load(folder, KEY) is None
    entry(folder).unlink()
    cache.store(folder, KEY, PROBES)
    assert not entry(folder).exists()


def test_links_are_not_followed(folder: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    cache.store(elsewhere, KEY, PROBES)
    folder.symlink_to(elsewhere)
    assert cache.load(folder, KEY) is None
    folder.unlink()
    folder.mkdir(mode=0o700)
    entry(folder).symlink_to(entry(elsewhere))
    assert cache.load(folder, KEY) is None


def corrupt(folder: Path, text: str | bytes) -> CompiledProbes | None:
    folder.mkdir(mode=0o700, exist_ok=True)
    entry(folder).write_bytes(text.encode() if isinstance(text, str) else text)
    entry(folder).chmod(0o600)
    return cache.load(folder, KEY)


def test_a_truncated_entry_is_ignored_and_replaced(folder: Path) -> None:
    cache.store(folder, KEY, PROBES)
    whole = entry(folder).read_bytes()
    for length in range(len(whole)):
        assert corrupt(folder, whole[:length]) is None
    cache.store(folder, KEY, PROBES)
    assert cache.load(folder, KEY) == PROBES


@pytest.mark.parametrize(
    "text",
    [
        b"\xff\xfe",
        "null",
        "[]",
        "{}",
        '{"maps": {}, "functions": []}',
        '{"maps": [], "functions": {"f": "no base64!"}}',
        '{"maps": [], "functions": {"f": 7}}',
        '{"maps": [{"name": "x"}], "functions": {}}',
        json.dumps({"maps": [{**MAP, "name": 1}], "functions": {}}),
        json.dumps({"maps": [{**MAP, "type": "1"}], "functions": {}}),
        json.dumps({"maps": [{**MAP, "more": 1}], "functions": {}}),
    ],
)
def test_a_corrupt_entry_is_ignored(folder: Path, text: str | bytes) -> None:
    assert corrupt(folder, text) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["maps", "functions", "name", "x"]), inner, max_size=3)
    ),
)


@given(JSON)
def test_any_other_document_is_no_error(tmp_path_factory: pytest.TempPathFactory, document: object) -> None:
    """Unless it is a valid one by chance: of functions that are whatever their text stands for."""
    loaded = corrupt(tmp_path_factory.getbasetemp() / "documents", json.dumps(document))
    if loaded is not None:
        assert isinstance(document, dict)
        functions = {name: base64.b64decode(code) for name, code in document["functions"].items()}
        assert loaded == CompiledProbes((), functions)


def test_the_oldest_entries_go_first(folder: Path) -> None:
    kept = cache._KEEP
    for number in range(kept + 3):
        cache.store(folder, f"{number:03}", PROBES)
        os.utime(folder / f"{number:03}.json", (number, number))
    cache.store(folder, "last", PROBES)
    names = sorted(path.stem for path in folder.iterdir())
    assert len(names) == kept
    assert "last" in names
    assert "000" not in names
    assert f"{kept + 2:03}" in names


def test_a_folder_that_cannot_be_made_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    cache.store(tmp_path / "file" / "cache", KEY, PROBES)
    assert cache.load(tmp_path / "file" / "cache", KEY) is None


def test_where_the_cache_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    environment = {"HOME": "/users/me", "XDG_CACHE_HOME": "/users/me/cache"}
    assert cache.cache_folder(environment) == Path("/var/cache/uringtrace")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert cache.cache_folder(environment) == Path("/users/me/cache/uringtrace")
    assert cache.cache_folder({"HOME": "/users/me"}) == Path("/users/me/.cache/uringtrace")
    assert cache.cache_folder({}) == Path("/nonexistent/.cache/uringtrace")

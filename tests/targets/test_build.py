"""The C targets are built where they are needed, or what is missing is named."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from uringtrace.errors import UsageError
from uringtrace.targets import build


def test_a_target_is_built_again_when_a_source_is_newer(kinds: Path, tmp_path: Path) -> None:
    built = build.binary("nop", tmp_path)
    first = built.stat().st_ino
    assert build.binary("nop", tmp_path).stat().st_ino == first
    os.utime(built, ns=(0, 0))
    assert build.binary("nop", tmp_path).stat().st_mtime_ns > 0


def test_without_a_compiler_the_packages_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "no-such-compiler")
    with pytest.raises(UsageError, match="no-such-compiler") as caught:
        build.binary("nop", tmp_path)
    for packages in ("gcc libc6-dev liburing-dev", "gcc liburing-devel", "gcc liburing"):
        assert packages in caught.value.way_out


def test_without_liburing_the_packages_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiler = tmp_path / "compiler"
    compiler.write_text("#!/bin/sh\necho 'nop.c:9:10: fatal error: liburing.h: No such file' >&2; exit 1\n")
    compiler.chmod(0o700)
    monkeypatch.setenv("CC", str(compiler))
    with pytest.raises(UsageError, match="liburing"):
        build.binary("nop", tmp_path)
    assert not (tmp_path / "nop").exists()


def test_a_wrong_name_is_answered_with_the_right_ones() -> None:
    with pytest.raises(UsageError) as caught:
        build.binary("nob")
    assert "calls, demo, epoll, kinds, nop" in caught.value.way_out

"""Builds the C targets where they are needed: `python -m uringtrace.targets.build`.

A target is a folder of this package with C files; its binary has the folder's name.
Headers that several share are beside the folders. A binary is built again only when a
source or header is newer, and put in place whole, so that several processes may build at
once.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from uringtrace.errors import Error, UsageError

NAMES = ("calls", "demo", "epoll", "kinds", "nop")
"""Every target."""

COMPILER_FLAGS = ("-std=gnu11", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra")
LIBRARIES = ("-luring", "-pthread")
INSTALL = (
    "install a C compiler and liburing: `apt-get install gcc libc6-dev liburing-dev` (Debian, Ubuntu), "
    "`dnf install gcc liburing-devel` (Fedora), `pacman -S gcc liburing` (Arch)"
)

_SOURCES = Path(__file__).resolve().parent


def default_output() -> Path:
    """`build/targets` of a checkout; the user's cache folder for an installed package."""
    checkout = _SOURCES.parent
    if (checkout / "pyproject.toml").exists():
        return checkout / "build" / "targets"
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "uringtrace" / "targets"


def binary(name: str, output: Path | None = None) -> Path:
    """The path of a target's binary, which is built first when missing or out of date.

    Raises `UsageError` when there is no such target, no compiler or no liburing, and
    `Error` when compiling fails for another reason.
    """
    if name not in NAMES:
        raise UsageError(f"no target named {name!r}", f"the targets are {', '.join(NAMES)}")
    sources = [*sorted((_SOURCES / name).glob("*.[ch]")), *_SOURCES.glob("*.h")]
    built = (output or default_output()) / name
    if not _current(built, sources):
        _compile(built, [source for source in sources if source.suffix == ".c"])
    return built


def _current(built: Path, sources: Sequence[Path]) -> bool:
    if not built.exists():
        return False
    built_ns = built.stat().st_mtime_ns
    return all(source.stat().st_mtime_ns <= built_ns for source in sources)


def _compile(built: Path, sources: Sequence[Path]) -> None:
    compiler = os.environ.get("CC", "cc")
    if shutil.which(compiler) is None:
        raise UsageError(f"cannot build {built.name}: no C compiler ({compiler})", INSTALL)
    built.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=built.parent) as folder:
        fresh = Path(folder) / built.name
        command = [compiler, *COMPILER_FLAGS, "-o", str(fresh), *map(str, sources), *LIBRARIES]
        outcome = subprocess.run(command, capture_output=True, text=True)
        if outcome.returncode == 0:
            fresh.replace(built)
            return
    if "liburing.h" in outcome.stderr or "-luring" in outcome.stderr:
        raise UsageError(f"cannot build {built.name}: liburing's headers or library are missing", INSTALL)
    raise Error(f"cannot build {built.name}: {compiler} failed\n{outcome.stderr.rstrip()}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Builds every target and prints the paths; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m uringtrace.targets.build", description="Build the C targets and print their paths."
    )
    parser.add_argument("--output", type=Path, metavar="DIR", help="where to put the binaries")
    parser.add_argument("--print", choices=NAMES, metavar="NAME", help="build and print only this one")
    parsed = parser.parse_args(arguments)
    try:
        for name in [parsed.print] if parsed.print else NAMES:
            print(binary(name, parsed.output))
    except Error as error:
        print(f"uringtrace: {error.message}", file=sys.stderr)
        if error.way_out:
            print(f"  {error.way_out}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())

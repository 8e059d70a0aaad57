"""What a check of this machine finds, and where it looks.

A check names one thing that is there or not. What cannot be read is `unknown`, never
taken for good or bad.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class Status(StrEnum):
    """What a check found, in the word that is printed."""

    OK = "ok"
    MISSING = "missing"
    DEGRADED = "degraded"
    """There, but something is lost; the detail says what."""
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing this machine has or lacks."""

    name: str
    status: Status
    detail: str
    """What was found, or what its absence costs; one sentence."""
    way_out: str = ""
    """What to do about it; empty when there is nothing to do."""
    required: bool = False
    """No capture without it."""

    @property
    def blocks(self) -> bool:
        """Whether this makes a capture impossible."""
        return self.required and self.status is Status.MISSING


@dataclass(frozen=True, slots=True)
class Roots:
    """Where the machine's file systems are; tests lay out their own."""

    proc: Path = Path("/proc")
    sys: Path = Path("/sys")
    usr: Path = Path("/usr")


THIS_MACHINE = Roots()


def first_blocking(checks: Iterable[Check]) -> Check | None:
    """The first check that makes a capture impossible; None where nothing does."""
    return next((check for check in checks if check.blocks), None)


def read(path: Path) -> str | None:
    """The stripped text of a small file; None where it cannot be read."""
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return None

"""Where two runs, or strace and uringtrace, may differ, each with the reason."""

from __future__ import annotations

from collections.abc import Mapping

from tests.strace.shape import Place

CHANGES: Mapping[Place, str] = {
    ("sysinfo", 0): "load and free memory of the machine",
    ("statfs", 1): "free space",
    ("fstatfs", 1): "free space",
    ("getcpu", 0): "the processor it happens to run on",
    ("waitid", 2): "strace prints fields that the kernel does not fill",
}
"""What two runs of one program under strace may differ in."""

NOT_DECODED: Mapping[Place, str] = {}
"""What strace decodes and uringtrace shows as the pointer it is, or less of it."""

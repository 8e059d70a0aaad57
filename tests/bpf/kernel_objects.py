"""The BPF programs, maps and links in the kernel: whose they are, and whether they are still there.

Listed by their numbers alone. bpftool opens each object to print it, and when it does so
at the moment at which a program array loses its last user, the kernel keeps that map for
ever (kernel/bpf/arraymap.c, prog_array_map_clear: a reference for work that is queued
already). So bpftool is asked once, when ours are gone.
"""

from __future__ import annotations

import ctypes
import json
import platform
import re
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path

from uringtrace.probes import bpf_syscall

Objects = frozenset[tuple[str, int]]

_NEXT_IDENTIFIER = {"prog": 11, "map": 12, "link": 31}
"""BPF_PROG_GET_NEXT_ID and so on (enum bpf_cmd, include/uapi/linux/bpf.h)."""
_IDENTIFIER = re.compile(r"^(prog|map|link)_id:\s*(\d+)", re.MULTILINE)


class _Position(ctypes.Structure):
    _fields_ = (("start", ctypes.c_uint32), ("next", ctypes.c_uint32), ("flags", ctypes.c_uint32))


def held_by(pid: int) -> Objects:
    """The objects that descriptors of a process refer to (proc_pid_fdinfo(5))."""
    found = set()
    for entry in Path(f"/proc/{pid}/fdinfo").iterdir():
        try:
            text = entry.read_text()
        except OSError:
            continue
        found |= {(kind, int(number)) for kind, number in _IDENTIFIER.findall(text)}
    return frozenset(found)


def held_by_anyone() -> Objects:
    """The objects that descriptors of any process refer to."""
    found: Objects = frozenset()
    for process in Path("/proc").iterdir():
        if process.name.isdecimal():
            with suppress(OSError):
                found |= held_by(int(process.name))
    return found


def in_the_kernel() -> Objects:
    """All there are, whoever holds them."""
    call = ctypes.CDLL(None).syscall
    number = bpf_syscall._CALL_NUMBERS[platform.machine()]
    found = set()
    for kind, command in _NEXT_IDENTIFIER.items():
        position = _Position()
        while call(number, command, ctypes.byref(position), ctypes.sizeof(position)) == 0:
            found.add((kind, position.next))
            position.start = position.next
    return frozenset(found)


def shown_by_bpftool(kind: str) -> frozenset[int]:
    """The numbers that `bpftool KIND show` prints; none where it is not installed."""
    bpftool = shutil.which("bpftool") or shutil.which("bpftool", path="/usr/sbin:/sbin")
    if bpftool is None:
        return frozenset()
    shown = subprocess.run([bpftool, "-j", kind, "show"], capture_output=True, text=True, check=False).stdout
    return frozenset(each["id"] for each in json.loads(shown or "[]") if "id" in each)

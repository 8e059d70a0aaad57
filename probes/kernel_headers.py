"""The few headers bcc wants from a kernel source tree, made from the system's UAPI headers.

bcc refuses to compile without /lib/modules/…/build, but our probes include nothing of
it: BTF gives the layouts. A stub tree named by BCC_KERNEL_SOURCE is enough, so no
kernel headers need be installed.
"""

from __future__ import annotations

import platform
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from uringtrace.errors import CapabilityError

_TYPES = """\
#ifndef STUB_TYPES
#define STUB_TYPES
#include <uapi/linux/types.h>
typedef __u8 u8; typedef __u16 u16; typedef __u32 u32; typedef __u64 u64;
typedef __s8 s8; typedef __s16 s16; typedef __s32 s32; typedef __s64 s64;
typedef _Bool bool; typedef __SIZE_TYPE__ size_t; typedef int pid_t; typedef unsigned long uintptr_t;
#ifndef __always_inline
#define __always_inline inline __attribute__((always_inline))
#endif
#endif
"""
_FILES = {
    "linux/types.h": _TYPES,
    "linux/kconfig.h": "#include <linux/types.h>\n#define CONFIG_BPF_SYSCALL 1\n",
    "linux/log2.h": "",
    "asm/page.h": "#define PAGE_SIZE 4096\n",
    # bcc's own headers choose helper declarations by these; any recent value serves.
    "linux/version.h": "#define LINUX_VERSION_CODE 0x61200\n"
    "#define KERNEL_VERSION(a, b, c) (((a) << 16) + ((b) << 8) + (c))\n",
}
_EMPTY_UAPI = ("bpf.h", "if_packet.h", "stddef.h")


def _asm_directory(include: Path) -> Path:
    multiarch = include / f"{platform.machine()}-linux-gnu" / "asm"
    return multiarch if multiarch.is_dir() else include / "asm"


@contextmanager
def kernel_headers(include: Path = Path("/usr/include")) -> Iterator[Path]:
    """A temporary stub tree for BCC_KERNEL_SOURCE.

    Raises `CapabilityError` when the UAPI headers are not installed.
    """
    asm = _asm_directory(include)
    if not (include / "linux" / "types.h").exists() or not asm.is_dir():
        raise CapabilityError(
            f"the kernel's UAPI headers are not installed ({include}/linux)",
            "install linux-libc-dev (Debian, Ubuntu), kernel-headers (Fedora) or linux-api-headers (Arch)",
        )
    with tempfile.TemporaryDirectory(prefix="uringtrace-") as name:
        root = Path(name)
        tree = root / "include"
        for directory in ("linux", "asm", "uapi/linux"):
            (tree / directory).mkdir(parents=True)
        for file, text in _FILES.items():
            (tree / file).write_text(text)
        for header in (include / "linux").glob("*.h"):
            if header.name not in _EMPTY_UAPI:
                (tree / "uapi/linux" / header.name).symlink_to(header)
        for name in _EMPTY_UAPI:
            (tree / "uapi/linux" / name).write_text("")
        (tree / "uapi/asm").symlink_to(asm)
        (tree / "uapi/asm-generic").symlink_to(include / "asm-generic")
        yield root

"""The type information (BTF) of a kernel that is not running, out of its boot image.

With it the probes are compiled on this machine before the kernel is booted: under emulation
the compiler alone takes half a minute.
"""

from __future__ import annotations

import lzma
import struct
import subprocess
import zlib
from pathlib import Path

_MAGIC = b"HdrS"
"""At 0x202 of an x86 boot image (Documentation/arch/x86/boot.rst)."""


def type_information(image: Path) -> bytes:
    """The section .BTF of the kernel in a bzImage; raises ValueError where there is none."""
    return _section(_kernel(image.read_bytes()), b".BTF")


def _kernel(image: bytes) -> bytes:
    """The ELF file inside: `payload_offset` counts from the end of the real-mode part."""
    if image[0x202:0x206] != _MAGIC:
        raise ValueError("not an x86 boot image")
    begin = ((image[0x1F1] or 4) + 1) * 512 + struct.unpack_from("<I", image, 0x248)[0]
    packed = image[begin : begin + struct.unpack_from("<I", image, 0x24C)[0]]
    # Behind the packed kernel is its size when unpacked.
    if packed.startswith(b"\xfd7zXZ\0"):
        return lzma.LZMADecompressor().decompress(packed)
    if packed.startswith(b"\x28\xb5\x2f\xfd"):
        return subprocess.run(["zstd", "-dqc"], input=packed[:-4], capture_output=True, check=True).stdout
    if packed.startswith(b"\x1f\x8b"):
        return zlib.decompressobj(wbits=31).decompress(packed)
    raise ValueError("packed in an unknown way")


def _section(elf: bytes, name: bytes) -> bytes:
    """Of a 64-bit ELF file (elf(5))."""
    (table,) = struct.unpack_from("<Q", elf, 0x28)
    size, count, names_index = struct.unpack_from("<HHH", elf, 0x3A)
    headers = [struct.unpack_from("<II4Q", elf, table + index * size) for index in range(count)]
    names = headers[names_index][4]
    for name_at, _, _, _, begin, length in headers:
        at = names + name_at
        if elf[at : elf.index(b"\0", at)] == name:
            return elf[begin : begin + length]
    raise ValueError(f"no section {name.decode()}")

"""Type information is found in boot images, however the kernel in them is packed."""

from __future__ import annotations

import gzip
import lzma
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.vm.image import type_information

BTF = b"type information"


def elf(section: bytes) -> bytes:
    """A file with one section and the names of sections; of its headers only what is looked at."""
    names = b"\0" + section + b"\0.shstrtab\0"
    header = bytearray(64)
    header[0x28:0x30] = struct.pack("<Q", 64)
    header[0x3A:0x40] = struct.pack("<HHH", 64, 3, 2)
    begin = 64 + 3 * 64
    rows = [(0, 0, 0), (1, begin, len(BTF)), (2 + len(section), begin + len(BTF), len(names))]
    table = b"".join(struct.pack("<II4Q", at, 0, 0, 0, place, size) + bytes(24) for at, place, size in rows)
    return bytes(header) + table + BTF + names


def image(kernel: bytes) -> bytes:
    head = bytearray(1024)
    head[0x1F1] = 1
    head[0x202:0x206] = b"HdrS"
    head[0x248:0x250] = struct.pack("<II", 16, len(kernel) + 4)
    return bytes(head) + bytes(16) + kernel + struct.pack("<I", 12345) + b"what follows"


@pytest.mark.parametrize("packed", [lzma.compress, gzip.compress], ids=["xz", "gzip"])
def test_found_in_an_image(packed: Callable[[bytes], bytes], tmp_path: Path) -> None:
    (tmp_path / "vmlinuz").write_bytes(image(packed(elf(b".BTF"))))
    assert type_information(tmp_path / "vmlinuz") == BTF


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (bytes(2048), "not an x86 boot image"),
        (image(b"\x02\x21\x4c\x18"), "unknown way"),
        (image(lzma.compress(elf(b".BFT"))), "no section .BTF"),
    ],
)
def test_what_has_none_says_why(content: bytes, words: str, tmp_path: Path) -> None:
    (tmp_path / "vmlinuz").write_bytes(content)
    with pytest.raises(ValueError, match=words):
        type_information(tmp_path / "vmlinuz")

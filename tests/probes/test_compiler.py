"""What becomes of the C text and of compiled instructions, without a compiler."""

from __future__ import annotations

import os
import struct
from pathlib import Path
from types import SimpleNamespace

import pytest

from uringtrace.errors import CapabilityError, KernelError
from uringtrace.probes import compiler, kernel_headers
from uringtrace.probes.compiler import PID_PLACEHOLDER, compile_probes, relocate, source_text

FOLDER = Path(compiler.__file__).parent / "bpf"


def instruction(operation: int, registers: int = 0, offset: int = 0, immediate: int = 0) -> bytes:
    return struct.pack("<BBhi", operation, registers, offset, immediate)


LOAD, PSEUDO_MAP, COMPARE, ADD, EXIT = 0x18, 0x10, 0x15, 0x07, 0x95


def test_a_map_is_named_anew_and_nothing_else_changes() -> None:
    code = b"".join(
        [
            instruction(LOAD, PSEUDO_MAP | 1, 0, 3),
            instruction(0),
            instruction(LOAD, 1, 0, 3),  # a number that looks like a map's
            instruction(0, 0, 0, 3),
            instruction(ADD, 2, -8, 3),
            instruction(EXIT),
        ]
    )
    moved = relocate(code, {3: 77})
    assert moved[:8] == instruction(LOAD, PSEUDO_MAP | 1, 0, 77)
    assert moved[8:] == code[8:]


def test_the_process_takes_its_place() -> None:
    code = instruction(COMPARE, 1, 4, PID_PLACEHOLDER) + instruction(EXIT)
    assert relocate(code, {}, 1234) == instruction(COMPARE, 1, 4, 1234) + instruction(EXIT)


def test_the_placeholder_in_the_upper_half_of_a_wide_constant_is_found() -> None:
    """A compiler may compare pid << 32 instead: the second slot has the upper bits."""
    code = instruction(LOAD, 1) + instruction(0, 0, 0, PID_PLACEHOLDER)
    assert relocate(code, {}, 7) == instruction(LOAD, 1) + instruction(0, 0, 0, 7)


def test_relocating_to_indexes_and_back_is_the_same() -> None:
    code = b"".join(instruction(LOAD, PSEUDO_MAP | 2, 0, number) + instruction(0) for number in (9, 4, 9))
    stored = relocate(code, {9: 0, 4: 1}, PID_PLACEHOLDER)
    assert relocate(stored, {0: 9, 1: 4}) == code


def test_an_unknown_map_is_an_error() -> None:
    with pytest.raises(KeyError):
        relocate(instruction(LOAD, PSEUDO_MAP, 0, 5), {})


def test_the_text_has_every_header_once_and_in_order() -> None:
    text = source_text()
    assert '#include "' not in text
    assert "#pragma once" not in text
    names = [path.name for path in FOLDER.glob("*.[ch]")]
    assert len(names) >= 9
    for name in names:
        marks = [line for line in (FOLDER / name).read_text().splitlines() if line.startswith(" * ")]
        assert text.count(marks[0]) == 1, name
    assert (
        text.index("struct operation_slot {") < text.index("u32, u64, counters") < text.index("struct set {")
    )
    assert text.index("struct set {") < text.index("int io_uring_complete(")


def test_one_file_alone_brings_what_it_includes() -> None:
    text = source_text(["process.c"])
    assert "enum fact_type" in text
    assert "io_uring_complete" not in text


def fake_bcc(bpf: object) -> SimpleNamespace:
    return SimpleNamespace(BPF=bpf, libbcc=SimpleNamespace(lib=None))


def test_what_does_not_compile_is_one_error_and_the_environment_stays(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: dict[str, object] = {}

    def bpf(text: str, cflags: list[str]) -> None:
        tree = Path(os.environ["BCC_KERNEL_SOURCE"])
        seen.update(text=text, cflags=cflags, tree=tree, there=tree.is_dir())
        raise Exception("Failed to compile BPF module")

    monkeypatch.setenv("BCC_KERNEL_SOURCE", "/mine")
    with pytest.raises(KernelError, match="could not be compiled"):
        compile_probes(fake_bcc(bpf), "int x;", {"SETS": "4"})
    assert os.environ["BCC_KERNEL_SOURCE"] == "/mine"
    assert seen["there"]
    assert not Path(str(seen["tree"])).exists()
    assert "-DSETS=4" in seen["cflags"]

    monkeypatch.delenv("BCC_KERNEL_SOURCE")
    with pytest.raises(KernelError):
        compile_probes(fake_bcc(bpf), "int x;", {})
    assert "BCC_KERNEL_SOURCE" not in os.environ


def lay_out(include: Path, asm: Path) -> None:
    (include / "linux").mkdir(parents=True)
    for name in ("types.h", "bpf.h", "stddef.h", "if_packet.h", "ip.h"):
        (include / "linux" / name).write_text(f"/* {name} */")
    asm.mkdir(parents=True)
    (asm / "types.h").write_text("")


@pytest.mark.parametrize("multiarch", [True, False])
def test_the_stub_tree_stands_in_for_kernel_headers(tmp_path: Path, multiarch: bool) -> None:
    machine = f"{kernel_headers.platform.machine()}-linux-gnu"
    asm = tmp_path / machine / "asm" if multiarch else tmp_path / "asm"
    lay_out(tmp_path, asm)
    with kernel_headers.kernel_headers(tmp_path) as root:
        tree = root / "include"
        for name in ("linux/types.h", "linux/kconfig.h", "linux/version.h", "linux/log2.h", "asm/page.h"):
            assert (tree / name).is_file()
        assert (tree / "uapi/linux/ip.h").read_text() == "/* ip.h */"
        assert [(tree / "uapi/linux" / name).read_text() for name in ("bpf.h", "stddef.h")] == ["", ""]
        assert (tree / "uapi/linux/if_packet.h").read_text() == ""
        assert (tree / "uapi/asm/types.h").exists()
    assert not root.exists()
    assert (tmp_path / "linux/bpf.h").read_text() == "/* bpf.h */", "the system's own file is not touched"


def test_missing_headers_name_the_packages(tmp_path: Path) -> None:
    with (
        pytest.raises(CapabilityError, match="UAPI headers") as caught,
        kernel_headers.kernel_headers(tmp_path),
    ):
        pass
    for package in ("linux-libc-dev", "kernel-headers", "linux-api-headers"):
        assert package in caught.value.way_out

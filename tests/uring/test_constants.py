"""The numbers are the kernel's, compared with the header that is installed here."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from uringtrace.targets.uring import constants

HEADER = Path("/usr/include/linux/io_uring.h")
_PREFIXES = {
    "SETUP_": "IORING_SETUP_", "FEAT_": "IORING_FEAT_", "SQ_": "IORING_SQ_", "ENTER_": "IORING_ENTER_",
    "CQE_F_": "IORING_CQE_F_",
}  # fmt: skip


@pytest.fixture(scope="module")
def header() -> str:
    if not HEADER.exists():
        pytest.skip(f"no {HEADER}: the kernel's headers for user space are not installed")
    return HEADER.read_text()


def test_opcodes_are_numbered_as_the_kernel_does(header: str) -> None:
    listed = re.search(r"enum io_uring_op \{(.*?)\}", header, re.DOTALL)
    assert listed is not None
    names = [name for name in re.findall(r"IORING_OP_(\w+)", listed[1]) if name != "LAST"]
    common = min(len(names), len(constants.OPERATION_NAMES))
    assert constants.OPERATION_NAMES[:common] == tuple(names[:common])
    for constant, number in vars(constants).items():
        if re.fullmatch(r"OP_(?!SUPPORTED)\w+", constant):
            assert constants.OPERATION_NAMES[number] == constant.removeprefix("OP_")


def test_flags_have_the_kernels_bits(header: str) -> None:
    bits = dict(re.findall(r"#define\s+(IORING_\w+)\s+\(1U?\s*<<\s*(\d+)\)", header))
    compared = 0
    for constant, value in vars(constants).items():
        for ours, theirs in _PREFIXES.items():
            name = theirs + constant.removeprefix(ours)
            if constant.startswith(ours) and name in bits:
                assert value == 1 << int(bits[name]), constant
                compared += 1
    assert compared > 15

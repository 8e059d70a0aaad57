"""Reading BTF: against a small blob in the repository, garbage, and the running kernel.

The blob stands for:

    struct io_cqe { u64 user_data; unsigned res, fd; };
    struct io_kiocb {
        void *file; unsigned char opcode; alias_t state; struct io_cqe cqe;
        union { struct { unsigned pad, deep; u64 wide; }; unsigned char first; };
        unsigned words[4];
    };
    struct flags { unsigned low : 3, high : 5; unsigned plain; };
"""

from __future__ import annotations

import json
import random
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.probes import btf_blob
from uringtrace.errors import CapabilityError
from uringtrace.probes.btf import VMLINUX, Btf, Field
from uringtrace.probes.layout import OPTIONAL, REQUIRED
from uringtrace.probes.tracepoints import SUBJECTS


def has_libbpf() -> bool:
    try:
        Btf(btf_blob.small())
    except CapabilityError:
        return False
    return True


pytestmark = pytest.mark.skipif(not has_libbpf(), reason="libbpf is not installed")


@pytest.fixture(scope="module")
def btf() -> Btf:
    return Btf(btf_blob.PATH.read_bytes())


def test_the_blob_is_what_its_builder_makes() -> None:
    assert btf_blob.PATH.read_bytes() == btf_blob.small()


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("file", Field(0, 8)),
        ("opcode", Field(8, 1)),
        ("state", Field(12, 4)),
        ("cqe", Field(16, 16)),
        ("cqe.user_data", Field(16, 8)),
        ("cqe.fd", Field(28, 4)),
        ("first", Field(32, 1)),
        ("deep", Field(36, 4)),
        ("wide", Field(40, 8)),
        ("words", Field(48, 8)),
        ("absent", None),
        ("cqe.absent", None),
        ("file.f_inode", None),
        ("opcode.bits", None),
    ],
)
def test_fields(btf: Btf, path: str, field: Field | None) -> None:
    assert btf.field("io_kiocb", path) == field


def test_bitfields_do_not_disturb_their_neighbours(btf: Btf) -> None:
    assert btf.field("flags", "low") == Field(0, 4)
    assert btf.field("flags", "high") == Field(0, 4)
    assert btf.field("flags", "plain") == Field(4, 4)


def test_what_is_no_struct_has_no_fields(btf: Btf) -> None:
    assert btf.field("io_uring_op", "IORING_OP_NOP") is None
    assert btf.field("absent", "file") is None


def test_enums(btf: Btf) -> None:
    assert btf.enum("io_uring_op") == {"IORING_OP_NOP": 0, "IORING_OP_READ": 22, "IORING_OP_LAST": 23}
    assert btf.enum("sign") == {"BELOW": -3, "ABOVE": 7}
    assert btf.enum("wide") == {"HUGE": 1 << 40, "TOP": 1 << 63}
    assert btf.enum("wide_sign") == {"LEAST": -(1 << 40), "ONE": 1}
    assert btf.enum("io_kiocb") is None


def test_enumerators_of_an_unnamed_enum(btf: Btf) -> None:
    found = btf.enumerators("REQ_F_", containing="REQ_F_FIXED_FILE_BIT")
    assert found == {"REQ_F_FIXED_FILE_BIT": 0, "REQ_F_LAST_BIT": 41}
    assert btf.enumerators("REQ_F_", containing="ABSENT") == {}
    assert btf.enumerators("IORING_OP_", containing="IORING_OP_NOP") == {}, "that enum has a name"


def test_tracepoints(btf: Btf) -> None:
    assert btf.tracepoint("io_uring_submit_req") == ("io_kiocb *",)
    assert btf.tracepoint("io_uring_complete") == ("void *", "io_cqe *", "alias_t", "u64")
    assert btf.tracepoint("nothing") == ()
    assert btf.tracepoint("absent") is None
    assert btf.tracepoint_id("absent") is None


def test_a_truncated_blob_is_refused(capfd: pytest.CaptureFixture[str]) -> None:
    blob = btf_blob.small()
    for length in range(len(blob)):
        with pytest.raises(CapabilityError, match="cannot be parsed"):
            Btf(blob[:length])
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("blob", [b"", b"\0" * 64, b"\x7fELF" + b"\0" * 60, b"\xff" * 200])
def test_garbage_is_refused(blob: bytes) -> None:
    with pytest.raises(CapabilityError):
        Btf(blob)


def test_a_reference_to_no_type_is_an_error_and_not_a_crash() -> None:
    blob = btf_blob.Blob()
    blob.compound(btf_blob.STRUCT, "io_kiocb", 8, [("file", 999, 0)])
    with pytest.raises(CapabilityError):
        Btf(blob.encode()).field("io_kiocb", "file")


def test_random_bytes_behind_a_good_header_are_refused() -> None:
    source = random.Random(0)
    blob = btf_blob.small()
    for _ in range(100):
        with pytest.raises(CapabilityError):
            Btf(blob[:24] + source.randbytes(len(blob) - 24))


def test_no_btf_names_the_file_and_the_kernel_option(tmp_path: Path) -> None:
    with pytest.raises(CapabilityError, match=r"vmlinux: No such file") as caught:
        Btf.of_kernel(tmp_path / "vmlinux")
    assert "CONFIG_DEBUG_INFO_BTF" in caught.value.way_out


def dump(path: Path) -> list[dict[str, object]]:
    """What bpftool makes of a blob."""
    if shutil.which("bpftool") is None:
        pytest.skip("bpftool is not installed")
    command = ["bpftool", "--json", "btf", "dump", "file", str(path)]
    output = subprocess.run(command, check=True, capture_output=True, timeout=60).stdout
    types: list[dict[str, object]] = json.loads(output)["types"]
    return types


def test_bpftool_reads_the_same_in_the_blob(btf: Btf) -> None:
    types = {each["name"]: each for each in dump(btf_blob.PATH)}
    for member in types["io_cqe"]["members"]:
        field = btf.field("io_cqe", member["name"])
        assert field is not None
        assert field.offset * 8 == member["bits_offset"]
    assert {each["name"]: each["val"] for each in types["wide_sign"]["values"]} == btf.enum("wide_sign")


@pytest.mark.skipif(not VMLINUX.exists(), reason="this kernel has no BTF")
def test_bpftool_reads_the_same_of_the_running_kernel() -> None:
    """Every direct member that the probes use, the operations, and the tracepoints."""
    btf = Btf.of_kernel()
    types = dump(VMLINUX)
    by_id = {each["id"]: each for each in types}
    structs = {each["name"]: each for each in reversed(types) if each["kind"] == "STRUCT"}
    paths = [*REQUIRED.values(), *(paths for paths, _ in OPTIONAL.values())]
    compared = 0
    for struct, path in (each for alternatives in paths for each in alternatives):
        members = {each["name"]: each for each in structs[struct]["members"]} if struct in structs else {}
        if path in members:
            field = btf.field(struct, path)
            assert field is not None
            assert field.offset == members[path]["bits_offset"] // 8
            compared += 1
    assert compared > 20
    operations = next((each for each in types if each["name"] == "io_uring_op"), None)
    if operations is not None:
        assert btf.enum("io_uring_op") == {each["name"]: each["val"] for each in operations["values"]}
    typedefs = {each["name"]: each for each in types if each["kind"] == "TYPEDEF"}
    for subject in SUBJECTS:
        for prototype in subject.prototypes:
            declared = typedefs.get(f"btf_trace_{prototype.tracepoint}")
            arguments = btf.tracepoint(prototype.tracepoint)
            assert (declared is None) == (arguments is None)
            if declared is not None and arguments is not None:
                assert btf.tracepoint_id(prototype.tracepoint) == declared["id"]
                function = by_id[by_id[declared["type_id"]]["type_id"]]
                assert len(arguments) == len(function["params"]) - 1

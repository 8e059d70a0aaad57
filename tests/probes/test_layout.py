"""From type information to -D constants: kernels known by their tracepoints and fields."""

from __future__ import annotations

import pytest

from tests.fakes import OPERATION_NAMES
from tests.probes.fake_btf import (
    FIELDS,
    LINUX_5_10,
    LINUX_5_15,
    LINUX_6_1,
    LINUX_6_3,
    LINUX_6_17,
    OPCODE_ENUM,
    FakeBtf,
)
from uringtrace.errors import CapabilityError
from uringtrace.probes import program, tracepoints
from uringtrace.probes.btf import Btf, Field
from uringtrace.probes.interfaces import interfaces_of
from uringtrace.probes.layout import ALTERNATIVES, CALLS, IO_URING, NAMESPACE, OPTIONAL, REQUIRED, read_layout
from uringtrace.probes.program import Filter, Interface, Mode, Program, Settings
from uringtrace.probes.tracepoints import choose, probe_report

Tracepoints = dict[str, tuple[str, ...]]

OLDER_WAY = ALTERNATIVES[0][1] | ALTERNATIVES[1][0]
"""Fields that only kernels without the newer ones have."""


def chosen_constants(available: Tracepoints) -> dict[str, int]:
    """All -D constants that the chosen prototypes give."""
    result: dict[str, int] = {}
    for choice in choose(FakeBtf(available)):
        if choice.prototype:
            result |= choice.prototype.constants
    return result


@pytest.mark.parametrize("available", [LINUX_6_17, LINUX_6_3, LINUX_6_1], ids=["6.17", "6.3", "6.1"])
def test_kernels_that_name_requests_offer_everything(available: Tracepoints) -> None:
    chosen = choose(FakeBtf(available))
    assert [choice.subject.function for choice in chosen if choice.prototype is None] == []
    offered = interfaces_of(read_layout(FakeBtf()), chosen)
    assert (offered.lacks_io_uring, offered.lacks_calls) == ("", "")


def test_a_completion_is_taken_from_its_cqe_where_the_kernel_passes_one() -> None:
    constants = chosen_constants(LINUX_6_17)
    assert (constants["COMPLETE_CTX"], constants["COMPLETE_REQ"], constants["COMPLETE_CQE"]) == (0, 1, 2)
    assert constants["TYPED_COMPLETE_CTX"] == 1
    assert "COMPLETE_RESULT" not in constants


@pytest.mark.parametrize("available", [LINUX_6_3, LINUX_6_1], ids=["6.3", "6.1"])
def test_a_completion_is_taken_from_scalars_before_that(available: Tracepoints) -> None:
    constants = chosen_constants(available)
    scalars = ("COMPLETE_CTX", "COMPLETE_REQ", "COMPLETE_USER_DATA", "COMPLETE_RESULT", "COMPLETE_CQE_FLAGS")
    assert [constants[name] for name in scalars] == [0, 1, 2, 3, 4]
    assert "COMPLETE_CQE" not in constants
    assert "TYPED_COMPLETE_CTX" not in constants, "a void * may not be read through"


def test_a_cqe_behind_an_untyped_ring_is_still_a_cqe() -> None:
    constants = chosen_constants(LINUX_6_17 | {"io_uring_complete": ("void *", "void *", "io_uring_cqe *")})
    assert constants["COMPLETE_CQE"] == 2
    assert "TYPED_COMPLETE_CTX" not in constants


def test_the_older_name_of_a_submission_is_found() -> None:
    submission = choose(FakeBtf(LINUX_6_1))[0]
    assert submission.prototype is not None
    assert submission.prototype.tracepoint == "io_uring_submit_sqe"
    assert submission.type_id == FakeBtf(LINUX_6_1).tracepoint_id("io_uring_submit_sqe")


@pytest.mark.parametrize("available", [LINUX_5_15, LINUX_5_10], ids=["5.15", "5.10"])
def test_a_kernel_that_names_no_requests_shows_no_io_uring_operations(available: Tracepoints) -> None:
    offered = interfaces_of(read_layout(FakeBtf()), choose(FakeBtf(available)))
    assert "io_uring_submit_req cannot be used: unknown form (void *" in offered.lacks_io_uring


def test_a_kernel_without_the_tracepoint_shows_no_io_uring_operations() -> None:
    available = {name: form for name, form in LINUX_6_17.items() if name != "io_uring_complete"}
    offered = interfaces_of(read_layout(FakeBtf()), choose(FakeBtf(available)))
    assert "io_uring_complete cannot be used: absent" in offered.lacks_io_uring
    assert offered.lacks_calls == ""


@pytest.mark.parametrize("interface", [Interface.ALL, Interface.SYSCALL])
def test_there_system_calls_are_captured_alone(interface: Interface) -> None:
    btf = FakeBtf(LINUX_6_17 | {"io_uring_complete": ("void *", "u64")})
    settings = Settings(Mode.COUNT, Filter.EVERYTHING, interface=interface)
    constants = program._constants(settings, read_layout(btf), choose(btf), 2)
    assert "CALLS" in constants
    assert "IO_URING" not in constants


def test_asked_for_alone_what_the_kernel_does_not_show_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    btf = FakeBtf(LINUX_6_17 | {"io_uring_complete": ("void *", "u64")})
    monkeypatch.setattr(program.Btf, "of_kernel", classmethod(lambda cls: btf))
    settings = Settings(Mode.COUNT, Filter.EVERYTHING, interface=Interface.IO_URING)
    with pytest.raises(CapabilityError, match="no io_uring operation can be captured") as caught:
        Program(settings, lambda: pytest.fail("bcc was loaded"))
    assert "--interface syscall" in caught.value.way_out


def test_a_program_for_such_a_kernel_is_refused_before_anything_is_compiled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(program.Btf, "of_kernel", classmethod(lambda cls: FakeBtf(LINUX_5_15)))
    monkeypatch.setattr(program, "_compiled", lambda *_: pytest.fail("compiled"))
    with pytest.raises(CapabilityError, match="unknown form"):
        Program(Settings(Mode.COUNT, Filter.EVERYTHING), lambda: pytest.fail("bcc was loaded"))


def test_the_report_names_form_and_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracepoints.Btf, "of_kernel", classmethod(lambda cls: FakeBtf(LINUX_5_15)))
    reports = {report.name: report for report in probe_report()}
    assert not reports["io_uring_complete"].found
    assert reports["io_uring_complete"].prototype == "unknown form (void *, u64, int, unsigned int)"
    assert reports["io_uring_link"].prototype == "absent"
    assert reports["io_uring_link"].costs
    assert reports["io_uring_create"].found


def test_every_offset_reaches_its_constant() -> None:
    layout = read_layout(FakeBtf())
    for name, paths in {**IO_URING, **REQUIRED}.items():
        assert layout.constants[name] == str(FIELDS[paths[0]].offset)
    for name, (paths, _) in OPTIONAL.items():
        if name not in OLDER_WAY:
            assert layout.constants[name] == str(FIELDS[paths[0]].offset)
    for name, path in {**CALLS[0], **NAMESPACE}.items():
        assert layout.constants[name] == str(FIELDS[path].offset)
    assert layout.missing == ()
    assert (layout.has_calls, layout.has_namespaces) == (True, True)


@pytest.mark.parametrize("path", sorted({paths[0] for paths in REQUIRED.values() if len(paths) == 1}))
def test_a_missing_required_field_is_named(path: tuple[str, str]) -> None:
    fields = {key: value for key, value in FIELDS.items() if key != path}
    with pytest.raises(CapabilityError, match=f"no field {path[1]} in struct {path[0]}") as caught:
        read_layout(FakeBtf(fields=fields))
    assert "uringtrace check" in caught.value.way_out


@pytest.mark.parametrize("path", sorted({paths[0] for paths in IO_URING.values() if len(paths) == 1}))
def test_a_missing_field_of_io_uring_costs_its_operations_only(path: tuple[str, str]) -> None:
    layout = read_layout(FakeBtf(fields={key: value for key, value in FIELDS.items() if key != path}))
    assert layout.lacks_io_uring == f"this kernel has no field {path[1]} in struct {path[0]}"
    assert layout.has_calls


def test_without_one_field_of_a_call_there_are_no_calls() -> None:
    """Half of the registers would show wrong arguments."""
    for path in CALLS[0].values():
        layout = read_layout(FakeBtf(fields={key: value for key, value in FIELDS.items() if key != path}))
        assert not layout.has_calls
        assert "system calls" in layout.missing
        assert not CALLS[0].keys() - OPTIONAL.keys() & layout.constants.keys()


def test_either_way_to_a_feature_is_enough() -> None:
    old = {key: value for key, value in FIELDS.items() if key != ("io_ring_ctx", "file_table.data.nodes")}
    assert "connections accepted into direct descriptors" in read_layout(FakeBtf(fields=old)).missing
    old |= {("io_ring_ctx", "file_table.files"): Field(80, 8)}
    assert read_layout(FakeBtf(fields=old)).missing == ()


@pytest.mark.parametrize("name", sorted(OPTIONAL.keys() - OLDER_WAY))
def test_a_missing_optional_field_costs_its_feature_only(name: str) -> None:
    paths, cost = OPTIONAL[name]
    layout = read_layout(FakeBtf(fields={key: value for key, value in FIELDS.items() if key not in paths}))
    assert cost in layout.missing
    assert name not in layout.constants


def test_a_cost_is_named_once() -> None:
    fields = {key: value for key, value in FIELDS.items() if key[0] not in ("files_struct", "fdtable")}
    layout = read_layout(FakeBtf(fields=fields))
    assert layout.missing == ("descriptors of rings created before attach",)


def test_older_places_are_tried_in_order() -> None:
    moved = {("io_kiocb", "user_data"): Field(200, 8), ("io_kiocb", "fd"): Field(208, 4)}
    fields = {key: value for key, value in FIELDS.items() if not key[1].startswith("cqe.")} | moved
    constants = read_layout(FakeBtf(fields=fields)).constants
    assert (constants["OFF_REQ_USER_DATA"], constants["OFF_REQ_FD"]) == ("200", "208")
    both = read_layout(FakeBtf(fields=FIELDS | moved)).constants
    assert both["OFF_REQ_USER_DATA"] == str(FIELDS["io_kiocb", "cqe.user_data"].offset)


@pytest.mark.parametrize(("size", "type_name"), [(4, "u32"), (8, "u64")])
def test_request_flags_are_read_in_their_width(size: int, type_name: str) -> None:
    fields = FIELDS | {("io_kiocb", "flags"): Field(16, size)}
    assert read_layout(FakeBtf(fields=fields)).constants["REQ_FLAGS_TYPE"] == type_name


@pytest.mark.parametrize("named", [True, False], ids=["enum io_uring_op", "unnamed enum"])
def test_operations_are_named_by_the_kernel(named: bool) -> None:
    opcodes = OPCODE_ENUM | {"IORING_OP_NEWER": 90, "IORING_OP_LAST": 91}
    layout = read_layout(FakeBtf(opcodes=opcodes, opcodes_named=named))
    assert layout.operation_names == OPERATION_NAMES | {90: "NEWER"}
    assert layout.constants["OPCODES"] == "92", "one row more, for opcodes the kernel does not have"


def test_an_operation_the_kernel_lacks_matches_no_opcode() -> None:
    opcodes = {name: value for name, value in OPCODE_ENUM.items() if name != "IORING_OP_SEND_ZC"}
    assert int(read_layout(FakeBtf(opcodes=opcodes)).constants["OP_SEND_ZC"]) > 255


def test_a_kernel_without_io_uring_says_so() -> None:
    assert "has no io_uring" in read_layout(FakeBtf(opcodes={})).lacks_io_uring


def test_the_running_kernel_is_known() -> None:
    """Where there is BTF at all, nothing that the probes want may be in an unknown place."""
    try:
        btf = Btf.of_kernel()
    except CapabilityError as error:
        pytest.skip(error.message)
    offered = interfaces_of(read_layout(btf), choose(btf))
    assert offered.lacks_io_uring == ""

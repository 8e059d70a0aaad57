"""What the probes are told of each call: that it is what the signatures say, and never payload."""

import numpy as np
import pytest

from tests.fakes import CALL_NAMES
from uringtrace.probes.layout import BYTE_CALLS
from uringtrace.probes.slots import CALL_LIMIT, CALL_TRAITS, NO_ARGUMENT, CallFlag, Capture, CaptureFlag
from uringtrace.tracer.record import FIRST_CALL
from uringtrace.tracer.syscalls.signature import Result, ValueForm
from uringtrace.tracer.syscalls.signatures import signature_of, signatures
from uringtrace.tracer.syscalls.traits import DESCRIPTORS, call_traits

TRAITS = call_traits("x86_64")
NUMBERS = {name: opcode - FIRST_CALL for opcode, name in CALL_NAMES.items()}
DATA = (ValueForm.PAYLOAD, ValueForm.RECEIVED_PAYLOAD)
EACH = pytest.mark.parametrize("name", sorted(NUMBERS))


def captures(name: str) -> list[tuple[int, Capture, CaptureFlag, int]]:
    """Argument, form, flags and size of each capture in use."""
    found = []
    for argument, form, size in TRAITS[NUMBERS[name]]["capture"].tolist():
        if form:
            found.append((argument, Capture(form & 0x3F), CaptureFlag(form & 0xC0), size))
    return found


def test_the_table_is_as_the_probes_expect_it() -> None:
    assert (TRAITS.dtype, TRAITS.shape) == (CALL_TRAITS, (CALL_LIMIT,))
    unused = np.setdiff1d(np.arange(CALL_LIMIT), list(NUMBERS.values()))
    assert (TRAITS["descriptor"][unused] == NO_ARGUMENT).all()
    assert not TRAITS["capture"]["form"][unused].any()
    assert not TRAITS["flags"][unused].any()


@EACH
def test_descriptors_are_those_of_the_signature(name: str) -> None:
    forms = [parameter.form for parameter in signature_of(name).parameters]
    expected = [number for number, form in enumerate(forms) if form in DESCRIPTORS]
    row = TRAITS[NUMBERS[name]]
    assert [row["descriptor"], row["second"]] == [*expected, NO_ARGUMENT, NO_ARGUMENT][:2]
    assert len(expected) <= 2


@EACH
def test_flags_are_those_of_the_signature(name: str) -> None:
    flags = CallFlag(int(TRAITS[NUMBERS[name]]["flags"]))
    result = signature_of(name).result
    assert (CallFlag.RESULT_IS_DESCRIPTOR in flags) == (result is Result.DESCRIPTOR)
    assert (CallFlag.NO_RETURN in flags) == (name in ("exit", "exit_group"))
    assert (CallFlag.BEGINS_THREAD in flags) == (name in ("fork", "vfork", "clone", "clone3"))
    assert (CallFlag.MOVES_BYTES in flags) == (name in BYTE_CALLS)


def test_every_call_that_moves_bytes_has_a_number() -> None:
    assert NUMBERS.keys() >= BYTE_CALLS


@EACH
def test_captures_can_be_carried_out(name: str) -> None:
    """Each argument at most once; what is kept from the beginning on is one, and comes first."""
    parameters = signature_of(name).parameters
    found = captures(name)
    assert sum(parameter.reading is not None for parameter in parameters) == len(found)
    assert len({argument for argument, *_ in found}) == len(found)
    kept = [form == Capture.SETS or CaptureFlag.ENTRY in flags for _, form, flags, _ in found]
    assert not any(kept[1:])
    for argument, form, _, size in found:
        assert argument < len(parameters)
        assert size or form in (
            Capture.ADDRESS,
            Capture.RETURNED_ADDRESS,
            Capture.MESSAGE,
            Capture.SETS,
        )
        if form in (Capture.COUNTED, Capture.ADDRESS, Capture.RETURNED_ADDRESS):
            assert argument + 1 < len(parameters)


@EACH
def test_payload_is_never_captured(name: str) -> None:
    parameters = signature_of(name).parameters
    assert not any(parameters[argument].form in DATA for argument, *_ in captures(name))


@pytest.mark.parametrize(
    ("name", "argument"),
    [
        ("read", 1),
        ("write", 1),
        ("pread64", 1),
        ("pwrite64", 1),
        ("sendto", 1),
        ("recvfrom", 1),
        ("getrandom", 0),
        ("mq_timedsend", 1),
        ("msgsnd", 1),
        ("msgrcv", 1),
        ("setxattr", 2),
        ("getxattr", 2),
        ("add_key", 2),
        ("process_vm_readv", 1),
        ("getdents64", 1),
    ],
)
def test_where_data_is_no_capture_looks(name: str, argument: int) -> None:
    """The signatures could be wrong about what is payload; this list was written by hand."""
    assert argument not in [captured for captured, *_ in captures(name)]


def test_of_a_socket_option_four_bytes_are_read_at_most() -> None:
    """Behind the fourth byte of SOL_TLS' option the keys begin."""
    assert captures("setsockopt") == [(3, Capture.FIXED, CaptureFlag(0), 4)]
    assert (3, Capture.FIXED, CaptureFlag.OUTPUT, 4) in captures("getsockopt")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("openat", [(1, Capture.STRING, CaptureFlag(0), 1008)]),
        ("execve", [(0, Capture.STRING, CaptureFlag.ENTRY, 1008)]),
        (
            "accept4",
            [
                (2, Capture.FIXED, CaptureFlag.ENTRY, 4),
                (1, Capture.RETURNED_ADDRESS, CaptureFlag.OUTPUT, 0),
            ],
        ),
        ("connect", [(1, Capture.ADDRESS, CaptureFlag(0), 0)]),
        ("epoll_ctl", [(3, Capture.FIXED, CaptureFlag(0), 12)]),
        ("epoll_wait", [(1, Capture.RETURNED, CaptureFlag.OUTPUT, 12)]),
        ("poll", [(0, Capture.COUNTED, CaptureFlag(0), 8)]),
        ("select", [(1, Capture.SETS, CaptureFlag(0), 0), (4, Capture.FIXED, CaptureFlag(0), 16)]),
        ("writev", [(1, Capture.COUNTED, CaptureFlag(0), 16)]),
        ("recvmsg", [(1, Capture.MESSAGE, CaptureFlag.OUTPUT, 0)]),
        ("close", []),
    ],
)
def test_what_is_read_of_some_calls(name: str, expected: list[object]) -> None:
    assert captures(name) == expected


def test_a_machine_without_a_table_has_no_traits() -> None:
    assert (call_traits("pdp11")["descriptor"] == NO_ARGUMENT).all()


def test_the_numbers_of_another_machine_are_its_own() -> None:
    traits = call_traits("aarch64")
    assert traits["flags"][93] & CallFlag.NO_RETURN
    assert traits["descriptor"][56] == 0


def test_every_signature_belongs_to_a_call() -> None:
    assert signatures().keys() <= NUMBERS.keys()

"""Whatever a call's arguments and memory are: one line, one JSON object, the names that exist."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes import ALL_NAMES, CALL_NAMES, OPCODES, call, context
from tests.text.call_records import remembering
from uringtrace.tracer.record import Kind
from uringtrace.tracer.records import CONTROL, ENTERED, IOVEC, NAME
from uringtrace.tracer.source import File
from uringtrace.tracer.syscalls.signature import ValueForm
from uringtrace.tracer.syscalls.signatures import signature_of, signatures
from uringtrace.ui.text.call_constants import CONSTANTS
from uringtrace.ui.text.call_flags import FLAGS
from uringtrace.ui.text.operation_json import OperationJson
from uringtrace.ui.text.operation_line import LineFormatter

FILES = {1: File(1, "/tmp/two\nlines\x1b[31m", 0, 0)}
NUMBERS = st.one_of(
    st.sampled_from([0, 1, 2**31, 2**32 - 1, 2**63, 2**64 - 1]),
    st.integers(0, 200),
    st.integers(0, 2**64 - 1),
)
CODES = [*range(6), *(number | ENTERED for number in range(6)), IOVEC, NAME, CONTROL]
CONTENT = st.one_of(st.binary(max_size=160), st.tuples(st.binary(max_size=64), st.integers(0, 2**32 - 1)))
FORMATTER = LineFormatter(context(), FILES)


@settings(max_examples=400)  # the first line of a call builds its table
@given(
    st.sampled_from(sorted(CALL_NAMES.values())),
    st.lists(NUMBERS, min_size=6, max_size=6),
    st.dictionaries(st.sampled_from(CODES), CONTENT, max_size=6),
    st.integers(-600, 2**40),
    st.sampled_from(list(Kind)),
    st.fixed_dictionaries(
        {
            "file": st.integers(0, 2),
            "has_arguments": st.booleans(),
            "wake": st.integers(0, 6),
            "wakes": st.integers(0, 2**16 - 1),
            "waker": st.integers(0, 5),
            "waker_opcode": st.one_of(st.just(0), st.integers(256, 1279)),
            "woke": st.integers(0, 5),
            "woke_count": st.integers(0, 2**16 - 1),
            "submitted_ns": st.integers(0, 2**63),
        }
    ),
)
def test_any_call_is_one_line_and_one_object(
    name: str,
    arguments: list[int],
    memory: dict[int, bytes | tuple[bytes, int]],
    result: int,
    kind: Kind,
    fields: dict[str, int],
) -> None:
    records = remembering(call(name, *arguments, result=result, kind=kind, **fields), memory)
    (line,) = FORMATTER.lines(records, FILES)
    assert line.startswith(f"[pid 4242 tid 4243] {name}(")
    # The ellipsis stands for what was not captured: everything else is printable ASCII.
    assert line.replace("…", "").isascii()
    assert line.isprintable()
    (text,) = OperationJson(ALL_NAMES).lines(records, FILES)
    told = json.loads(text)
    assert (told["operation"], told["number"]) == (name, OPCODES[name] - 256)


def test_every_call_of_this_machine_has_a_signature() -> None:
    assert set(signatures()) == set(CALL_NAMES.values())


def test_every_named_set_exists_and_every_set_is_used() -> None:
    used = {
        parameter.names
        for signature in signatures().values()
        for parameter in signature.parameters
        if parameter.form is ValueForm.NAMED and parameter.names != "protocol"
    }
    assert used <= FLAGS.keys() | CONSTANTS.keys()
    assert not FLAGS.keys() & CONSTANTS.keys()


@pytest.mark.parametrize("name", ["read", "recvfrom", "write", "sendto", "pread64", "getrandom", "setxattr"])
def test_payload_is_never_shown_even_where_it_was_captured(name: str) -> None:
    """Were a capture ever wrong, no screen would print what it read."""
    secret = b"secret payload"
    forms = [parameter.form for parameter in signature_of(name).parameters]
    place = next(n for n, form in enumerate(forms) if form in (ValueForm.PAYLOAD, ValueForm.RECEIVED_PAYLOAD))
    records = remembering(call(name, 3, 9, 14, 9, 9, 9, fd=3, result=14), {place: secret})
    (line,) = FORMATTER.lines(records, FILES)
    (text,) = OperationJson(ALL_NAMES).lines(records, FILES)
    assert "secret" not in line + text


def test_a_batch_formats_as_its_rows_do_one_by_one() -> None:
    batches = [call("read", 3, 9, 1, fd=3, result=1), call("getpid", result=7)]
    together = FORMATTER.lines(np.concatenate(batches), FILES)
    assert together == [FORMATTER.lines(batch, FILES)[0] for batch in batches]

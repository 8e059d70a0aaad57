"""What both sides declare, compared: sizes, offsets, constants and the histogram's buckets."""

from __future__ import annotations

import re
import subprocess
from enum import IntEnum
from pathlib import Path as FilePath

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.probes.engine import HERE, PROBES, Engine, constants, has_compiler
from uringtrace.probes import facts, slots
from uringtrace.probes.program import Filter, Mode
from uringtrace.tracer import in_flight, record, records
from uringtrace.tracer.statistics import BUCKETS, CALL_COUNTS, COUNTERS, bucket

_BY_PATH = {"inline": "by_inline", "poll": "by_poll", "io_wq": "by_io_wq"}
RENAMED = {"totals": _BY_PATH, "counts": _BY_PATH}
STRUCTS = {
    Mode.COUNT: {"request": slots.REQUEST, "totals": COUNTERS, "counts": CALL_COUNTS, "ring": slots.RING},
    Mode.STREAM: {"entry": slots.STREAM_ENTRY, "open": slots.OPEN},
    Mode.STREAM_ARGUMENTS: {
        "operation_slot": slots.OPERATION_SLOT,
        "arguments_slot": slots.ARGUMENTS_SLOT,
        "sequence_slot": slots.SEQUENCE_SLOT,
        "sqe": slots.SQE,
        "request": slots.STREAM_REQUEST,
        "entry": slots.ARGUMENTS_ENTRY,
        "open": slots.OPEN,
        "ring": slots.RING,
        "call_slot": slots.CALL_SLOT,
        "call_arguments_slot": slots.CALL_ARGUMENTS_SLOT,
        "wake_slot": slots.WAKE_SLOT,
        "memory_slot": slots.MEMORY_SLOT,
        "socket_event_slot": slots.SOCKET_EVENT_SLOT,
        "call": np.dtype(slots.CALL_ENTRY.descr[1:]),
        "call_traits": slots.CALL_TRAITS,
    },
}
ENUMS: tuple[tuple[type[IntEnum] | dict[str, int], str], ...] = (
    (slots.Counter, "{}"),
    (slots.RingSeen, "SEEN_{}"),
    ({kind.name: kind for kind in record.Kind}, "KIND_{}"),
    ({"ARGUMENTS": slots.ARGUMENTS_KIND, "SEQUENCE": slots.SEQUENCE_KIND}, "KIND_{}"),
    ({"CALL": slots.CALL_KIND, "SOCKET_EVENT": slots.SOCKET_EVENT_KIND}, "KIND_{}"),
    ({"CALL_ARGUMENTS": slots.CALL_ARGUMENTS_KIND, "WAKE": slots.WAKE_KIND}, "KIND_{}"),
    ({"MEMORY": slots.MEMORY_KIND}, "KIND_{}"),
    ({flag.name or "": flag for flag in slots.CallFlag}, "{}"),
    ({state.name or "": state for state in slots.CallState}, "CALL_{}"),
    (slots.Capture, "CAPTURE_{}"),
    ({flag.name or "": flag for flag in slots.CaptureFlag}, "CAPTURE_{}"),
    (record.Wake, "WAKE_{}"),
    (records.SocketEventKind, "SOCKET_{}"),
    ({path.name or "": path for path in record.Path}, "PATH_{}"),
)
CONSTANTS = {
    "SQE_ARGUMENTS_SEEN": slots.ARGUMENTS_SEEN,
    "UNKNOWN_OPCODE": record.UNKNOWN_OPCODE,
    "SQE_CQE_SKIP": record.SQE_CQE_SKIP_SUCCESS,
    "CQE_MORE": record.CQE_F_MORE,
    "CQE_NOTIF": record.CQE_F_NOTIF,
    "RING_LIMIT": slots.RING_LIMIT,
    "CALL_LIMIT": slots.CALL_LIMIT,
    "NO_ARGUMENT": slots.NO_ARGUMENT,
    "NO_CALL": slots.NO_CALL,
    "REQUEST_CALL": slots.REQUEST_CALL,
    "MEMORY_BYTES": records.MEMORY_BYTES,
    "ENTERED": records.ENTERED,
    "ARGUMENT_IOVEC": records.IOVEC,
    "ARGUMENT_NAME": records.NAME,
    "ARGUMENT_CONTROL": records.CONTROL,
    "COUNTERS_END": len(slots.Counter),
    "REQUEST_POSTS_MANY": in_flight._POSTS_MANY,
    "REQUEST_NONZERO": in_flight._REQUEST_NONZERO,
}


def ask(folder: FilePath, mode: Mode, questions: list[str]) -> list[int]:
    """The values of C expressions in the probes' sources."""
    source = folder / "ask.c"
    lines = "".join(f'printf("%lld\\n", (long long)({question}));\n' for question in questions)
    source.write_text(
        f'#include <stdio.h>\n#include "{HERE}/userspace/engine.c"\nint main(void) {{\n{lines}return 0;\n}}\n'
    )
    program = folder / "ask"
    definitions = [f"-D{name}={value}" for name, value in constants(mode, Filter.EVERYTHING).items()]
    subprocess.run(
        ["cc", "-w", f"-I{PROBES}", *definitions, "-o", str(program), str(source)], check=True, timeout=60
    )
    output = subprocess.run([str(program)], check=True, capture_output=True, text=True, timeout=10)
    return [int(line) for line in output.stdout.split()]


@pytest.mark.skipif(not has_compiler(), reason="no C compiler (cc) or no kernel UAPI headers here")
@pytest.mark.parametrize("mode", STRUCTS, ids=lambda mode: mode.name.lower())
def test_dtypes_repeat_the_structs(mode: Mode, tmp_path: FilePath) -> None:
    questions: list[str] = []
    expected: list[tuple[str, int]] = []
    for struct, dtype in STRUCTS[mode].items():
        names = dtype.names or ()
        # A slot's dtype begins with the ring buffer's header, which the C struct does not have.
        header = 8 if struct.endswith("_slot") else 0
        questions.append(f"sizeof(struct {struct})")
        expected.append((struct, dtype.itemsize - header))
        for name in names[2:] if header else names:
            c_name = RENAMED.get(struct, {}).get(name, name)
            item, offset = dtype.fields[name][:2]
            questions += [
                f"offsetof(struct {struct}, {c_name})",
                f"sizeof(((struct {struct} *)0)->{c_name})",
            ]
            expected += [(f"{struct}.{name} offset", offset - header), (f"{struct}.{name}", item.itemsize)]
    answers = ask(tmp_path, mode, questions)
    assert list(zip([what for what, _ in expected], answers, strict=True)) == expected


@pytest.mark.parametrize(
    "dtype",
    [dtype for structs in STRUCTS.values() for dtype in structs.values()],
    ids=lambda dtype: str(dtype.itemsize),
)
def test_dtypes_leave_no_byte_unnamed(dtype: np.dtype[np.void]) -> None:
    """With equal sizes this means that the C struct has no field that the dtype lacks."""
    assert sum(item[0].itemsize for item in dtype.fields.values()) == dtype.itemsize


@pytest.mark.skipif(not has_compiler(), reason="no C compiler (cc) or no kernel UAPI headers here")
def test_constants_are_the_same(tmp_path: FilePath) -> None:
    expected = dict(CONSTANTS)
    for values, pattern in ENUMS:
        members = values if isinstance(values, dict) else values.__members__
        expected |= {pattern.format(name): int(value) for name, value in members.items() if int(value)}
    expected |= {
        "offsetof(struct file_fact, path)": facts._FILE_FIXED.size,
        "sizeof(struct process_fact)": facts._PROCESS.size,
        "FACT_FILE": facts._FILE,
        "FACT_FORK": facts._FORK,
        "FACT_EXIT": facts._EXIT,
        "sizeof(struct one_slot) + 8": slots.SLOT_SIZE,
        "sizeof(struct two_slots) + 8": 2 * slots.SLOT_SIZE,
        "sizeof(struct three_slots) + 8": 3 * slots.SLOT_SIZE,
        "SCRATCH_SLOTS": slots.SLOTS_PER_RECORD,
    }
    answers = ask(tmp_path, Mode.STREAM_ARGUMENTS, list(expected))
    assert dict(zip(expected, answers, strict=True)) == expected


def test_every_counter_of_the_probes_has_its_row() -> None:
    text = (PROBES / "record.h").read_text()
    body = re.search(r"enum counter \{(.*?)\};", text, re.DOTALL)
    assert body is not None
    names = re.findall(r"^\t(\w+),", body[1], re.MULTILINE)
    assert names == [*slots.Counter.__members__, "COUNTERS_END"]


EDGES = [value for bit in range(64) for value in ((1 << bit) - 1, 1 << bit, (1 << bit) + 1)]


def test_buckets_are_the_same_at_every_edge(counting: Engine) -> None:
    assert [counting.bucket(edge) for edge in EDGES] == bucket(np.array(EDGES, "<u8")).tolist()


@given(st.integers(0, 2**64 - 1) | st.integers(0, 2**46))
def test_buckets_are_the_same_for_every_latency(counting: Engine, latency_ns: int) -> None:
    number = counting.bucket(latency_ns)
    assert number == int(bucket(np.array([latency_ns], "<u8"))[0])
    assert number < BUCKETS

"""Memory under requests: overlapping buffers against a count of all pairs, and what is taken away."""

from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import RING, STARTED_NS, call, row, rows
from tests.findings.diagnosing import diagnosed, finding, state
from uringtrace.tracer.findings import Severity, State
from uringtrace.tracer.record import SQE_BUFFER_SELECT, SQE_FIXED_FILE

REQUESTS = st.lists(
    st.tuples(
        st.sampled_from(["READ", "RECV", "WRITE", "SEND"]),
        st.integers(0, 40),
        st.integers(1, 12),
        st.integers(0, 60),
        st.integers(1, 20),
    ),
    min_size=1,
    max_size=24,
)


def requests(described):
    return [
        row(
            operation,
            addr=0x1000 + place,
            len=length,
            after_ns=1_000 * begin + number,
            took_ns=1_000 * took,
            result=1,
        )
        for number, (operation, place, length, begin, took) in enumerate(described)
    ]


def pairs(described):
    """All pairs, one by one."""
    spans = [
        (0x1000 + place, 0x1000 + place + length, 1000 * begin + number, 1000 * (begin + took) + number, name)
        for number, (name, place, length, begin, took) in enumerate(described)
    ]
    return sum(
        a[0] < b[1] and b[0] < a[1] and a[2] < b[3] and b[2] < a[3] and bool({a[4], b[4]} & {"READ", "RECV"})
        for index, a in enumerate(spans)
        for b in spans[:index]
    )


@given(REQUESTS)
def test_all_pairs_of_one_drain_are_found(described):
    result = diagnosed(rows(*requests(described)))
    expected = pairs(described)
    assert state(result, "buffer-overlap") is (State.FOUND if expected else State.CLEAR)
    if expected:
        assert finding(result, "buffer-overlap").value("pairs") == expected


@given(REQUESTS)
def test_pairs_of_two_drains_are_found_once(described):
    """A drain brings what completed since the one before it."""
    made = sorted(requests(described), key=lambda each: int(each["completed_ns"][0]))
    half = len(made) // 2
    result = diagnosed(rows(*made[:half]), rows(*made[half:]))
    found = finding(result, "buffer-overlap").value("pairs") if pairs(described) else 0
    assert found == pairs(described)


def test_a_buffer_that_is_sent_twice_is_no_hazard_and_one_that_is_used_again_later_is_none():
    sends = [row("SEND", addr=0x1000, len=100, after_ns=1000 * number, result=100) for number in range(5)]
    later = [
        row("RECV", addr=0x9000, len=100, after_ns=20_000 * number, took_ns=10_000, result=9)
        for number in range(5)
    ]
    assert state(diagnosed(rows(*sends, *later)), "buffer-overlap") is State.CLEAR


def test_operations_of_one_chain_share_a_buffer_rightly():
    chain = [
        row(name, addr=0x1000, len=64, chain=77, chain_position=place, after_ns=1_000 + place, result=64)
        for place, name in enumerate(("RECV", "SEND"))
    ]
    assert state(diagnosed(rows(*chain)), "buffer-overlap") is State.CLEAR


def test_buffers_that_the_kernel_chose_have_no_address():
    chosen = [
        row("RECV", len=64, sqe_flags=SQE_BUFFER_SELECT, after_ns=1_000 + n, result=64) for n in range(3)
    ]
    assert state(diagnosed(rows(*chosen)), "buffer-overlap") is State.NOT_APPLICABLE


def test_memory_unmapped_under_a_request():
    read = row("READ", addr=0x5000, len=4096, after_ns=1_000_000, took_ns=500_000, result=4096)
    away = call("munmap", 0x4000, 0x2000, after_ns=1_200_000, took_ns=1_000)
    found = finding(diagnosed(rows(away, read)), "memory-unmapped")
    assert found.severity is Severity.CRITICAL
    assert found.value("unmapped") == 1
    assert found.window is not None
    assert found.window.end_ns == STARTED_NS + 1_201_000


def test_memory_unmapped_elsewhere_or_afterwards_is_no_finding():
    read = row("READ", addr=0x5000, len=4096, after_ns=1_000_000, took_ns=500_000, result=4096)
    elsewhere = call("munmap", 0x9000, 0x2000, after_ns=1_200_000, took_ns=1_000)
    afterwards = call("munmap", 0x4000, 0x2000, after_ns=1_600_000, took_ns=1_000)
    assert state(diagnosed(rows(elsewhere, read, afterwards)), "memory-unmapped") is State.CLEAR


def test_files_unregistered_while_in_use_are_worth_knowing():
    unregister = call("io_uring_register", 4, 3, fd=4, after_ns=1_200_000, took_ns=9_000)
    used = row("RECV", sqe_flags=SQE_FIXED_FILE, after_ns=1_000_000, took_ns=500_000, result=4)
    found = finding(diagnosed(rows(unregister, used), rings=(RING,)), "unregistered-in-use")
    assert (found.severity, found.value("in_use")) == (Severity.INFO, 1)
    plain = row("RECV", after_ns=1_000_000, took_ns=500_000, result=4)
    assert state(diagnosed(rows(unregister, plain, used[:0])), "unregistered-in-use") is State.NOT_APPLICABLE

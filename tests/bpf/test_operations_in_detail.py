"""What one operation says of itself: its place in a chain or a sequence, its path, its flags.

Out of one recording of all subjects of `kinds`, against what the program knows.
"""

from __future__ import annotations

import errno

import numpy as np
import pytest

from tests.bpf.conftest import Recorded, Seen, subject_names
from uringtrace.tracer.record import (
    CQE_BUFFER_SHIFT,
    CQE_F_BUFFER,
    CQE_F_MORE,
    CQE_F_NOTIF,
    SQE_IO_DRAIN,
    SQE_IO_HARDLINK,
    SQE_IO_LINK,
    Batch,
    Kind,
    Path,
)

pytestmark = pytest.mark.bpf


def subject(recorded: Recorded, name: str) -> Seen:
    seen = recorded.subjects[name]
    if not seen.said["supported"]:
        pytest.skip(f"{name}: {seen.said['why']}")
    return seen


def rows(seen: Seen, operation: str) -> Batch:
    [opcode] = [number for number, name in seen.context.operation_names.items() if name == operation]
    assert seen.batch is not None
    return seen.batch[seen.batch["opcode"] == opcode]


def series(batch: Batch) -> list[Batch]:
    """The completions of each operation, operations in order of submission."""
    return [batch[batch["submitted_ns"] == submitted] for submitted in np.unique(batch["submitted_ns"])]


@pytest.mark.parametrize("name", ["links", "broken_links", "skip", "timeouts"])
def test_chains_have_their_length_and_order(recorded: Recorded, name: str) -> None:
    seen = subject(recorded, name)
    assert seen.batch is not None
    linked = seen.batch[seen.batch["chain"] != 0]
    chains = [linked[linked["chain"] == first] for first in np.unique(linked["chain"])]
    assert [len(chain) for chain in chains] == seen.said["chains"]
    for chain in chains:
        chain = chain[np.argsort(chain["submitted_ns"])]
        assert chain["chain_position"].tolist() == list(range(len(chain)))
        assert chain["chain"][0] == chain["submitted_ns"][0]
        assert (chain["sqe_flags"][:-1] & (SQE_IO_LINK | SQE_IO_HARDLINK) != 0).all()
    assert len(seen.batch) - len(linked) == seen.said.get("unlinked", len(seen.batch) - len(linked))


@pytest.mark.parametrize("name", [name for name in subject_names() if name.startswith("multishot")])
def test_multishot_operations_number_their_completions(recorded: Recorded, name: str) -> None:
    seen = subject(recorded, name)
    stated = seen.said["multishot"]
    for operation in {each["operation"] for each in stated}:
        told = [each for each in stated if each["operation"] == operation]
        found = series(rows(seen, operation))
        assert [len(each) for each in found] == [each["completions"] for each in told]
        assert [each["result"][-1] for each in found] == [each["result"] for each in told]
        for each in found:
            assert each["sequence"].tolist() == list(range(1, len(each) + 1))
            assert each["previous_ns"][1:].tolist() == each["completed_ns"][:-1].tolist()
            assert each["previous_ns"][0] == 0
            more = each["cqe_flags"] & CQE_F_MORE != 0
            assert more.tolist() == [True] * (len(each) - 1) + [False]


def test_open_multishot_operations_with_one_user_data_are_ambiguous_or_told_apart(recorded: Recorded) -> None:
    seen = subject(recorded, "shared_user_data")
    polls = rows(seen, "POLL_ADD")
    assert len(polls) == sum(seen.said["multishot_sharing_user_data"])
    known = polls[polls["path"] & Path.AMBIGUOUS == 0]
    lengths = [len(each) for each in series(known)]
    assert len(known) == 0 or max(lengths) <= max(seen.said["multishot_sharing_user_data"])


def test_zero_copy_sends_have_a_second_notification(recorded: Recorded) -> None:
    seen = subject(recorded, "zerocopy")
    for operation in ("SEND_ZC", "SENDMSG_ZC"):
        for first, second in series(rows(seen, operation)):
            assert first["cqe_flags"] & (CQE_F_MORE | CQE_F_NOTIF) == CQE_F_MORE
            assert second["cqe_flags"] & (CQE_F_MORE | CQE_F_NOTIF) == CQE_F_NOTIF
            assert first["completed_ns"] <= second["completed_ns"]


@pytest.mark.parametrize("name", ["provided_buffers", "buffer_ring"])
def test_provided_buffers_are_named(recorded: Recorded, name: str) -> None:
    seen = subject(recorded, name)
    received = rows(seen, "RECV")
    chosen = received[received["cqe_flags"] & CQE_F_BUFFER != 0]
    assert (chosen["cqe_flags"] >> CQE_BUFFER_SHIFT).tolist() == seen.said["buffer_ids"]
    assert set(received["buf_index"].tolist()) == {seen.said["buffer_group"]}


def test_drained_operations_are_told_from_those_they_hold_up(recorded: Recorded) -> None:
    seen = subject(recorded, "drain")
    assert seen.batch is not None
    drained = seen.batch["sqe_flags"] & SQE_IO_DRAIN != 0
    assert drained.sum() == seen.said["drained"]
    deferred = seen.batch["path"] & Path.DEFERRED != 0
    assert deferred.sum() >= seen.said["held_up"]
    receive = rows(seen, "RECV")
    held_up = seen.batch[deferred][: seen.said["held_up"]]
    assert (held_up["completed_ns"] >= receive["completed_ns"]).all()


@pytest.mark.parametrize("name", ["broken_links", "rejected"])
def test_refused_requests_are_marked(recorded: Recorded, name: str) -> None:
    seen = subject(recorded, name)
    assert seen.batch is not None
    rejected = seen.batch[seen.batch["path"] & Path.REJECTED != 0]
    assert len(rejected) == seen.said["rejected"]
    assert set(rejected["result"].tolist()) <= {-errno.EINVAL, -errno.EOPNOTSUPP}


@pytest.mark.parametrize("name", ["overflow", "overflow_io_wq", "overflow_multishot"])
def test_completions_that_found_the_queue_full_are_marked(recorded: Recorded, name: str) -> None:
    seen = subject(recorded, name)
    assert seen.batch is not None
    assert (seen.batch["path"] & Path.OVERFLOW != 0).sum() == seen.said["overflows"]


def test_a_renamed_poll_completes_under_both_names(recorded: Recorded) -> None:
    """IORING_POLL_UPDATE_USER_DATA: the operation that was queued as the first ends as the second."""
    seen = subject(recorded, "polls")
    _, after = seen.said["renamed_user_data"]
    ended = rows(seen, "POLL_ADD")
    assert (ended["user_data"] == after).sum() == 1


def test_sqpoll_operations_belong_to_the_application(recorded: Recorded) -> None:
    """Submitted by a kernel thread, which the kernel shows as a thread of the application."""
    seen = subject(recorded, "sqpoll")
    assert seen.batch is not None
    assert set(seen.batch["tid"].tolist()) == {seen.said["sq_thread"]}
    assert set(seen.batch["tgid"].tolist()) == {ring.tgid for ring in seen.rings}


def test_messages_of_other_rings_are_no_operations(recorded: Recorded) -> None:
    seen = subject(recorded, "msg_ring")
    assert seen.batch is not None
    messages = seen.batch[seen.batch["kind"] == Kind.MESSAGE]
    assert len(messages) == seen.said["messages"]
    assert set((messages["user_data"] >> 56).tolist()) == {0xFF}


def test_processes_have_their_own_rings(recorded: Recorded) -> None:
    seen = subject(recorded, "many_rings")
    assert seen.batch is not None
    for process in seen.said["by_process"]:
        own = [ring for ring in seen.rings if ring.tgid == process["pid"]]
        assert (len(own), sum(ring.completions for ring in own)) == (process["rings"], process["cqe_total"])
        assert (seen.batch["tgid"] == process["pid"]).sum() == process["cqe_total"]


def test_no_operation_ends_before_it_starts_and_rings_are_in_order(recorded: Recorded) -> None:
    for name, seen in recorded.subjects.items():
        assert seen.batch is not None
        known = seen.batch[seen.batch["submitted_ns"] != 0]
        assert (known["submitted_ns"] <= known["completed_ns"]).all(), name
        for ring in seen.rings:
            identity = known[(known["ring"] == ring.ring) & (known["sequence"] <= 1)]
            single = identity[identity["cqe_flags"] & CQE_F_NOTIF == 0]
            assert len(np.unique(single["submitted_ns"])) == len(single), name

"""Crowds of io-wq workers: as seen in /proc, and as far as records tell."""

import pytest

from tests.fakes import STARTED_NS, FakeSource, call, context, row, rows
from tests.findings.diagnosing import PROBES, diagnosed, finding, state
from uringtrace.tracer.findings import Confidence, Diagnosis, Severity, State
from uringtrace.tracer.findings.thread_looks import ThreadLooks, look_at
from uringtrace.tracer.record import Kind, Path
from uringtrace.tracer.source import File

MS = 1_000_000
PIPE = File(7, "pipe:[99]", 14, 99)
LOG = File(8, "/var/log/access", 8, 5)


def held(count, *, file=7, took_ms=500, **fields):
    """Operations that a worker has each, all at the same time."""
    values = {"took_ns": took_ms * MS, "path": Path.IO_WQ, "file": file, "fd": file, **fields}
    return rows(*(row("SPLICE", after_ns=MS + number, **values) for number in range(count)))


def judged(*parts):
    return diagnosed(*parts, files={7: PIPE, 8: LOG})


def test_operations_that_hold_a_worker_each():
    found = finding(judged(held(40)), "worker-storm")
    assert (found.severity, found.confidence) == (Severity.WARNING, Confidence.MEDIUM)
    assert (found.value("at_once"), found.value("operation")) == (40, "SPLICE")
    assert (found.subject.tgid, found.subject.fd, found.subject.file) == (4242, 7, PIPE.description)


@pytest.mark.parametrize(
    "batch",
    [held(20), held(200, file=8), held(200, took_ms=0), held(200, completed_ns=STARTED_NS)],
    ids=["few", "files, which the kernel bounds", "short", "damaged"],
)
def test_what_needs_few_workers_is_no_crowd(batch):
    assert state(judged(batch), "worker-storm") is State.CLEAR


def test_they_are_counted_over_drains_and_up_to_now():
    """Half of them end in one drain, some in another, and the rest not at all."""
    waiting = held(10, kind=Kind.UNFINISHED)
    result = judged(held(20, took_ms=400), held(10, took_ms=600), waiting)
    assert finding(result, "worker-storm").value("at_once") == 40


def proc(folder, workers):
    for tid in range(100, 100 + workers + 1):
        task = folder / "4242/task" / str(tid)
        task.mkdir(parents=True)
        (task / "comm").write_text("server\n" if tid == 100 else "iou-wrk-4242\n")
        (task / "schedstat").write_text("1000 0 1\n")


def looked_at(folder, workers, batch):
    proc(folder, workers)
    source = FakeSource((batch,), context(probes=PROBES), files={7: PIPE, 8: LOG})
    diagnosis = Diagnosis(source.context)
    look_at([4242], diagnosis.shared.looks, STARTED_NS + 100, folder)
    diagnosis.add(next(source.records()), source)
    return diagnosis.judge(source)


def test_workers_are_counted_where_they_can_be_seen(tmp_path, monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 8)
    found = finding(looked_at(tmp_path / "many", 34, held(5, file=8)), "worker-storm")
    assert (found.value("workers"), found.value("workers_in_all"), found.value("at_once")) == (34, 34, 5)
    assert found.confidence is Confidence.HIGH
    assert state(looked_at(tmp_path / "few", 32, held(5, file=8)), "worker-storm") is State.CLEAR


def test_where_they_can_be_seen_records_do_not_count(tmp_path):
    assert state(looked_at(tmp_path, 0, held(40)), "worker-storm") is State.CLEAR


def test_those_that_went_are_counted_as_met(tmp_path):
    proc(tmp_path / "a", 3)
    proc(tmp_path / "b", 2)
    looks = ThreadLooks()
    for at_ns, folder in ((1, "a"), (2, "b")):
        look_at([4242], looks, at_ns, tmp_path / folder)
    workers = looks.workers[4242]
    assert (workers.most, workers.most_ns, len(workers.met)) == (3, 1, 3)


def test_without_rings_there_is_nothing_to_judge():
    assert state(judged(call("read", 3, result=1)), "worker-storm") is State.NOT_APPLICABLE

"""What counts as worse than a baseline: measures of two captures, and how sure a difference has to be."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes import STARTED_NS, FakeSource, call, context, row, rows
from tests.recording.conftest import write_recording
from tests.text.test_json_documented import check_object
from uringtrace.cli.main import main
from uringtrace.tracer.findings import State, regression_samples
from uringtrace.tracer.findings.regression import Compared, Unit, compare, verdicts
from uringtrace.tracer.findings.regression_samples import (
    MOST_SLICES,
    SLICE_NS,
    Samples,
    SampleTaker,
    samples_of,
)
from uringtrace.tracer.record import Path as IoPath
from uringtrace.tracer.recording import open_recording
from uringtrace.tracer.records import only_operations
from uringtrace.tracer.statistics import BUCKETS, bucket, quantile_ns

PROBES = ("io_uring_submit_req", "io_uring_complete", "sys_enter", "sys_exit", "inet_sock_set_state")
NAMES = {
    "more-operations-per-request",
    "more-calls-per-request",
    "slower-requests",
    "slower-requests-p99",
    "more-io-wq",
    "more-poll",
}


def samples(
    seed: int = 1,
    *,
    slices: int = 40,
    requests: int = 500,
    calls: float = 0.5,
    operations: float = 2.0,
    punted: float = 0.0,
    polled: float = 0.5,
    took_ns: float = 400_000.0,
    lost: int = 0,
) -> Samples:
    """A server whose load and times differ from slice to slice."""
    random = np.random.default_rng(seed)
    answered = random.poisson(requests, slices)
    times = np.zeros((slices, BUCKETS), np.int64)
    for number, count in enumerate(answered.tolist()):
        drawn = random.lognormal(np.log(took_ns), 0.6, count)
        np.add.at(times[number], bucket(drawn.astype(np.uint64)), 1)
    completed = random.poisson(answered * operations)
    return Samples(
        SLICE_NS,
        operations=completed,
        calls=random.poisson(answered * calls),
        polled=random.binomial(completed, polled),
        punted=random.binomial(completed, punted),
        requests=answered,
        times=times,
        sees_operations=True,
        sees_calls=True,
        lost=lost,
    )


def by_tag(compared: tuple[Compared, ...]) -> dict[str, Compared]:
    return {each.tag: each for each in compared}


def worse(compared: tuple[Compared, ...]) -> list[str]:
    return [each.tag for each in compared if each.is_worse]


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10_000))
def test_the_same_program_under_the_same_load_is_not_worse(seed: int) -> None:
    assert worse(compare(samples(2 * seed), samples(2 * seed + 1))) == []


@pytest.mark.parametrize(
    ("change", "tags"),
    [
        ({"calls": 1.0}, ["more-calls-per-request"]),
        ({"operations": 2.4}, ["more-operations-per-request"]),
        ({"took_ns": 600_000.0}, ["slower-requests", "slower-requests-p99"]),
        ({"punted": 0.1}, ["more-io-wq"]),
        ({"polled": 0.8}, ["more-poll"]),
        ({"calls": 0.2, "took_ns": 200_000.0}, []),
    ],
)
def test_what_is_worse_is_found_and_what_is_better_is_not(change: dict[str, float], tags: list[str]) -> None:
    compared = compare(samples(1), samples(2, **change))  # type: ignore[arg-type]
    assert worse(compared) == tags
    said = verdicts(compared)
    assert [each.tag for each in said if each.state is State.FOUND] == tags
    for tag in tags:
        (finding,) = next(each for each in said if each.tag == tag).findings
        assert finding.value("now") == by_tag(compared)[tag].now
        assert finding.severity.word == ("info" if tag == "more-poll" else "warning")


def test_the_values_are_those_of_the_whole_captures() -> None:
    before, now = samples(1), samples(2)
    compared = by_tag(compare(before, now))
    assert compared["more-calls-per-request"].now == now.calls.sum() / now.requests.sum()
    assert compared["more-poll"].before == before.polled.sum() / before.operations.sum()
    whole = now.times.sum(axis=0).astype(np.uint64)
    for tag, per_mille in (("slower-requests", 500), ("slower-requests-p99", 990)):
        assert compared[tag].now == pytest.approx(quantile_ns(whole, per_mille), rel=1 / 16)
    for each in compared.values():
        assert each.low is not None
        assert each.high is not None
        assert each.now is not None
        assert each.before is not None
        difference = each.now - each.before if each.unit is Unit.SHARE else each.now / max(each.before, 1e-9)
        assert each.low <= difference <= each.high or each.before == each.now == 0


def test_a_difference_that_noise_explains_is_no_verdict() -> None:
    """Twice the calls in one slice of forty, as a pause of the machine makes them."""
    now = samples(2)
    calls = now.calls.copy()
    calls[7] *= 2
    assert worse(compare(samples(1), replace(now, calls=calls))) == []


def test_times_that_fall_to_either_side_of_a_buckets_edge_are_equal() -> None:
    before, now = samples(1), samples(2)
    for each, place in ((before, 300), (now, 301)):
        each.times[:] = 0
        each.times[:, place] = each.requests
    assert worse(compare(before, now)) == []


@pytest.mark.parametrize(
    ("changed", "tag", "missing"),
    [
        (samples(2, lost=3), "more-calls-per-request", "all records: 3 were lost in this capture"),
        (samples(2, slices=5), "more-calls-per-request", "12 slices of 0.25 s in this capture"),
        (samples(2, requests=2), "more-calls-per-request", "100 requests in this capture"),
        (samples(2, requests=20), "slower-requests-p99", "2,000 requests in this capture"),
        (replace(samples(2), sees_calls=False), "more-calls-per-request", "system calls in this capture"),
        (
            replace(samples(2), sees_operations=False),
            "more-operations-per-request",
            "operations of io_uring in this capture",
        ),
    ],
)
def test_with_too_little_there_is_no_verdict(changed: Samples, tag: str, missing: str) -> None:
    compared = by_tag(compare(samples(1), changed))[tag]
    assert (compared.missing, compared.now, compared.is_worse) == (missing, None, False)
    (verdict,) = [each for each in verdicts(compare(samples(1), changed)) if each.tag == tag]
    assert verdict.state is State.NOT_APPLICABLE
    swapped = by_tag(compare(changed, samples(1)))[tag]
    assert swapped.missing == missing.replace("this capture", "the baseline")


def test_counts_are_by_slice_and_long_captures_have_longer_slices() -> None:
    every = SLICE_NS // 2
    slices = MOST_SLICES + 10
    batch = rows(
        *(
            row("READ", path=IoPath.IO_WQ if each % 4 == 0 else IoPath.POLL, after_ns=each * every, took_ns=0)
            for each in range(2 * slices)
        ),
        *(call("getpid", after_ns=each * every + 1, took_ns=0) for each in range(2 * slices)),
    )
    facts = FakeSource((), context=context(probes=PROBES))
    facts.ended_ns = STARTED_NS + slices * SLICE_NS - 1
    taker = SampleTaker(facts.context)
    order = np.argsort(batch["completed_ns"], kind="stable")
    for part in np.array_split(batch[order], 7):
        taker.add(only_operations(part), facts)
    taken = taker.samples(facts)
    assert taken.slice_ns == 2 * SLICE_NS
    assert len(taken.operations) == slices // 2
    assert set(taken.operations.tolist()) == set(taken.calls.tolist()) == {4}
    assert set(taken.punted.tolist()) == {1}
    assert set(taken.polled.tolist()) == {3}
    assert taken.requests.sum() == 0


def test_a_recording_has_the_requests_that_its_connections_have(repository: Path) -> None:
    recording = open_recording(repository / "targets/demo/recording")
    with recording.query("SELECT sum(requests) FROM connections WHERE role = 'server'") as result:
        ((requests,),) = result.rows()
    with recording.query(
        "SELECT interface, count(*) FROM operations WHERE kind = 'COMPLETION' GROUP BY 1"
    ) as result:
        counts = dict(result.rows())
    taken = samples_of(recording)
    assert requests > 0
    assert taken.requests.sum() == taken.times.sum() == requests
    assert (taken.operations.sum(), taken.calls.sum()) == (counts["io_uring"], counts["syscall"])


def test_the_command_compares_in_each_form(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    demo = str(repository / "targets/demo/recording")
    words = ["diagnose", "--baseline", demo, demo]
    assert main([*words, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    check_object(told, "diagnosis")
    for each in told["baseline"]:
        check_object(each, "measures")
    assert {each["tag"] for each in told["baseline"]} == NAMES <= {each["tag"] for each in told["rules"]}
    assert all(each["state"] != "worse" for each in told["baseline"])
    judged = [each for each in told["baseline"] if each["missing"] is None]
    assert all(each["now"] == each["before"] for each in judged)
    assert main(words) == 0
    assert f"compared with {demo} (99% confidence):" in capsys.readouterr().out
    assert main([*words, "--markdown"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("## Diagnosis of ")
    assert "| measure | baseline | now |" in text


def test_a_regression_trips_the_gate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, repository: Path
) -> None:
    """With the default gate of warnings, and only with it."""
    taken = [samples(1), samples(2, calls=2.0)]
    monkeypatch.setattr(regression_samples, "samples_of", lambda source: taken[0])
    monkeypatch.setattr(SampleTaker, "samples", lambda self, facts: taken[1])
    quiet = row("NOP", after_ns=5)
    path = str(write_recording(tmp_path / "quiet", [quiet]))
    words = ["diagnose", "--baseline", path, path]
    assert main(words) == 0
    assert main([*words, "--fail-on", "warn"]) == 3
    assert main([*words, "--fail-on", "critical"]) == 0
    taken[1] = samples(2)
    assert main([*words, "--fail-on", "warn"]) == 0


def test_a_baseline_that_is_none_is_said_to_be_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["diagnose", "--baseline", str(tmp_path), str(tmp_path)]) == 2
    assert "recording" in capsys.readouterr().err

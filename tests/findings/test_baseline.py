"""Comparing two captures: what is worse is found, what chance explains is not."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from uringtrace.tracer.findings import State
from uringtrace.tracer.findings.baseline import compare
from uringtrace.tracer.findings.measured import Measured
from uringtrace.tracer.statistics import BUCKETS, bucket


def capture(requests=2000, calls=2.0, operations=0.0, workers=0.0, ms=1.0, seed=1) -> Measured:
    times = np.random.default_rng(seed).lognormal(np.log(ms * 1e6), 0.5, requests).astype(np.uint64)
    histogram = np.bincount(bucket(times), minlength=BUCKETS).astype(np.uint64)
    done = round(operations * requests)
    return Measured(requests, round(calls * requests), done, round(workers * done), histogram)


def worse(before: Measured, now: Measured) -> set[object]:
    return {each.value("measure") for each in compare(before, now).findings}


def test_each_measure_that_grew_is_named():
    before = capture(operations=2)
    assert worse(before, capture(calls=3, operations=2)) == {"system calls per request"}
    assert worse(before, capture(operations=4)) == {"io_uring operations per request"}
    assert worse(before, capture(operations=2, workers=0.5)) == {"share of io-wq"}
    assert worse(before, capture(operations=2, ms=2)) == {"p50 of requests", "p99 of requests"}


def test_what_became_better_is_no_finding():
    before = capture(calls=3, operations=4, workers=0.5, ms=2)
    assert compare(before, capture(operations=2)).state is State.CLEAR


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000), st.integers(100, 3000), st.integers(100, 3000))
def test_two_captures_of_the_same_do_not_differ(seed, requests, requests_now):
    before, now = capture(requests, seed=seed), capture(requests_now, seed=seed + 1)
    assert compare(before, now).state is State.CLEAR


def test_few_requests_are_nothing_to_compare():
    assert compare(capture(50), capture(calls=9)).state is State.NOT_APPLICABLE

"""The histogram: buckets as the C formula computes them, quantiles within RESOLUTION of numpy's."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from uringtrace.tracer.statistics import (
    BUCKETS,
    RESOLUTION,
    bucket,
    bucket_edges,
    quantile_ns,
    upper_bound_ns,
)

LATENCIES = st.one_of(
    st.integers(0, 2**64 - 1),
    st.integers(0, 100),
    st.integers(4, 63).flatmap(lambda e: st.integers(2**e - 2, 2**e + 2)),
)


def c_bucket(value: int) -> int:
    """The formula of the module's docstring on Python's integers."""
    if value < 16:
        return value
    exponent = value.bit_length() - 1
    return min((exponent - 4 + 1) * 16 + ((value >> (exponent - 4)) & 15), BUCKETS - 1)


def histogram(values: list[int]) -> np.ndarray:
    return np.bincount(bucket(np.array(values, np.uint64)), minlength=BUCKETS).astype(np.uint64)


@given(st.lists(LATENCIES, max_size=50))
def test_bucket_is_the_c_formula_bit_for_bit(values: list[int]) -> None:
    assert bucket(np.array(values, np.uint64)).tolist() == [c_bucket(value) for value in values]


def test_each_bucket_holds_exactly_the_values_between_its_edges() -> None:
    edges = bucket_edges()
    assert edges.shape == (BUCKETS + 1,)
    numbers = np.arange(BUCKETS)
    assert (bucket(edges[:-1].astype(np.uint64)) == numbers).all()
    assert (bucket((edges[1:] - 1).astype(np.uint64)) == numbers).all()
    assert edges[-1] == 2**44


@given(st.lists(st.integers(0, 2**43), min_size=1, max_size=200), st.sampled_from([500, 900, 990, 999]))
def test_quantiles_agree_with_numpy_within_the_resolution(values: list[int], per_mille: int) -> None:
    found = quantile_ns(histogram(values), per_mille, max(values))
    rank = -(-len(values) * per_mille // 1000)
    exact = sorted(values)[rank - 1]
    # numpy computes the rank in floating point: give it the middle between two ranks
    assert exact == np.quantile(np.array(values), (rank - 0.5) / len(values), method="inverted_cdf")
    assert found is not None
    assert abs(found - exact) <= RESOLUTION * exact


def test_a_quantile_is_absent_without_operations_and_beyond_the_last_edge() -> None:
    assert quantile_ns(np.zeros(BUCKETS, np.uint64), 500) is None
    assert quantile_ns(histogram([2**50]), 500, 2**50) is None
    assert upper_bound_ns(histogram([2**50])) is None


def test_the_highest_quantile_never_exceeds_the_maximum() -> None:
    assert quantile_ns(histogram([1_000_001]), 999, 1_000_001) <= 1_000_001


@given(st.lists(st.integers(0, 2**43), min_size=1, max_size=50))
def test_the_upper_bound_holds_and_is_tight(values: list[int]) -> None:
    bound = upper_bound_ns(histogram(values))
    assert bound is not None
    assert max(values) <= bound <= max(values) * (1 + 1 / 16)

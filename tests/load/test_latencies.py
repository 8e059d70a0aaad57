"""The buckets keep their promise: never too low, never more than the resolution too high."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uringtrace.targets.load.latencies import RESOLUTION, Latencies


def filled(values):
    latencies = Latencies()
    for value in values:
        latencies.add(value)
    return latencies


@given(
    st.lists(st.integers(0, 2**63 - 1), min_size=1, max_size=60),
    st.sampled_from([1, 500, 900, 990, 999, 1000]),
)
def test_quantiles_against_the_sorted_values(values, permille):
    exact = sorted(values)[max(1, -(-len(values) * permille // 1000)) - 1]
    found = filled(values).quantile_ns(permille)
    assert exact <= found <= exact + exact * RESOLUTION


@given(st.lists(st.integers(0, 2**63 - 1), min_size=1))
def test_what_is_exact(values):
    latencies = filled(values)
    assert (latencies.min_ns, latencies.max_ns, latencies.count) == (min(values), max(values), len(values))
    assert latencies.mean_ns() == sum(values) // len(values)


@pytest.mark.parametrize("value", [0, 1, 127, 128, 255, 256, 257, 511, 512, 2**40, 2**63 - 1])
def test_a_single_value_is_its_own_quantile(value):
    assert filled([value]).quantile_ns(500) == value


def test_nothing_counted_is_not_zero():
    latencies = Latencies()
    assert (latencies.quantile_ns(500), latencies.mean_ns(), latencies.max_ns) == (None, None, None)

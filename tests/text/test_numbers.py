"""Numbers for people: fixed cases, and that shortening never misleads."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uringtrace.ui.text import numbers

UNITS = {"ns": 1, "µs": 1e3, "ms": 1e6, "s": 1e9, "B": 1} | {
    f"{prefix}iB": 1024**power for power, prefix in enumerate("KMGTPE", 1)
}


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "0ns"),
        (7, "7ns"),
        (12.25, "12.2ns"),
        (999, "999ns"),
        (999.7, "1.00µs"),
        (1000, "1.00µs"),
        (12_345, "12.3µs"),
        (99_960, "100µs"),
        (999_600, "1.00ms"),
        (1_230_000, "1.23ms"),
        (5_400_000_000_000, "5400s"),
        (None, "–"),
    ],
)
def test_durations(nanoseconds: float | None, text: str) -> None:
    assert numbers.duration(nanoseconds) == text


@pytest.mark.parametrize(
    ("part", "text"),
    [(0, "0%"), (1, "100%"), (0.5, "50.0%"), (0.00001, "<0.1%"), (0.99999, ">99.9%"), (None, "–")],
)
def test_a_share_says_none_or_all_only_when_it_is(part: float | None, text: str) -> None:
    assert numbers.share(part) == text


def test_counts_are_exact_and_rates_short() -> None:
    assert numbers.count(20_000_000) == "20,000,000"
    assert numbers.rate(0.5) == "0.50/s"
    assert numbers.rate(1_234_567.0) == "1.23M/s"
    assert numbers.size(4096) == "4.00KiB"
    assert numbers.size(78) == "78B"
    assert (numbers.count(None), numbers.rate(None), numbers.size(None)) == ("–", "–", "–")


@given(st.integers(0, 999 * 10**9))
def test_a_duration_is_short_and_within_half_a_percent(nanoseconds: int) -> None:
    text = numbers.duration(nanoseconds)
    assert len(text) <= 6
    value, unit = re.fullmatch(r"([\d.]+)(\D+)", text).groups()
    assert abs(float(value) * UNITS[unit] - nanoseconds) <= 0.0051 * nanoseconds


@given(st.integers(0, 2**64 - 1))
def test_a_size_is_short_and_within_half_a_percent(size: int) -> None:
    text = numbers.size(size)
    assert len(text) <= 7
    value, unit = re.fullmatch(r"([\d.]+)(\D+)", text).groups()
    assert abs(float(value) * UNITS[unit] - size) <= 0.0051 * size

"""Numbers as a person reads them, short enough for a table of 80 columns.

Counts are shown in full, since they are exact; everything else has three
significant digits. None, not observed, is a dash.
"""

from __future__ import annotations

UNKNOWN = "\u2013"
"""An en dash: not observed, which is not 0."""

_TIME_UNITS = ("ns", "µs", "ms", "s")
_RATE_UNITS = ("/s", "k/s", "M/s", "G/s")
_BYTE_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")


def count(value: int | None) -> str:
    """`1,234,567`"""
    return UNKNOWN if value is None else f"{value:,}"


def duration(nanoseconds: float | None) -> str:
    """`812ns`, `12.3µs`, `1.23ms`, `45.0s`, `5400s`"""
    return UNKNOWN if nanoseconds is None else _scaled(nanoseconds, _TIME_UNITS, 1000)


def rate(per_second: float | None) -> str:
    """`0.50/s`, `12.3k/s`, `1.23M/s`"""
    return UNKNOWN if per_second is None else _scaled(per_second, _RATE_UNITS, 1000)


def size(value: int | None) -> str:
    """`78B`, `4.00KiB`, `1.23GiB`"""
    return UNKNOWN if value is None else _scaled(value, _BYTE_UNITS, 1024)


def share(part: float | None) -> str:
    """`0%`, `12.3%`, `100%`; `<0.1%` and `>99.9%` where rounding would claim none or all."""
    if part is None:
        return UNKNOWN
    if part in (0, 1):
        return f"{part:.0%}"
    if part < 0.001:
        return "<0.1%"
    if part > 0.999:
        return ">99.9%"
    return f"{part:.1%}"


def average(value: float | None) -> str:
    """`1.0`, `31.9`"""
    return UNKNOWN if value is None else f"{value:,.1f}"


def seconds(value: float) -> str:
    """`0.5 s`, `10.0 s`, as text about a capture says it."""
    return f"{value:,.1f} s"


def _scaled(value: float, units: tuple[str, ...], step: int) -> str:
    """Three significant digits in the largest unit that leaves at least 1; whole numbers stay whole."""
    exponent = 0
    # 999.5 would be printed as 1000 of the smaller unit.
    while value >= step - 0.5 and exponent < len(units) - 1:
        value /= step
        exponent += 1
    unit = units[exponent]
    if value >= 99.95 or (exponent == 0 and value == int(value)):
        return f"{value:.0f}{unit}"
    return f"{value:.1f}{unit}" if value >= 9.995 else f"{value:.2f}{unit}"

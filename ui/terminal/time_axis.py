"""The axis of the timeline: ticks at round moments since the start of the capture."""

from __future__ import annotations

from uringtrace.ui.terminal.lanes import Window

_SECOND = 1_000_000_000
_FACTORS = (1, 2, 5)
_TICK = "│"
_UNITS = ((1_000_000_000, "s"), (1_000_000, "ms"), (1_000, "µs"), (1, "ns"))


def step_ns(span_ns: int, width: int, least: int) -> int:
    """The shortest of 1, 2, 5, 10, … ns at which ticks stand at least `least` cells apart."""
    power = 1
    while True:
        for factor in _FACTORS:
            step = factor * power
            if step * width >= least * span_ns:
                return step
        power *= 10


def axis(window: Window, started_ns: int) -> str:
    """`window.width` characters. A label stands right of its tick: the first one in full, since the
    start; of short steps the others are how much later."""
    span_ns = window.end_ns - window.start_ns
    step = step_ns(span_ns, window.width, 11)
    line = [" "] * window.width
    first = -(-(window.start_ns - started_ns) // step) * step
    place = 0
    for moment in range(first, window.end_ns - started_ns + 1, step):
        cell = int((moment + started_ns - window.start_ns) * window.width // span_ns)
        if cell < place or cell >= window.width:
            continue
        absolute = moment == first or step >= 1_000_000
        label = _TICK + (since_start(moment, step) if absolute else "+" + short(moment - first))
        if cell + len(label) > window.width:
            label = _TICK
        line[cell : cell + len(label)] = label
        place = cell + len(label) + 1
    return "".join(line)


def since_start(moment_ns: int, step: int) -> str:
    """Seconds with the decimals that a step needs: `12.35s`."""
    decimals = 0
    while decimals < 9 and step % 10 ** (9 - decimals):
        decimals += 1
    sign = "-" if moment_ns < 0 else ""
    whole, rest = divmod(abs(moment_ns), _SECOND)
    fraction = f".{rest:09d}"[: decimals + 1] if decimals else ""
    return f"{sign}{whole:,}{fraction}s"


def short(nanoseconds: int) -> str:
    """A round time in its largest unit: `250µs`, `1.5ms`."""
    for size, unit in _UNITS:
        if nanoseconds >= size:
            return f"{nanoseconds / size:g}{unit}"
    return "0"

"""The values of a filter, from text to what they mean; each reader raises `WrongValue`."""

from __future__ import annotations

import errno
from collections.abc import Collection, Mapping, Sequence
from difflib import get_close_matches

from uringtrace.tracer.filter.syntax import Descriptor
from uringtrace.tracer.filter.words import INTERFACES, LATENCY_UNITS, NUMBERS, PATHS, WAKES
from uringtrace.tracer.filter.wrong_value import WrongValue

_DIGITS = 40
"""More than any duration needs, and fewer than int() refuses to read."""

_RESTARTS = {
    "ERESTARTSYS": 512,
    "ERESTARTNOINTR": 513,
    "ERESTARTNOHAND": 514,
    "ENOIOCTLCMD": 515,
    "ERESTART_RESTARTBLOCK": 516,
}
"""Of a call that a signal interrupted, include/linux/errno.h; the application never sees them."""

_ERRORS: Mapping[str, int] = {
    **{name: number for number, name in errno.errorcode.items()},
    "EWOULDBLOCK": errno.EWOULDBLOCK,
    "ENOTSUP": errno.ENOTSUP,
    "EDEADLOCK": errno.EDEADLOCK,
    **_RESTARTS,
}


def did_you_mean(word: str, known: Sequence[str]) -> str:
    """A sentence with the nearest known words, or an empty one."""
    near = get_close_matches(word, known, n=2, cutoff=0.6)
    return f"did you mean {' or '.join(near)}?" if near else ""


def descriptor(text: str) -> Descriptor:
    number = text.removeprefix("fixed:")
    direct = number != text
    if not (number.isdecimal() and number.isascii() and len(number) <= 10 and int(number) < 2**31):
        raise WrongValue(f"{text!r} is not a descriptor", "write fd=3 or fd=fixed:3")
    return Descriptor(int(number), direct)


def path(text: str) -> str:
    """One of the words of `PATHS`; `io_wq` is `io-wq`."""
    name = text.replace("_", "-")
    if name not in PATHS and text.startswith(("/", ".", "~")):
        way_out = f"for a file: file={text}, or -P {text}"
        raise WrongValue(f"{text!r} is not the path of an operation", way_out)
    return _one_of(name, PATHS, "path", "paths")


def interface(text: str) -> str:
    return _one_of(text, INTERFACES, "interface", "interfaces")


def wake(text: str) -> str:
    return _one_of(text, WAKES, "kind of wake-up", "kinds")


def _one_of(text: str, known: Collection[str], noun: str, nouns: str) -> str:
    if text not in known:
        way_out = did_you_mean(text, tuple(known)) or f"{nouns}: {', '.join(known)}"
        raise WrongValue(f"unknown {noun} {text!r}", way_out)
    return text


def error_number(text: str) -> int:
    number = _ERRORS.get(text.upper())
    if number is None:
        way_out = did_you_mean(text.upper(), tuple(_ERRORS)) or "for example: error=EAGAIN"
        raise WrongValue(f"unknown error {text!r}", way_out)
    return number


def number(word: str, text: str) -> int:
    """The value of one of `NUMBERS`: in the range of its column, durations in nanoseconds."""
    if word == "latency":
        return _nanoseconds(text)
    if word == "result" and text.upper() in _ERRORS:
        return -_ERRORS[text.upper()]
    try:
        value = int(text, 0)
    except ValueError:
        raise WrongValue(f"{text!r} is not a number", f"for example: {word}=1") from None
    lowest, highest = NUMBERS[word]
    if not lowest <= value <= highest:
        raise WrongValue(f"{word} is never {text}", f"it lies between {lowest} and {highest}")
    return value


def _nanoseconds(text: str) -> int:
    digits = text.rstrip("nuµms")
    unit = text[len(digits) :]
    try:
        if len(digits) > _DIGITS or not digits.isascii() or not digits.replace(".", "", 1).isdecimal():
            raise ValueError(digits)
        scale = LATENCY_UNITS[unit]
    except (ValueError, KeyError):
        way_out = f"a number and one of {', '.join(LATENCY_UNITS)}: 1.5ms"
        raise WrongValue(f"{text!r} is not a duration", way_out) from None
    whole, _, fraction = digits.partition(".")
    # On integers, since 0.1ms must not become 99999 ns.
    value = int(whole or "0") * scale + int(fraction or "0") * scale // int("1" + "0" * len(fraction))
    if value > NUMBERS["latency"][1]:
        raise WrongValue("no latency is that long")
    return value

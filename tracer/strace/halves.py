"""The text of a call, whole or in part, to its record."""

from __future__ import annotations

from dataclasses import dataclass

from uringtrace.tracer.strace import forms
from uringtrace.tracer.strace.arguments import CutError, split_arguments
from uringtrace.tracer.strace.records import Call, Ending, Record, Result, Unparsed
from uringtrace.tracer.strace.results import NoResultError, parse_result


@dataclass(frozen=True, slots=True)
class Half:
    """What was read of a call: of most it is all, of interrupted ones its beginning."""

    lines: tuple[int, ...]
    tid: int | None
    started_ns: int | None
    text: str
    """From the name on, without the keys in it."""
    keys: bool
    """It is about keys."""
    mixed: bool = False
    """Text of another program is in it."""


def complete(
    half: Half, name: str | None, *, begun: bool = True, resumed_ns: int | None = None
) -> Call | None:
    """The call, if the text is one with its result; `name` is what it begins with, if that is known."""
    text = half.text
    name = name or forms.call_name(text)
    if name is None:
        return None
    try:
        if text.endswith("?") and (never := forms.NEVER_RETURNED.search(text)):
            arguments, _ = split_arguments(text[: never.start()] + ")", len(name) + 1)
            result, duration_ns = Result("?", None, None, (), False, False), None
        else:
            arguments, end = split_arguments(text, len(name) + 1)
            result, duration_ns = parse_result(text, end)
    except (CutError, NoResultError):
        return None
    ending = Ending.NOT_RETURNED if result.value is None and result.error is None else Ending.RETURNED
    return _call(half, name, arguments, result, duration_ns, ending, begun, resumed_ns)


def unfinished(half: Half, ending: Ending) -> Call:
    """The call as far as it was printed."""
    name = forms.call_name(half.text) or ""
    try:
        arguments, _ = split_arguments(half.text + ")", len(name) + 1)
    except CutError:
        arguments = (half.text[len(name) + 1 :].strip(),)
    return _call(half, name, arguments, None, None, ending, True, None)


def without_beginning(half: Half, name: str, resumed_ns: int | None) -> Record:
    """The end of a call whose beginning is not in the log, which may begin within an argument."""
    # A note on the result may hold what looks like one: not the last such place need be the result.
    for found in list(forms.RESULT_BEGIN.finditer(half.text))[:-9:-1]:
        try:
            result, duration_ns = parse_result(half.text, found.start() + 1)
        except NoResultError:
            continue
        ending = Ending.RETURNED if result.value is not None or result.error else Ending.NOT_RETURNED
        return _call(half, name, (), result, duration_ns, ending, False, resumed_ns)
    return Unparsed(half.lines, half.text)


def _call(
    half: Half,
    name: str,
    arguments: tuple[str, ...],
    result: Result | None,
    duration_ns: int | None,
    ending: Ending,
    begun: bool,
    resumed_ns: int | None,
) -> Call:
    resumes = None
    if name == "restart_syscall" and arguments and (found := forms.RESUMES.fullmatch(arguments[0])):
        resumes = found[1]
    return Call(
        half.lines,
        half.tid,
        half.started_ns,
        resumed_ns,
        duration_ns,
        name,
        arguments,
        result,
        ending,
        begun,
        resumes,
        half.mixed,
        half.keys,
        half.text,
    )

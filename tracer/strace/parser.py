"""Lines of strace's output to records.

One pass, one line at a time. Invariant: no text raises, and each line's number is in exactly
one record. A call is yielded when its last line was read; calls whose end is not in the log
come last.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from uringtrace.tracer.strace import forms, keys
from uringtrace.tracer.strace.halves import Half, complete, unfinished, without_beginning
from uringtrace.tracer.strace.leader import Clock, Leader, nanoseconds, parse_leader
from uringtrace.tracer.strace.records import (
    Call,
    Detail,
    End,
    Ending,
    Notice,
    Record,
    Signal,
    Unparsed,
)


def parse(lines: Iterable[str], *, tid: int | None = None) -> Iterator[Record]:
    """The records of one log, from its lines without newlines.

    `tid` is the thread of lines that name none: of a file of -ff, which has it in its name.
    """
    reading = _Reading(tid)
    for number, line in enumerate(lines, 1):
        if call := reading.plain_call(number, line):
            yield call
        else:
            yield from reading.line(number, line)
    yield from reading.rest()


def without_keys(lines: Iterable[str]) -> Iterator[str]:
    """The same lines, as many, without the keys that `parse` takes out of them."""
    reading = _Reading(None)
    for number, line in enumerate(lines, 1):
        if reading.plain_call(number, line):
            yield line
        else:
            for _ in reading.line(number, line):
                pass
            yield reading.written


class _Reading:
    """What one log needs remembered from line to line."""

    def __init__(self, tid: int | None) -> None:
        self._tid = tid
        self._steps_ns = 0
        self._begun: dict[int | None, Half] = {}
        """Thread → its call whose `resumed` line is still to come."""
        self._cut: Half | None = None
        """A call whose line ended too early: text of another program, or of strace, came into it."""
        self._keys_cut = False
        """A line with keys was cut: any later one may be its rest."""
        self._table = False
        """In the table of -c."""
        self.written = ""
        """The line that `line` was given last, without the keys in it; known when its records were taken."""

    def plain_call(self, number: int, line: str) -> Call | None:
        """The call of a line of the most usual form, as `line` would give it, but quickly."""
        begin = forms.PLAIN.match(line)
        if begin is None or self._cut or "\x1b" in line or keys.may_have_keys(line):
            return None
        column, bracket, seconds, part, name = begin.groups()
        tid = int(column or bracket) if column or bracket else self._tid
        if tid in self._begun:
            return None
        started_ns = None if seconds is None else nanoseconds(seconds, part)
        return complete(Half((number,), tid, started_ns, line[begin.start(5) :], False), name)

    def line(self, number: int, line: str) -> Iterator[Record]:
        """The records that this line completes."""
        line = forms.without_colours(line.removesuffix("\r"))
        leader = parse_leader(line)
        tid = self._tid if leader.tid is None else leader.tid
        body = line[leader.end :]
        is_key = False
        if keys.may_have_keys(body) or (self._cut and self._cut.keys) or self._has_keys(tid):
            body, is_key = self._without_keys(body, tid)
        self.written = line[: leader.end] + body
        at_ns = self._time(leader)
        if name := forms.call_name(body):
            yield from self._call_line(Half((number,), tid, at_ns, body, is_key), name)
        elif resumed := forms.RESUMED.match(body):
            yield from self._resumed(number, tid, at_ns, resumed["name"], body[resumed.end() :], is_key)
        elif signal := forms.SIGNAL.fullmatch(body):
            yield from self._given_up()
            yield Signal((number,), tid, at_ns, signal["name"], bool(signal["stopped"]), signal["details"])
        elif end := forms.END.fullmatch(body):
            yield from self._given_up()
            yield from self._ended(number, tid, at_ns, end["how"])
        elif forms.NOTICE.fullmatch(body):
            yield from self._notice((number,), body)
        else:
            yield from self._other(number, line[: leader.end] + body, body)

    def rest(self) -> Iterator[Record]:
        """The calls whose end is not in the log."""
        yield from self._given_up()
        for half in self._begun.values():
            yield unfinished(half, Ending.UNFINISHED)
        self._begun.clear()

    def _time(self, leader: Leader) -> int | None:
        if leader.clock is not Clock.STEPS:
            return leader.time_ns
        self._steps_ns += leader.time_ns or 0
        return self._steps_ns

    def _without_keys(self, body: str, tid: int | None) -> tuple[str, bool]:
        """The text without the keys in it, and whether it is about keys at all."""
        if resumed := forms.RESUMED.match(body):
            found = self._half(tid, resumed["name"])
            if found[1].keys if found else keys.may_return_keys(resumed["name"]):
                return keys.without_value(body, resumed.end()), True
        if (redacted := keys.without_keys(body)) is not None:
            return redacted, True
        if resumed:
            return body, False
        if self._cut and self._cut.keys and forms.call_name(body) is None:
            return keys.without_value(body, 0), True
        return body, False

    def _has_keys(self, tid: int | None) -> bool:
        """Whether a call with keys of this thread, or of one without a name, waits for its rest."""
        return any(half.keys for half in (self._begun.get(tid), self._begun.get(None)) if half) or (
            tid is None and any(half.keys for half in self._begun.values())
        )

    def _call_line(self, half: Half, name: str) -> Iterator[Record]:
        yield from self._given_up()
        if half.tid is not None and (lost := self._begun.pop(half.tid, None)):
            yield unfinished(lost, Ending.UNFINISHED)
        if half.text.endswith(forms.UNFINISHED):
            half = replace(half, text=half.text.removesuffix(forms.UNFINISHED))
            if before := self._begun.pop(half.tid, None):
                yield unfinished(before, Ending.UNFINISHED)
            self._begun[half.tid] = half
        elif half.text.endswith(forms.DETACHED):
            yield unfinished(replace(half, text=half.text.removesuffix(forms.DETACHED)), Ending.DETACHED)
        elif call := complete(half, name):
            yield call
        else:
            if inner := forms.INNER_NOTICE.search(half.text):
                yield from self._notice((), half.text[inner.start() :])
                half = replace(half, text=half.text[: inner.start()])
            else:
                half = replace(half, mixed=True)
            self._cut = half
            self._keys_cut = self._keys_cut or half.keys

    def _resumed(
        self, number: int, tid: int | None, at_ns: int | None, name: str, second: str, is_key: bool
    ) -> Iterator[Record]:
        yield from self._given_up()
        found = self._half(tid, name)
        if found is None:
            orphan = Half((number,), tid, None, f"{name}({second.lstrip()}", is_key)
            yield complete(orphan, name, begun=False, resumed_ns=at_ns) or without_beginning(
                orphan, name, at_ns
            )
            return
        key, half = found
        del self._begun[key]
        joined = replace(
            half,
            lines=(*half.lines, number),
            tid=tid if half.tid is None else half.tid,
            text=half.text + second,
            keys=half.keys or is_key,
        )
        if joined.text.endswith(forms.UNFINISHED):
            self._begun[joined.tid] = replace(joined, text=joined.text.removesuffix(forms.UNFINISHED))
        elif joined.text.endswith(forms.DETACHED):
            yield unfinished(replace(joined, text=joined.text.removesuffix(forms.DETACHED)), Ending.DETACHED)
        else:
            yield complete(joined, name, resumed_ns=at_ns) or Unparsed(joined.lines, joined.text)

    def _half(self, tid: int | None, name: str) -> tuple[int | None, Half] | None:
        """The beginning of the call that a `resumed` line of that name ends, and its key.

        In the form with brackets a line has no thread while strace has only one: then it is the
        only call of that name that may be the thread's.
        """
        half = self._begun.get(tid)
        if half and forms.call_name(half.text) == name:
            return tid, half
        found = [
            (key, half)
            for key, half in self._begun.items()
            if (key is None or tid is None) and forms.call_name(half.text) == name
        ]
        return found[0] if len(found) == 1 else None

    def _notice(self, lines: tuple[int, ...], text: str) -> Iterator[Record]:
        yield Notice(lines, text)
        if (gone := forms.LET_GO.search(text)) and (half := self._begun.pop(int(gone[1]), None)):
            yield unfinished(half, Ending.DETACHED)

    def _ended(self, number: int, tid: int | None, at_ns: int | None, how: str) -> Iterator[Record]:
        if half := self._begun.pop(tid, None):
            yield unfinished(half, Ending.NOT_RETURNED)
        if (by := forms.SUPERSEDED.fullmatch(how)) and (half := self._begun.pop(int(by[1]), None)):
            # The thread that called execve goes on under the id of the first one.
            self._begun[tid] = half
        yield End((number,), tid, at_ns, how)

    def _other(self, number: int, line: str, body: str) -> Iterator[Record]:
        """A line that is nothing by itself."""
        if self._cut is not None:
            half = replace(self._cut, lines=(*self._cut.lines, number), text=self._cut.text + body)
            if half.text.endswith(forms.UNFINISHED):
                self._cut = None
                self._begun[half.tid] = replace(half, text=half.text.removesuffix(forms.UNFINISHED))
                return
            if half.text.endswith(forms.DETACHED):
                self._cut = None
                yield unfinished(replace(half, text=half.text.removesuffix(forms.DETACHED)), Ending.DETACHED)
                return
            if forms.REST.match(body) and (call := complete(half, None)):
                self._cut = None
                yield call
                return
        if forms.DETAIL.match(line):
            yield Detail((number,), line)
            return
        if forms.TABLE_BEGIN.match(line):
            self._table = True
        if self._table and (forms.TABLE.fullmatch(line) or forms.TABLE_BEGIN.match(line)):
            yield Notice((number,), line)
            return
        self._table = False
        if self._keys_cut or number == 1:
            # The first line of a log may be the rest of one, too.
            line = self.written = keys.without_strings(line)
        yield Unparsed((number,), line)

    def _given_up(self) -> Iterator[Record]:
        """The call that was cut, whose rest did not come."""
        if self._cut is not None:
            cut, self._cut = self._cut, None
            yield Unparsed(cut.lines, cut.text)

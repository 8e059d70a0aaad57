"""Two observations of one deterministic program, call by call, thread by thread.

Invariant: what the kernel chooses anew in every run corresponds one to one. The pointer that
is P on one side is Q on the other wherever it occurs, and nothing else is Q.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher

from tests.strace.shape import RESULT, Chosen, Place, Shape, ShownFile, shape
from tests.strace.strace_output import StraceCall

BEGINS_TASK = frozenset({"clone", "clone3", "fork", "vfork"})


@dataclass
class Correspondence:
    """What of the one run is what of the other."""

    _forth: dict[Chosen, set[str]] = field(default_factory=dict)
    _back: dict[Chosen, set[str]] = field(default_factory=dict)

    def agrees(self, left: Chosen, right: Chosen) -> bool:
        """Whether these may be the same thing, given all that was asked before."""
        if left.sort != right.sort:
            return False
        forth = self._forth.setdefault(left, set())
        back = self._back.setdefault(right, set())
        forth.add(right.value)
        back.add(left.value)
        # TCP and UDP choose their ports apart: two sockets may have the same in one run only.
        most = 2 if left.sort == "port" else 1
        return len(forth) <= most and len(back) <= most


@dataclass
class Comparison:
    """What was found; `differences` are texts to print."""

    names: tuple[str, str]
    """Of the two sides."""
    exceptions: Mapping[Place, str]
    """Places where the sides may differ in any way, with the reason."""
    not_decoded: Mapping[Place, str]
    """Places where the right side may have a bare pointer, with the reason."""
    differences: list[str] = field(default_factory=list)
    file_differences: list[str] = field(default_factory=list)
    """Of calls that are the same but for what a descriptor stands for."""
    differing: set[str] = field(default_factory=set)
    """Calls that were in a difference."""
    compared: set[str] = field(default_factory=set)
    """Calls that both sides had."""
    used_exceptions: set[Place] = field(default_factory=set)
    calls: int = 0
    files_compared: int = 0
    """Descriptors of which both sides said what they stand for."""
    _correspondence: Correspondence = field(default_factory=Correspondence)

    @property
    def agreeing(self) -> set[str]:
        """Calls that agreed in all arguments and the result, each time they were made."""
        excepted = {name for name, _ in self.used_exceptions}
        return self.compared - self.differing - excepted

    def report(self, limit: int = 12) -> str:
        """The first differences, both lines one below the other."""
        differences = self.differences + self.file_differences
        shown = "\n\n".join(differences[:limit])
        return f"{len(differences)} differences among {self.calls} calls:\n\n{shown}"

    def thread(self, left: Sequence[StraceCall], right: Sequence[StraceCall], which: str) -> None:
        """Compares the calls of one thread, which `which` names."""
        matcher = SequenceMatcher(
            None, [call.name for call in left], [call.name for call in right], autojunk=False
        )
        for tag, from_left, to_left, from_right, to_right in matcher.get_opcodes():
            if tag == "equal":
                for offset in range(to_left - from_left):
                    place = f"{which}, call {from_left + offset + 1}"
                    self._call(left[from_left + offset], right[from_right + offset], place)
                continue
            lines = [f"{which}, after call {from_left}: only one side has"]
            for name, calls in zip(
                self.names, (left[from_left:to_left], right[from_right:to_right]), strict=True
            ):
                lines += [f"  {name:<10}  {line(call)}" for call in calls[:8]]
                self.differing.update(call.name for call in calls)
            self.differences.append("\n".join(lines))

    def _call(self, left: StraceCall, right: StraceCall, place: str) -> None:
        self.calls += 1
        self.compared.add(left.name)
        found: list[str] = []
        files: list[str] = []
        counts = sorted((len(left.arguments), len(right.arguments)))
        lacking = {(left.name, position) for position in range(*counts)}
        if lacking <= set(self.exceptions):
            self.used_exceptions |= lacking
            for position, (one, other) in enumerate(zip(left.arguments, right.arguments, strict=False)):
                found += self._text(one, other, (left.name, position), files)
        else:
            found.append(f"{len(left.arguments)} arguments and {len(right.arguments)}")
        found += self._text(left.result, right.result, (left.name, RESULT), files)
        if left.error != right.error and not _killed_in_it(left, right):
            found.append(f"error {left.error} and {right.error}")
        if left.note and right.note and left.error is None:
            found += self._text(left.note, right.note, (left.name, RESULT), files)
        if found or files:
            self.differing.add(left.name)
            both = [
                f"  {name:<10}  {line(call)}" for name, call in zip(self.names, (left, right), strict=True)
            ]
            text = "\n".join([place, *both, *(f"              {text}" for text in found + files)])
            (self.differences if found else self.file_differences).append(text)

    def _text(self, left: str, right: str, place: Place, files: list[str]) -> list[str]:
        """What differs; what descriptors stand for is added to `files`."""
        ours, theirs = shape(left, place), shape(right, place)
        why = self._unlike(ours, theirs)
        where = "result" if place[1] == RESULT else f"argument {place[1]}"
        if why is None:
            files += [f"{where}: {unlike}" for unlike in self._files(ours, theirs)]
            return []
        if place in self.exceptions or (place in self.not_decoded and theirs.text == "pointer"):
            self.used_exceptions.add(place)
            return []
        return [f"{where}: {why}"]

    def _unlike(self, left: Shape, right: Shape) -> str | None:
        if left.text != right.text:
            return f"{left.text} ≠ {right.text}"
        return self._chosen(left.chosen, right.chosen)

    def _files(self, left: Shape, right: Shape) -> list[str]:
        theirs = dict(right.files)
        found = (self._file(file, theirs[place]) for place, file in left.files if place in theirs)
        return [unlike for unlike in found if unlike]

    def _chosen(self, left: Sequence[Chosen], right: Sequence[Chosen]) -> str | None:
        for one, other in zip(left, right, strict=True):
            if not self._correspondence.agrees(one, other):
                return f"{one.sort} {one.value} is not {other.value} everywhere"
        return None

    def _file(self, left: ShownFile, right: ShownFile) -> str | None:
        self.files_compared += 1
        if left.kind != right.kind:
            return f"<{left.kind}> ≠ <{right.kind}>"
        if left.name is None or right.name is None:
            return None
        if left.name != right.name:
            return f"<{left.name}> ≠ <{right.name}>"
        return self._chosen(left.chosen, right.chosen)


def _killed_in_it(left: StraceCall, right: StraceCall) -> bool:
    """Whether both say that the call did not return, and one with what error it was left.

    strace does not see that error where the thread ends before it would be told.
    """
    errors = (left.error or "", right.error or "")
    return left.result == right.result == "?" and "" in errors and max(errors).startswith("ERESTART")


def line(call: StraceCall) -> str:
    """The call as one line, without times."""
    ending = "".join([f" {call.error}" if call.error else "", f" ({call.note})" if call.note else ""])
    return f"{call.name}({', '.join(call.arguments)}) = {call.result}{ending}"


def compare(
    left: Sequence[StraceCall],
    right: Sequence[StraceCall],
    names: tuple[str, str],
    exceptions: Mapping[Place, str],
    not_decoded: Mapping[Place, str] | None = None,
) -> Comparison:
    """Threads are paired through the calls that began them, the first ones with each other.

    Those whose beginning is not among the calls are paired in the order they appear in.
    """
    comparison = Comparison(names, exceptions, not_decoded or {})
    by_left, by_right = _by_thread(left), _by_thread(right)
    number = 0
    while by_left and by_right:
        pending = [(next(iter(by_left)), next(iter(by_right)))]
        while pending:
            number += 1
            one, other = pending.pop(0)
            ours, theirs = by_left.pop(one, []), by_right.pop(other, [])
            comparison.thread(ours, theirs, f"thread {number}")
            pending += zip(_begun(ours), _begun(theirs), strict=False)
    for name, rest in zip(names, (by_left, by_right), strict=True):
        for tid, calls in rest.items():
            comparison.differences.append(f"only {name} has thread {tid}:\n  {line(calls[0])}")
    return comparison


def _by_thread(calls: Sequence[StraceCall]) -> dict[int, list[StraceCall]]:
    threads: dict[int, list[StraceCall]] = {}
    for call in calls:
        threads.setdefault(call.tid, []).append(call)
    return threads


def _begun(calls: Sequence[StraceCall]) -> list[int]:
    return [int(call.result) for call in calls if call.name in BEGINS_TASK and call.result.isdigit()]

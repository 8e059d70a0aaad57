"""A chain of wake-ups as text: one line per step, 80 columns where names allow."""

from __future__ import annotations

from itertools import pairwise

from uringtrace.tracer.wakes import Known, StepKind, WakeChain, WakeStep
from uringtrace.ui.terminal.safe import printable
from uringtrace.ui.text import numbers
from uringtrace.ui.text.style import Style
from uringtrace.ui.text.summary_table import counted, headed, wrapped
from uringtrace.ui.text.table import shortened

_WHO = 20
_NETWORK = "network"
_MARKS = {Known.OBSERVED: " ", Known.INFERRED: "~", Known.UNKNOWN: "?"}
_LEGEND = {
    Known.INFERRED: "~ inferred: the order was seen, but the thread did other things as well",
    Known.UNKNOWN: "? unknown: nothing was seen to lead from the step before to this one",
}


def chain_lines(chain: WakeChain, style: Style) -> list[str]:
    """The request, its steps, and the way in one line."""
    name = f"request {chain.request} of connection {chain.connection}"
    took = f"answered after {numbers.duration(chain.total_ns)}"
    lines = wrapped(f"{name} ({_peers(chain)}): {took}".split(" "), "")
    lines = [style.heading(line) for line in lines]
    if not chain.from_arrival:
        lines.append("  its arrival was not seen: counted from the end of its read")
    lines += ["", *headed([_row("AFTER", "DELAY", "WHO", "WHAT")[0]], style)]
    longest = max(chain.steps[1:], key=lambda step: step.delay_ns, default=None)
    for index, step in enumerate(chain.steps):
        following = chain.steps[index + 1] if index + 1 < len(chain.steps) else None
        first, *rest = _row(
            numbers.duration(step.ns - chain.received_ns),
            numbers.duration(step.delay_ns) if index else numbers.UNKNOWN,
            _who(step),
            f"{_MARKS[step.known]} {_what(step, following)}",
        )
        lines += [style.alarm(first) if step is longest else first, *rest]
    lines += ["", *wrapped(f"way: {' → '.join(_way(chain))}".split(" "), "")]
    if longest is not None and chain.total_ns:
        share = numbers.share(longest.delay_ns / chain.total_ns)
        lines.append(f"longest step: {numbers.duration(longest.delay_ns)}, {share} of the time")
    return lines + [text for known, text in _LEGEND.items() if any(s.known is known for s in chain.steps)]


def _peers(chain: WakeChain) -> str:
    return printable(f"{chain.remote or numbers.UNKNOWN} to {chain.local or numbers.UNKNOWN}")


def _row(after: str, delay: str, who: str, what: str) -> list[str]:
    begin = f"{after:>8}{delay:>9}  {shortened(who, _WHO):<{_WHO}}  "
    lines = wrapped(what.split(" "), " " * len(begin))
    return [begin + lines[0][len(begin) :].rstrip(), *lines[1:]]


def _who(step: WakeStep) -> str:
    if step.kind is StepKind.ARRIVED or (step.kind is StepKind.ROUSED and step.woken_by == _NETWORK):
        return _NETWORK
    if step.kind is StepKind.ROUSED:
        return f"thread {step.waker}" if step.waker else step.woken_by or numbers.UNKNOWN
    return _thread(step)


def _thread(step: WakeStep) -> str:
    return printable(_named(step.tid, step.thread))


def _named(tid: int | None, name: str | None) -> str:
    return f"{tid} {name or ''}".rstrip()


def _what(step: WakeStep, following: WakeStep | None) -> str:
    where = _call(step)
    told = following.tid if following is not None and following.tid is not None else numbers.UNKNOWN
    beside = f", beside {counted(step.others, 'other connection')}" if step.others else ""
    file = f" <{printable(_short(step.file))}>" if step.file and step.address is None else ""
    match step.kind:
        case StepKind.ARRIVED:
            return "data arrives"
        case StepKind.ROUSED:
            return f"wakes {step.tid} in {where}"
        case StepKind.READ:
            return f"{where} has read the request"
        case StepKind.WOKE:
            return f"{where}{file} wakes {told}{beside}"
        case StepKind.WROTE:
            return f"{where}{file} told {told}, which was awake{beside}"
        case StepKind.LEFT | StepKind.WAITED:
            verb = "leaves" if step.kind is StepKind.LEFT else "waited in"
            by = (
                f", woken by {_by(step)}"
                if step.woken_by and (step.waker or step.woken_by != "thread")
                else ""
            )
            return f"{verb} {where}{by}"
        case StepKind.UNSEEN:
            return "works on it; how it got there was not seen"
        case StepKind.BEGAN:
            verb = "is submitted" if step.call and step.call.isupper() else "begins"
            return f"{where} {verb}{beside}"
    return f"{where} has written the answer"


def _by(step: WakeStep) -> str:
    return (
        f"thread {printable(_named(step.waker, step.waker_thread))}" if step.waker else f"the {step.woken_by}"
    )


def _call(step: WakeStep) -> str:
    if step.call is None:
        return "no system call"
    if step.address is not None:
        return f"{step.call}({step.address:#x})"
    return f"{step.call}({step.fd})" if step.fd is not None else step.call


def _way(chain: WakeChain) -> list[str]:
    """Threads, and between two of them what the first used to reach the second."""
    found = [_NETWORK] if chain.from_arrival else []
    last: int | None = None
    for before, step in pairwise((None, *chain.steps)):
        assert step is not None
        if step.tid is None or step.tid == last:
            continue
        if step.known is Known.UNKNOWN:
            found.append("?")
        elif before is not None and last is not None:
            found.append(_means(before))
        found.append(_thread(step))
        last = step.tid
    return [*found, "answer"]


def _short(file: str) -> str:
    """`eventfd`, `pipe:[12]`"""
    return file.removeprefix("anon_inode:[").removesuffix("]") if file.startswith("anon_inode:[") else file


def _means(step: WakeStep) -> str:
    """The file that was written to, without its numbers, or the call."""
    file = _short(step.file or "").partition(":")[0].partition(" ")[0]
    return printable(file) if file and step.address is None else step.call or "wake-up"

"""With which options a log was written, as far as its lines show.

Invariant: an option is stated only where a line shows it. What no line could show is not said:
a log without any socket looks the same with -y and -yy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from uringtrace.tracer.strace import forms
from uringtrace.tracer.strace.descriptors import argument_descriptor
from uringtrace.tracer.strace.leader import Clock, Leader, ThreadForm, parse_leader
from uringtrace.tracer.strace.parser import parse
from uringtrace.tracer.strace.records import Call, Detail, Notice
from uringtrace.tracer.strace.results import duration_precision


class Files(Enum):
    """What lines say of descriptors."""

    NUMBERS = "numbers"
    PATHS = "paths"
    """-y, or -yy in a log without sockets and devices."""
    PROTOCOLS = "protocols"
    """-yy: addresses of sockets, numbers of devices."""


@dataclass(frozen=True, slots=True)
class LogFormat:
    """What the lines of a log have beside the calls."""

    threads: ThreadForm = ThreadForm.NONE
    clock: Clock = Clock.NONE
    precision_ns: int | None = None
    """One unit of the last digit of a time; None without times."""
    duration_precision_ns: int | None = None
    """The same of durations; None without -T."""
    files: Files = Files.NUMBERS
    steps: bool = False
    """-r."""
    commands: bool = False
    """-Y."""
    contexts: bool = False
    """--secontext."""
    numbers: bool = False
    """-n."""
    instructions: bool = False
    """-i."""
    stacks: bool = False
    """-k."""
    dumps: bool = False
    """-e read or -e write."""
    table: bool = False
    """-C, or -c for a log of nothing else."""

    @property
    def options(self) -> tuple[str, ...]:
        """The options of strace that write so, without those that only choose what is traced."""
        found = ["-f"] if self.threads is not ThreadForm.NONE else []
        found += self._time_options()
        if self.duration_precision_ns is not None:
            found.append(_with_precision("-T", "--syscall-times", self.duration_precision_ns))
        found += {Files.NUMBERS: [], Files.PATHS: ["-y"], Files.PROTOCOLS: ["-yy"]}[self.files]
        flags = (
            (self.commands, "-Y"),
            (self.contexts, "--secontext"),
            (self.numbers, "-n"),
            (self.instructions, "-i"),
            (self.stacks, "-k"),
            (self.table, "-C"),
        )
        return (*found, *(option for is_set, option in flags if is_set))

    def _time_options(self) -> list[str]:
        options = []
        if self.clock in (Clock.UNIX, Clock.TIME_OF_DAY) and self.precision_ns is not None:
            short = {
                (Clock.UNIX, _MICROSECOND): "-ttt",
                (Clock.TIME_OF_DAY, _MICROSECOND): "-tt",
                (Clock.TIME_OF_DAY, _SECOND): "-t",
            }.get((self.clock, self.precision_ns))
            name = "unix" if self.clock is Clock.UNIX else "time"
            options.append(short or f"--absolute-timestamps={name},{_UNITS.get(self.precision_ns, '?')}")
        if self.steps:
            steps_ns = self.precision_ns if self.clock is Clock.STEPS else None
            options.append(_with_precision("-r", "--relative-timestamps", steps_ns or _MICROSECOND))
        return options


_SECOND, _MICROSECOND = 1_000_000_000, 1_000
_UNITS = {_SECOND: "s", 1_000_000: "ms", _MICROSECOND: "us", 1: "ns"}


def _with_precision(short: str, long: str, precision_ns: int) -> str:
    return short if precision_ns == _MICROSECOND else f"{long}={_UNITS.get(precision_ns, '?')}"


def recognise(lines: Sequence[str]) -> LogFormat:
    """The format of a log, from as many of its lines as there are; the more, the surer.

    Without -o lines name their thread only while there are several, maybe far behind the beginning.
    """
    leaders = [leader for line in lines if (leader := _call_leader(line))]
    records = list(parse(lines))
    calls = [record for record in records if isinstance(record, Call)]
    details = [record.text for record in records if isinstance(record, Detail)]
    notices = [record.text for record in records if isinstance(record, Notice)]
    clock, precision_ns = _clock(leaders)
    forms_seen = {leader.form for leader in leaders}
    threads = next(
        (form for form in (ThreadForm.COLUMN, ThreadForm.BRACKET) if form in forms_seen), ThreadForm.NONE
    )
    durations = (duration_precision(call.text) for call in calls)
    return LogFormat(
        threads,
        clock,
        precision_ns,
        next((precision for precision in durations if precision is not None), None),
        _files(calls),
        steps=any(leader.has_step for leader in leaders),
        commands=any(leader.has_command for leader in leaders),
        contexts=any(leader.has_context for leader in leaders),
        numbers=any(leader.has_number for leader in leaders),
        instructions=any(leader.has_instruction for leader in leaders),
        stacks=any(text.startswith(" > ") for text in details),
        dumps=any(not text.startswith(" > ") for text in details),
        table=any(forms.TABLE_BEGIN.match(text) for text in notices),
    )


def _call_leader(line: str) -> Leader | None:
    line = forms.without_colours(line)
    leader = parse_leader(line)
    body = line[leader.end :]
    return leader if forms.call_name(body) or forms.RESUMED.match(body) else None


def _clock(leaders: Sequence[Leader]) -> tuple[Clock, int | None]:
    """That of most lines: a program's own text in the log may begin like a time."""
    counts: dict[tuple[Clock, int | None], int] = {}
    for leader in leaders:
        counts[leader.clock, leader.precision_ns] = counts.get((leader.clock, leader.precision_ns), 0) + 1
    return max(counts, key=counts.__getitem__, default=(Clock.NONE, None))


_PROTOCOLS = ("TCP", "UDP", "UNIX", "NETLINK", "RAW", "PING", "SCTP", "L2TP", "DCCP", "pid:")


def _files(calls: Sequence[Call]) -> Files:
    found = Files.NUMBERS
    for call in calls:
        for text in (*call.arguments, call.result.text if call.result else ""):
            descriptor = argument_descriptor(text) if "<" in text else None
            if descriptor is None or descriptor.shown is None:
                continue
            shown = descriptor.shown
            if shown.startswith(_PROTOCOLS) or shown.endswith(">"):
                return Files.PROTOCOLS
            if shown.startswith(("/", "pipe:[", "socket:[", "anon_inode:")):
                found = Files.PATHS
    return found

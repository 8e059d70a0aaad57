"""The options that say what to trace, the same for every command that traces.

A command line names exactly one target: processes, a command to launch, the whole
machine, or (where the command reads them) a recording. Anything else is a
`UsageError` that says what collides. A process is looked up before anything starts.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from uringtrace.cli.output import notice
from uringtrace.errors import RecordingError, UsageError
from uringtrace.tracer.namespaces import resolve
from uringtrace.tracer.target import Target

PROC = Path("/proc")

INTERFACES = ("all", "io_uring", "syscall")


def add_target_arguments(parser: argparse.ArgumentParser, *, recording: bool) -> None:
    """Add the target options; `recording` says whether the operand may be a recording.

    What follows `--` is not argparse's: `uringtrace.cli.command.parse` puts it into
    `arguments.command`.
    """
    group = parser.add_argument_group("target", "one of these; -- COMMAND [ARG…] starts a program, traced")
    group.add_argument(
        "operand",
        nargs="?",
        metavar="PID|RECORDING" if recording else "PID",
        help="a running process" + (", or the directory of a recording" if recording else ""),
    )
    group.add_argument(
        "-p",
        "--pid",
        action="append",
        default=[],
        metavar="PID[,PID…]",
        help="running processes; may be repeated",
    )
    group.add_argument("-a", "--all", action="store_true", dest="everything", help="the whole machine")
    group.add_argument("-f", "--follow", action="store_true", help="also the children that the target forks")
    parser.add_argument(
        "--interface",
        choices=INTERFACES,
        default="all",
        help="only what is asked for through io_uring, or by system calls (default: all)",
    )
    parser.set_defaults(command=(), program=parser.prog, reads_recordings=recording)


def target_from(arguments: argparse.Namespace, proc: Path = PROC) -> Target:
    """The target that `arguments` name; says on standard error where a number could mean another.

    Raises `UsageError` where they name none, several kinds or a recording, and
    `TargetError` where a process does not exist or is but a thread of one.
    """
    check_single(arguments)
    lists = [text for text in (arguments.operand, *arguments.pid) if text is not None]
    words = [word for text in lists for word in text.split(",")]
    pids = tuple(dict.fromkeys(process_id(word, arguments) for word in words))
    if not (pids or arguments.command or arguments.everything):
        raise UsageError("nothing to trace was named", usage(arguments))
    resolved = [resolve(pid, proc) for pid in pids]
    for each in resolved:
        if each.note:
            notice(each.note)
    return Target(
        pids=tuple(dict.fromkeys(each.pid for each in resolved)),
        command=tuple(arguments.command),
        everything=arguments.everything,
        follow=arguments.follow,
        inner_pids=tuple((each.pid, each.inner) for each in resolved if each.inner is not None),
    )


def recording_from(arguments: argparse.Namespace) -> Path | None:
    """The recording that the operand names; None where it is a process id or absent.

    Raises `RecordingError` where there is no such directory and `UsageError` where a
    target is named as well.
    """
    operand: str | None = arguments.operand
    if operand is None or not arguments.reads_recordings or is_process_ids(operand):
        return None
    path = Path(operand)
    if not path.is_dir():
        raise RecordingError(
            f"{operand}: no such recording, and not a process id",
            f"to start a program: {arguments.program} -- {operand}",
        )
    if arguments.pid or arguments.everything or arguments.command or arguments.follow:
        raise UsageError("a recording has its target: name nothing else to trace", usage(arguments))
    return path


def is_process_ids(operand: str) -> bool:
    """Whether an operand is a number, or several with commas, rather than a path."""
    return operand.replace(",", "").isdecimal()


def check_single(arguments: argparse.Namespace) -> None:
    """Raise `UsageError` where `arguments` name more than one kind of target."""
    named = [
        name
        for name, given in (
            ("a process", bool(arguments.pid) or arguments.operand is not None),
            ("-a", arguments.everything),
            ("a command after --", bool(arguments.command)),
        )
        if given
    ]
    if len(named) > 1:
        raise UsageError(f"only one target at a time: {' and '.join(named)} were given", usage(arguments))


def process_id(word: str, arguments: argparse.Namespace) -> int:
    """Read a process id, or say that `word` is none."""
    if word.isdecimal() and int(word) > 0:
        return int(word)
    way_out = f"to start a program: {arguments.program} -- {word or 'COMMAND'}"
    raise UsageError(f"{word!r} is not a process id", way_out)


def usage(arguments: argparse.Namespace) -> str:
    """The one line that shows how this command is given a target."""
    recording = " | RECORDING" if arguments.reads_recordings else ""
    return f"usage: {arguments.program} PID | -p PID[,PID…] | -a | -- COMMAND [ARG…]{recording}"

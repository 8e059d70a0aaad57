"""The logs in tests/strace/corpus, and what is in them whatever the options were.

`PARENT` and `CHILDREN` are written from programs/story.c, not from the logs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

CORPUS = Path(__file__).resolve().parent / "corpus"
SECRETS = ("SECRET", "SALT", "REC-SEQ")
"""Parts of the keys that the program gives to the kernel: `IV-SECRETKEY-SECRET-KEY1SALTREC-SEQ1`."""


@dataclass(frozen=True, slots=True)
class Log:
    """A real log."""

    name: str
    options: tuple[str, ...]
    recognised: str
    """The options as `LogFormat.options` has them."""
    to_file: bool = True
    """-o; otherwise strace and the program write to one file."""
    suite: str = ""
    """The Debian release whose strace wrote it; empty: the installed one, 6.1."""


_USUAL = ("-f", "-ttt", "-T", "-y")
_PROTOCOLS = ("-f", "-ttt", "-T", "-yy", "-s", "64")
_FILES = ("-f", "-tt", "-T", "-yy")
_NANOSECONDS = ("-f", "--absolute-timestamps=unix,ns", "--syscall-times=ns")
_HEXADECIMAL = ("-f", "-xx", "-v", "-X", "verbose", "-yy")
_INJECTED = ("-f", "-e", "inject=umask:delay_exit=1000", "-e", "inject=recvfrom:retval=0")
SUITES = {"bullseye": "5.10", "trixie": "6.13", "unstable": "7.2"}
"""Debian's releases and the versions of strace that wrote their logs."""
VERSION_LOGS = (
    Log("usual", _USUAL, "-f -ttt -T -y"),
    Log("protocols", _PROTOCOLS, "-f -ttt -T -yy"),
    Log("shared_output_files", _FILES, "-f -tt -T -yy", to_file=False),
    Log("day_and_steps", ("-f", "-t", "-r"), "-f -t -r"),
    Log("nanoseconds", _NANOSECONDS, " ".join(_NANOSECONDS)),
    Log("hexadecimal", _HEXADECIMAL, "-f -yy"),
    Log("leaders_shared", ("-f", "-ttt", "-i", "-n"), "-f -ttt -n -i", to_file=False),
    Log("dumps_and_table", ("-f", "-C", "-e", "read=all", "-e", "write=all"), "-f -C"),
    Log("injected", _INJECTED, "-f"),
)
"""Of each of them."""
NEWER_LOGS = (
    Log("names", ("-f", "-ttt", "-T", "-yy", "-N"), "-f -ttt -T -yy"),
    Log("colours", ("-f", "--color=always"), "-f"),
    Log("pids", ("-f", "-Y", "--always-show-pid"), "-f -Y", to_file=False),
)
"""Of options that only the newest has."""


def _by(suite: str, logs: tuple[Log, ...]) -> tuple[Log, ...]:
    return tuple(
        replace(log, name=f"{log.name}_{SUITES[suite].replace('.', '_')}", suite=suite) for log in logs
    )


REAL_LOGS = (
    Log("usual", _USUAL, "-f -ttt -T -y"),
    Log("protocols", _PROTOCOLS, "-f -ttt -T -yy"),
    Log("shared_output", ("-f",), "-f", to_file=False),
    Log("shared_output_files", _FILES, "-f -tt -T -yy", to_file=False),
    Log("one_thread", (), ""),
    Log("steps", ("-f", "-r"), "-f -r"),
    Log("day_and_steps", ("-f", "-t", "-r"), "-f -t -r"),
    Log("nanoseconds", _NANOSECONDS, " ".join(_NANOSECONDS)),
    Log(
        "seconds",
        ("-f", "--absolute-timestamps=unix", "--syscall-times=s"),
        "-f --absolute-timestamps=unix,s --syscall-times=s",
    ),
    Log("leaders", ("-f", "-tt", "-i", "-n", "-Y", "-y"), "-f -tt -y -Y -n -i"),
    Log("leaders_shared", ("-f", "-ttt", "-i", "-n", "-Y"), "-f -ttt -Y -n -i", to_file=False),
    Log("hexadecimal", _HEXADECIMAL, "-f -yy"),
    Log("raw", ("-f", "-X", "raw", "-s", "0"), "-f"),
    Log("undecoded", ("-f", "-e", "raw=all"), "-f"),
    Log("narrow", ("-f", "-a", "0", "-s", "3"), "-f"),
    Log("dumps_and_table", ("-f", "-C", "-e", "read=all", "-e", "write=all"), "-f -C"),
    Log("separate", ("-ff", "-ttt"), "-ttt"),
    Log("injected", _INJECTED, "-f"),
    *_by("bullseye", VERSION_LOGS),
    *_by("trixie", VERSION_LOGS),
    *_by("unstable", (*VERSION_LOGS, *NEWER_LOGS)),
)


@dataclass(frozen=True, slots=True)
class Told:
    """A call of the program: its result, where it is the same in every run, or its error."""

    name: str
    result: int | None = None
    error: str | None = None


def _told(text: str) -> tuple[Told, ...]:
    """`close=0 openat=ENOENT fork`: without a result it differs, or there is none."""
    words = (word.partition("=") for word in text.split())
    return tuple(
        Told(name, error=result) if result.startswith("E") else Told(name, int(result) if result else None)
        for name, _, result in words
    )


PARENT = _told(
    """
    chdir=0 openat=3 write=14 openat=ENOENT unlinkat=0 newfstatat=0 fcntl=32770 umask=18 close=0 write=24
    socket=3 bind=0 listen=0 getsockname=0 socket=4 connect=0 accept4=5 sendto=5 recvfrom=0
    setsockopt=ENOPROTOOPT setsockopt=ENOPROTOOPT getsockopt=EOPNOTSUPP
    socket=6 bind=0 close=0 close=0 close=0 close=0
    epoll_create1=3 eventfd2=4 epoll_ctl=0 epoll_wait=0 poll=0 read=EAGAIN write=8 epoll_wait=1
    close=0 close=0 pipe2=0 pipe2=0 fork write=4 read=4 wait4
    fork nanosleep=ERESTART_RESTARTBLOCK restart_syscall=0 wait4
    fork read=1 nanosleep=0 kill=0 wait4 exit_group
    """
)
"""From chdir on. The end of the second child may interrupt restart_syscall, which then comes twice."""

CHILDREN = (
    _told("read=4 write=4 exit_group"),
    _told("nanosleep=0 getppid kill=0 nanosleep=0 getppid kill=0 exit_group"),
    _told("write=1 pause"),
)
PARENT_SIGNALS = ["SIGCHLD", "SIGSTOP", "stopped by SIGSTOP", "SIGCONT", "SIGCHLD", "SIGCHLD"]
"""SIGCONT and the second SIGCHLD may come in either order."""
ENDS = ["exited with 3", "exited with 0", "killed by SIGKILL", "exited with 0"]

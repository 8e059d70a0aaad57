"""The logs in tests/strace/corpus, and what is in them whatever the options were.

`PARENT` and the children below are written from programs/story.c, not from the logs.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

CORPUS = Path(__file__).resolve().parent / "corpus"
SECRETS = ("SECRET", "SALT", "REC-SEQ")
"""Parts of the keys that the program gives to the kernel: `IV-SECRETKEY-SECRET-KEY1SALTREC-SEQ1`."""


@dataclass(frozen=True, slots=True)
class Log:
    """A real log, by strace 6.1."""

    name: str
    options: tuple[str, ...]
    recognised: str
    """The options as `LogFormat.options` has them."""
    to_file: bool = True
    """-o; otherwise strace and the program write to one file."""


REAL_LOGS = (
    Log("usual", ("-f", "-ttt", "-T", "-y"), "-f -ttt -T -y"),
    Log("protocols", ("-f", "-ttt", "-T", "-yy", "-s", "64"), "-f -ttt -T -yy"),
    Log("shared_output", ("-f",), "-f", to_file=False),
    Log("shared_output_files", ("-f", "-tt", "-T", "-yy"), "-f -tt -T -yy", to_file=False),
    Log("one_thread", (), ""),
    Log("steps", ("-f", "-r"), "-f -r"),
    Log("day_and_steps", ("-f", "-t", "-r"), "-f -t -r"),
    Log(
        "nanoseconds",
        ("-f", "--absolute-timestamps=unix,ns", "--syscall-times=ns"),
        "-f --absolute-timestamps=unix,ns --syscall-times=ns",
    ),
    Log(
        "seconds",
        ("-f", "--absolute-timestamps=unix", "--syscall-times=s"),
        "-f --absolute-timestamps=unix,s --syscall-times=s",
    ),
    Log("leaders", ("-f", "-tt", "-i", "-n", "-Y", "-y"), "-f -tt -y -Y -n -i"),
    Log("leaders_shared", ("-f", "-ttt", "-i", "-n", "-Y"), "-f -ttt -Y -n -i", to_file=False),
    Log("hexadecimal", ("-f", "-xx", "-v", "-X", "verbose", "-yy"), "-f -yy"),
    Log("raw", ("-f", "-X", "raw", "-s", "0"), "-f"),
    Log("undecoded", ("-f", "-e", "raw=all"), "-f"),
    Log("narrow", ("-f", "-a", "0", "-s", "3"), "-f"),
    Log("dumps_and_table", ("-f", "-C", "-e", "read=all", "-e", "write=all"), "-f -C"),
    Log("separate", ("-ff", "-ttt"), "-ttt"),
    Log(
        "injected",
        ("-f", "-e", "inject=umask:delay_exit=1000", "-e", "inject=getppid:retval=1:when=1000"),
        "-f",
    ),
)

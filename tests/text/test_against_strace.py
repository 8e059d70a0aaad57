"""Arguments and classes of every call, compared with strace's own.

A small program makes every system call with the same value for all arguments. A seccomp
filter refuses each of them before the kernel looks at it; strace sees the call before the
filter does. The values are no addresses of anything, so that strace prints pointers where
uringtrace has no memory either.
"""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.fakes import CALL_NAMES, call, context
from uringtrace.tracer.record import FIRST_CALL
from uringtrace.tracer.syscalls.classes import CLASSES
from uringtrace.ui.text.operation_line import LineFormatter

pytestmark = pytest.mark.skipif(
    not (shutil.which("strace") and shutil.which("cc")), reason="needs strace and a C compiler"
)

LAST = 450
"""The last call that strace 6.1 knows; what is newer is not compared."""
NOT_MADE = {
    231: "ends the program",
    15: "strace shows the stack",
    219: "strace remembers the call before",
    59: "strace waits for a new program",
}
VALUES = [*range(40), *(1 << bit for bit in range(6, 64) if bit != 22), 2**64 - 1]
"""Bit 22 is where the program itself is loaded."""

PROGRAM = r"""
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
static long call(long number, long a, long b, long c, long d, long e, long f)
{
    long result;
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    __asm__ volatile("syscall" : "=a"(result)
        : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9) : "rcx", "r11", "memory");
    return result;
}
static const long values[] = { VALUES };
static const short numbers[] = { NUMBERS };
void _start(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 231, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 38),
    };
    struct sock_fprog program = { 4, filter };
    if (call(157, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0, 0) ||
        call(317, SECCOMP_SET_MODE_FILTER, 0, (long)&program, 0, 0, 0))
        call(231, 1, 0, 0, 0, 0, 0);
    for (unsigned long v = 0; v < sizeof values / sizeof *values; v++)
        for (unsigned long n = 0; n < sizeof numbers / sizeof *numbers; n++)
            call(numbers[n], values[v], values[v], values[v], values[v], values[v], values[v]);
    call(231, 0, 0, 0, 0, 0, 0);
}
"""
CALLS = {
    opcode - FIRST_CALL: name
    for opcode, name in CALL_NAMES.items()
    if opcode - FIRST_CALL <= LAST and opcode - FIRST_CALL not in NOT_MADE
}


def built(folder: Path, values: list[int]) -> Path:
    source, program = folder / "calls.c", folder / "calls"
    listed = ", ".join(f"{value}ul" for value in values)
    text = PROGRAM.replace("NUMBERS", ", ".join(map(str, CALLS))).replace("VALUES", listed)
    source.write_text(text)
    subprocess.run(["cc", "-nostdlib", "-static", "-O1", "-w", "-o", program, source], check=True, timeout=60)
    return program


def traced(program: Path, *options: str) -> Iterator[tuple[str, str]]:
    """Name and arguments of each call that strace shows as refused."""
    output = program.with_suffix(".strace")
    subprocess.run(["strace", *options, "-o", output, program], check=True, timeout=100)
    for line in output.read_text().splitlines():
        match = re.match(r"(\w+)\((.*)\) += -1 ENOSYS", line)
        if match:
            yield match[1], match[2]


PAYLOAD = """
write pwrite64 sendto msgsnd mount sethostname setdomainname init_module setxattr lsetxattr fsetxattr
mq_timedsend add_key request_key kexec_file_load
"""
"""uringtrace stands for contents where strace has to say that it cannot read them."""
EMPTY = "semop semtimedop sched_setaffinity sendmmsg futex_waitv setgroups"
"""Arrays without items, which strace knows without reading."""
FURTHER = """
shmget shmctl shmat semget semctl msgget msgctl ptrace syslog personality ustat reboot quotactl quotactl_fd
kexec_load keyctl ioprio_set membarrier rseq swapon kcmp seccomp prctl mbind set_mempolicy mknod mknodat
mq_open name_to_handle_at mount_setattr fanotify_init fanotify_mark statx
"""
"""Numbers that strace takes apart further; no call of these does I/O."""
NEWER = """
memfd_create io_uring_register io_uring_enter preadv2 pwritev2 clone ioctl fcntl getsockopt setsockopt
socket futex
"""
"""Some constants are newer than strace 6.1, or only it names them; most values are written alike."""
KNOWN = frozenset(f"{PAYLOAD} {EMPTY} {FURTHER} {NEWER}".split())


def test_arguments_are_written_as_strace_writes_them(tmp_path: Path) -> None:
    found = list(traced(built(tmp_path, VALUES), "-e", "trace=all"))
    # prctl and seccomp of the program itself succeed and are not among them.
    expected = [(value, name) for value in VALUES for name in CALLS.values()]
    assert [name for name, _ in found] == [name for _, name in expected]
    batch = np.concatenate([call(name, *[value] * 6, result=-38) for value, name in expected])
    lines = LineFormatter(context(), {}).lines(batch, {})
    different: dict[str, list[str]] = {}
    for (_, name), (_, theirs), line in zip(expected, found, lines, strict=True):
        ours = line.partition(f" {name}(")[2].partition(") = -1 ENOSYS")[0]
        if ours != theirs:
            different.setdefault(name, []).append(f"{theirs}  |  {ours}")
    surprising = {name: texts[:3] for name, texts in different.items() if name not in KNOWN}
    assert surprising == {}
    assert different.keys() == KNOWN
    assert all(len(different[name]) < len(VALUES) / 2 for name in NEWER.split())


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_classes_are_those_of_strace(tmp_path: Path, name: str) -> None:
    """The calls that are not made, or that strace does not know, are left out on both sides."""
    found = {each for each, _ in traced(built(tmp_path, [2**64 - 1]), "-e", f"trace=%{name}")}
    assert found == CLASSES[name] & set(CALLS.values())


@pytest.mark.parametrize(
    ("name", "member"), [("process", "exit_group"), ("file", "execve"), ("signal", "kill")]
)
def test_classes_hold_what_the_program_cannot_call(name: str, member: str) -> None:
    assert member in CLASSES[name]

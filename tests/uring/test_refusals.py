"""Whoever cannot have a ring is told why in one line, and what would help."""

from __future__ import annotations

import errno
import platform

import pytest

from uringtrace.errors import CapabilityError
from uringtrace.targets.uring import constants as c
from uringtrace.targets.uring.refusals import first_refused, machine_refusal, setup_refusal
from uringtrace.targets.uring.ring import Ring


@pytest.mark.parametrize(
    ("number", "flags", "more", "message", "way_out"),
    [
        (errno.ENOSYS, 0, {}, "no io_uring", "CONFIG_IO_URING"),
        (errno.EPERM, 0, {"disabled": 2}, "kernel.io_uring_disabled = 2", "io_uring_disabled=0"),
        (errno.EPERM, 0, {"disabled": 1}, "kernel.io_uring_disabled = 1", "run as root"),
        (errno.EPERM, 0, {"disabled": 0}, "not permitted", "seccomp"),
        (errno.EPERM, c.SETUP_SQPOLL, {}, "not permitted", "SQPOLL"),
        (
            errno.EINVAL,
            c.SETUP_DEFER_TASKRUN,
            {"refused_flag": c.SETUP_DEFER_TASKRUN},
            "DEFER_TASKRUN",
            "6.1",
        ),
        (errno.EINVAL, c.SETUP_SQPOLL | c.SETUP_IOPOLL, {}, "IOPOLL | SQPOLL", ""),
        (errno.ENOMEM, 0, {}, "no memory", "ulimit -l"),
        (errno.EMFILE, 0, {}, "no descriptor", "ulimit -n"),
        (errno.EFAULT, 0, {}, "EFAULT", ""),
    ],
)
def test_each_errno_of_setup_is_explained(
    number: int, flags: int, more: dict[str, int], message: str, way_out: str
) -> None:
    refusal = setup_refusal(number, flags, **more)
    assert message in refusal.message
    assert way_out in refusal.way_out
    assert "\n" not in refusal.message


def test_the_flag_to_blame_is_the_oldest_that_is_refused_with_those_before_it() -> None:
    flags = c.SETUP_CQSIZE | c.SETUP_SINGLE_ISSUER | c.SETUP_DEFER_TASKRUN
    known = c.SETUP_CQSIZE
    assert first_refused(flags, lambda tried: not tried & ~known) == c.SETUP_SINGLE_ISSUER
    assert first_refused(flags, lambda tried: True) == 0


def test_other_processors_are_refused_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python has no memory barriers; without x86's ordering the queues could not be trusted."""
    assert machine_refusal("x86_64") is None
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    with pytest.raises(CapabilityError, match=r"x86-64 only, this machine is aarch64: .*barriers"):
        Ring(4)


def test_flags_that_exclude_each_other_are_blamed_on_this_kernel() -> None:
    """EINVAL on the real kernel: SQPOLL takes no COOP_TASKRUN (io_uring_setup(2))."""
    if platform.machine() not in ("x86_64", "AMD64"):
        pytest.skip("rings are for x86-64 here")
    try:
        Ring(4, c.SETUP_SQPOLL).close()
    except CapabilityError as refusal:
        pytest.skip(refusal.message)
    with pytest.raises(CapabilityError, match=r"refuses IORING_SETUP_COOP_TASKRUN .*EINVAL"):
        Ring(4, c.SETUP_SQPOLL | c.SETUP_COOP_TASKRUN)

"""Who makes the TLS records, and how the kernel is told: found out by doing it.

A connection over loopback gets kTLS set up, as the server would, and a record goes through
it. Kernel versions are not looked at.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from uringtrace.errors import CapabilityError
from uringtrace.targets.tls.key_schedule import AES_128_GCM, SUITES, Suite
from uringtrace.targets.tls.ktls import SOL_TLS, TCP_ULP, TLS_RX, TLS_TX, ULP_NAME, crypto_info
from uringtrace.targets.uring import constants as c
from uringtrace.targets.uring.memory import Memory
from uringtrace.targets.uring.ring import Ring

KTLS_RING = "ktls-ring"
KTLS_SETSOCKOPT = "ktls-setsockopt"
USER_RECORDS = "user-records"

_LEVELS = {TCP_ULP: (socket.IPPROTO_TCP, "TCP_ULP"), TLS_TX: (SOL_TLS, "TLS_TX"), TLS_RX: (SOL_TLS, "TLS_RX")}
_MESSAGE = b"a record"
_SECONDS = 2.0

Setsockopt = Callable[[int, int, bytes], None]
"""Option, level, value. Raises OSError."""


@dataclass(frozen=True, slots=True)
class Mode:
    """How this server protects its records."""

    name: str
    missing: str | None
    """Why it is no better one; None for the best."""
    suites: tuple[Suite, ...]
    """Those that can be protected in this mode."""


@dataclass(frozen=True, slots=True)
class Found:
    """What this machine can; a reason is None where nothing is missing."""

    no_ktls: str | None
    no_command: str | None
    """Why the kernel does not take kTLS from the ring."""
    suites: tuple[Suite, ...]
    """Those that kTLS knows."""


def choose(found: Found, forced: str | None) -> Mode:
    """The best mode there is, or the forced one. Raises CapabilityError where that is impossible."""
    if found.no_ktls is None and found.no_command is None:
        best = Mode(KTLS_RING, None, found.suites)
    elif found.no_ktls is None:
        best = Mode(KTLS_SETSOCKOPT, found.no_command, found.suites)
    else:
        best = Mode(USER_RECORDS, found.no_ktls, tuple(SUITES.values()))
    if forced is None or forced == best.name:
        return best
    if forced == USER_RECORDS:
        return Mode(USER_RECORDS, None, tuple(SUITES.values()))
    if forced == KTLS_SETSOCKOPT and found.no_ktls is None:
        return Mode(KTLS_SETSOCKOPT, None, found.suites)
    raise CapabilityError(
        f"the mode {forced} is not possible here: {best.missing}", f"without --mode it is {best.name}"
    )


def probe() -> Found:
    """Set kTLS up on connections to ourselves, in both ways and with every suite.

    Raises CapabilityError where there is no io_uring.
    """
    missing = _attempt(AES_128_GCM, _by_call)
    if missing is not None:
        return Found(missing, missing, ())
    ring = Ring(8)
    try:
        command = _attempt(AES_128_GCM, lambda end: _by_command(ring, end))
    finally:
        ring.close()
    suites = tuple(suite for suite in SUITES.values() if _attempt(suite, _by_call) is None)
    return Found(None, command, suites)


def missing_piece(option: int, error: OSError) -> str:
    """What an option's refusal means, in a few words with the kernel's own."""
    _, name = _LEVELS[option]
    code = errno.errorcode.get(error.errno or 0, str(error.errno))
    meaning = {
        (TCP_ULP, errno.ENOENT): "no tls module",
        (TLS_TX, errno.ENOENT): "no such cipher in the kernel",
        (TLS_RX, errno.ENOENT): "no such cipher in the kernel",
        (TCP_ULP, errno.EOPNOTSUPP): "no setsockopt command in io_uring",
    }.get((option, error.errno or 0), "the kernel refuses kTLS")
    return f"{meaning} ({name}: {code})"


def _attempt(suite: Suite, way: Callable[[socket.socket], Setsockopt]) -> str | None:
    """Send a record from one end to the other; what is missing, None where it works."""
    secret = os.urandom(suite.digest_bytes)
    with _connection() as (near, far):
        for end, direction in ((near, TLS_TX), (far, TLS_RX)):
            setsockopt = way(end)
            values = {TCP_ULP: ULP_NAME, direction: crypto_info(suite, secret, 0)}
            for option, value in values.items():
                try:
                    setsockopt(option, _LEVELS[option][0], value)
                except OSError as error:
                    return missing_piece(option, error)
        near.sendall(_MESSAGE)
        try:
            received = far.recv(len(_MESSAGE))
        except OSError as error:
            return f"kTLS does not work ({errno.errorcode.get(error.errno or 0, 'no answer')})"
        return None if received == _MESSAGE else "kTLS does not work"


def _by_call(end: socket.socket) -> Setsockopt:
    return lambda option, level, value: end.setsockopt(level, option, value)


def _by_command(ring: Ring, end: socket.socket) -> Setsockopt:
    memory = Memory(4096)

    def setsockopt(option: int, level: int, value: bytes) -> None:
        push_setsockopt(ring, 0, end.fileno(), level, option, memory.write(0, value), len(value))
        completion = None
        while completion is None:
            ring.enter(1)
            completion = ring.pop()
        if completion.result < 0:
            # An io_uring that has no such command for sockets says so in one of two ways.
            number = -completion.result
            raise OSError(errno.EOPNOTSUPP if number == errno.EINVAL and option == TCP_ULP else number, "")

    return setsockopt


def push_setsockopt(
    ring: Ring, user_data: int, fd: int, level: int, option: int, address: int, length: int, *, flags: int = 0
) -> None:
    """setsockopt(2) as an operation: the SQE's fields are those of io_uring/uring_cmd.c."""
    ring.push(
        c.OP_URING_CMD, user_data, fd, level | option << 32, flags=flags,
        offset=c.SOCKET_URING_OP_SETSOCKOPT, file_index=length, addr3=address,
    )  # fmt: skip


_LIBC = ctypes.CDLL(None, use_errno=True)
_LIBC.setsockopt.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint]


def setsockopt_of(fd: int, level: int, option: int, value: bytes) -> None:
    """setsockopt(2) on a descriptor that no socket object holds: one call. Raises OSError."""
    if _LIBC.setsockopt(fd, level, option, value, len(value)):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


@contextlib.contextmanager
def _connection() -> Iterator[tuple[socket.socket, socket.socket]]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        near = socket.create_connection(listener.getsockname(), _SECONDS)
        far, _ = listener.accept()
    far.settimeout(_SECONDS)
    with near, far:
        yield near, far

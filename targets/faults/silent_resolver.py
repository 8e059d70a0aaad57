"""glibc's resolver of this thread, asking a name server on this machine that never answers.

Invariant: no packet leaves this machine. The state of the resolver is changed in place
(`__res_state()`, layout in <bits/types/res_state.h>) and only when it looks as that header
says; names are looked up by DNS alone, whatever nsswitch.conf says, so that no daemon is
asked that would ask others (`__nss_configure_lookup`, <nss.h>).
"""

from __future__ import annotations

import contextlib
import ctypes
import socket

from uringtrace.errors import CapabilityError

_WAY_OUT = "take another of the blocking faults: blocking-sleep, blocking-file"
_LOCAL = socket.inet_aton("127.0.0.1")
_MOST_SERVERS = 3
_LONGEST_RETRANSMISSION = 30
_MOST_RETRIES = 5
_INITIALIZED = 0x1
_USE_TCP = 0x8


class _Address(ctypes.Structure):
    """struct sockaddr_in; the port in network order."""

    _fields_ = (
        ("family", ctypes.c_uint16),
        ("port", ctypes.c_uint16),
        ("address", ctypes.c_ubyte * 4),
        ("zero", ctypes.c_ubyte * 8),
    )


class _State(ctypes.Structure):
    """struct __res_state, as far as it is of interest."""

    _fields_ = (
        ("retrans", ctypes.c_int),
        ("retry", ctypes.c_int),
        ("options", ctypes.c_ulong),
        ("nscount", ctypes.c_int),
        ("nsaddr_list", _Address * _MOST_SERVERS),
    )


class SilentNameServer:
    """A UDP socket of 127.0.0.1 that swallows questions, and a resolver that asks nobody else.

    Of the thread that makes this object: glibc keeps the state for each thread.
    """

    def __init__(self) -> None:
        """Raises CapabilityError where the resolver is not glibc's, or not as expected."""
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._socket.bind(("127.0.0.1", 0))
        _ask_only(self._socket.getsockname()[1])

    def forget(self) -> None:
        """Throw away what was asked, so that the next question finds room."""
        with contextlib.suppress(BlockingIOError):
            while self._socket.recv(512):
                pass


def _ask_only(port: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    try:
        res_init, res_state, configure = libc.__res_init, libc.__res_state, libc.__nss_configure_lookup
    except AttributeError as error:
        raise CapabilityError(
            f"blocking-getaddrinfo needs the resolver of glibc: {error}", _WAY_OUT
        ) from None
    res_state.restype = ctypes.POINTER(_State)
    configure.argtypes = (ctypes.c_char_p, ctypes.c_char_p)
    if res_init() != 0 or configure(b"hosts", b"dns") != 0:
        raise CapabilityError("blocking-getaddrinfo cannot set glibc's resolver up", _WAY_OUT)
    state = res_state().contents
    if not _is_as_expected(state):
        raise CapabilityError("blocking-getaddrinfo does not know this glibc's resolver", _WAY_OUT)
    state.retrans = state.retry = state.nscount = 1
    state.options &= ~_USE_TCP
    for address in state.nsaddr_list:
        address.family = socket.AF_INET
        address.port = socket.htons(port)
        address.address[:] = _LOCAL


def _is_as_expected(state: _State) -> bool:
    # After res_init: its defaults, or what resolv.conf may say (resolv.conf(5)). An IPv6
    # name server is kept elsewhere and has no family here.
    families = {address.family for address in state.nsaddr_list[: state.nscount]}
    return (
        1 <= state.retrans <= _LONGEST_RETRANSMISSION
        and 0 <= state.retry <= _MOST_RETRIES
        and 1 <= state.nscount <= _MOST_SERVERS
        and bool(state.options & _INITIALIZED)
        and families <= {0, socket.AF_INET}
    )

"""Names of the flag bits and constants that SQEs and CQEs carry.

The values are ABI: linux/io_uring.h, linux/socket.h, linux/fs.h, linux/fcntl.h,
linux/eventpoll.h. Only O_* differ between architectures and come from the `os`
module. A bit without a name is shown as a hexadecimal rest, never dropped.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import lru_cache

from uringtrace.tracer.arguments import Form


def bit_names(names: str, first: int = 0) -> dict[int, str]:
    """Names for consecutive bits from bit `first`; `-` leaves one without a name."""
    return {1 << bit: name for bit, name in enumerate(names.split(), first) if name != "-"}


def numbered_names(names: str, first: int = 0) -> dict[int, str]:
    """Names for consecutive numbers from `first`."""
    return dict(enumerate(names.split(), first))


def decode(value: int, names: Mapping[int, str]) -> str:
    """`A|B|0x40`; names with several bits come first in `names` where they include others."""
    found = []
    rest = value
    for bits, name in names.items():
        if rest & bits == bits:
            found.append(name)
            rest &= ~bits
    if rest or not found:
        found.append(f"{rest:#x}" if rest else "0")
    return "|".join(found)


_OPEN_NAMES = """
O_TMPFILE O_SYNC O_DSYNC O_CREAT O_EXCL O_NOCTTY O_TRUNC O_APPEND O_NONBLOCK O_ASYNC O_DIRECT O_LARGEFILE
O_DIRECTORY O_NOFOLLOW O_NOATIME O_CLOEXEC O_PATH
"""
_OPEN = {getattr(os, name): name for name in _OPEN_NAMES.split() if getattr(os, name)}
_ACCESS = ("O_RDONLY", "O_WRONLY", "O_RDWR", "O_ACCMODE")


def open_flags(value: int) -> str:
    """The access mode, which is a number, then the bits."""
    access = _ACCESS[value & 3]
    rest = value & ~3
    return f"{access}|{decode(rest, _OPEN)}" if rest else access


_SOCKET_TYPES = {1: "SOCK_STREAM", 2: "SOCK_DGRAM", 3: "SOCK_RAW", 4: "SOCK_RDM", 5: "SOCK_SEQPACKET"}
_SOCKET_FLAGS = {0x800: "SOCK_NONBLOCK", 0x80000: "SOCK_CLOEXEC"}


def socket_type(value: int) -> str:
    """The type, which is a number in the low four bits, then the bits."""
    kind = _SOCKET_TYPES.get(value & 15, str(value & 15))
    rest = value & ~15
    return f"{kind}|{decode(rest, _SOCKET_FLAGS)}" if rest else kind


SQE_FLAGS = bit_names("FIXED_FILE IO_DRAIN IO_LINK IO_HARDLINK ASYNC BUFFER_SELECT CQE_SKIP_SUCCESS")
CQE_FLAGS = bit_names("BUFFER MORE SOCK_NONEMPTY NOTIF BUF_MORE SKIP") | {1 << 15: "CQE32"}

_BITS: Mapping[Form, Mapping[int, str]] = {
    Form.MESSAGE_FLAGS: bit_names(
        "MSG_OOB MSG_PEEK MSG_DONTROUTE MSG_CTRUNC MSG_PROXY MSG_TRUNC MSG_DONTWAIT MSG_EOR MSG_WAITALL "
        "MSG_FIN MSG_SYN MSG_CONFIRM MSG_RST MSG_ERRQUEUE MSG_NOSIGNAL MSG_MORE"
    )
    | {1 << 26: "MSG_ZEROCOPY", 1 << 29: "MSG_FASTOPEN", 1 << 30: "MSG_CMSG_CLOEXEC"},
    Form.READ_WRITE_FLAGS: bit_names(
        "RWF_HIPRI RWF_DSYNC RWF_SYNC RWF_NOWAIT RWF_APPEND RWF_NOAPPEND RWF_ATOMIC RWF_DONTCACHE"
    ),
    Form.FSYNC_FLAGS: bit_names("DATASYNC"),
    Form.SYNC_RANGE_FLAGS: bit_names("WAIT_BEFORE WRITE WAIT_AFTER"),
    Form.POLL_EVENTS: bit_names(
        "POLLIN POLLPRI POLLOUT POLLERR POLLHUP POLLNVAL POLLRDNORM POLLRDBAND POLLWRNORM POLLWRBAND "
        "POLLMSG - - POLLRDHUP"
    )
    | {1 << 28: "EPOLLEXCLUSIVE", 1 << 30: "EPOLLONESHOT", 1 << 31: "EPOLLET"},
    Form.POLL_FLAGS: bit_names("MULTISHOT UPDATE_EVENTS UPDATE_USER_DATA LEVEL"),
    Form.SPLICE_FLAGS: bit_names("SPLICE_F_MOVE SPLICE_F_NONBLOCK SPLICE_F_MORE SPLICE_F_GIFT")
    | {1 << 31: "SPLICE_F_FD_IN_FIXED"},
    Form.ACCEPT_FLAGS: _SOCKET_FLAGS,
    Form.ACCEPT_PRIORITY: bit_names("MULTISHOT DONTWAIT POLL_FIRST"),
    Form.SEND_RECEIVE_PRIORITY: bit_names("POLL_FIRST MULTISHOT FIXED_BUF ZC_REPORT_USAGE BUNDLE VECTORIZED"),
    Form.TIMEOUT_FLAGS: bit_names("ABS UPDATE BOOTTIME REALTIME LINK_TIMEOUT_UPDATE ETIME_SUCCESS MULTISHOT"),
    Form.CANCEL_FLAGS: bit_names("ALL FD ANY FD_FIXED USERDATA OP"),
    Form.MESSAGE_RING_FLAGS: bit_names("CQE_SKIP FLAGS_PASS"),
    Form.AT_FLAGS: bit_names(
        "AT_SYMLINK_NOFOLLOW AT_REMOVEDIR AT_SYMLINK_FOLLOW AT_NO_AUTOMOUNT AT_EMPTY_PATH "
        "AT_STATX_FORCE_SYNC AT_STATX_DONT_SYNC",
        8,
    ),
    Form.RENAME_FLAGS: bit_names("RENAME_NOREPLACE RENAME_EXCHANGE RENAME_WHITEOUT"),
    Form.FALLOCATE_MODE: bit_names(
        "KEEP_SIZE PUNCH_HOLE NO_HIDE_STALE COLLAPSE_RANGE ZERO_RANGE INSERT_RANGE UNSHARE_RANGE"
    ),
    Form.URING_COMMAND_FLAGS: bit_names("FIXED MULTISHOT"),
    Form.INSTALL_FLAGS: bit_names("NO_CLOEXEC"),
    Form.NOP_FLAGS: bit_names("INJECT_RESULT FILE FIXED_FILE FIXED_BUFFER TW CQE32"),
    Form.WAIT_OPTIONS: bit_names("WNOHANG WSTOPPED WEXITED WCONTINUED") | {0x01000000: "WNOWAIT"},
}

_CONSTANTS: Mapping[Form, Mapping[int, str]] = {
    Form.MESSAGE_RING_COMMAND: numbered_names("MSG_DATA MSG_SEND_FD"),
    Form.ADVICE_FILE: numbered_names("NORMAL RANDOM SEQUENTIAL WILLNEED DONTNEED NOREUSE"),
    Form.ADVICE_MEMORY: numbered_names("NORMAL RANDOM SEQUENTIAL WILLNEED DONTNEED")
    | numbered_names("FREE REMOVE DONTFORK DOFORK MERGEABLE UNMERGEABLE HUGEPAGE NOHUGEPAGE", 8)
    | numbered_names("DONTDUMP DODUMP WIPEONFORK KEEPONFORK COLD PAGEOUT POPULATE_READ POPULATE_WRITE", 16)
    | numbered_names("DONTNEED_LOCKED COLLAPSE", 24),
    Form.SHUTDOWN_HOW: numbered_names("SHUT_RD SHUT_WR SHUT_RDWR"),
    Form.EPOLL_OPERATION: numbered_names("EPOLL_CTL_ADD EPOLL_CTL_DEL EPOLL_CTL_MOD", 1),
    Form.ADDRESS_FAMILY: numbered_names("AF_UNSPEC AF_UNIX AF_INET")
    | {10: "AF_INET6", 16: "AF_NETLINK", 17: "AF_PACKET", 40: "AF_VSOCK", 44: "AF_XDP"},
    Form.SOCKET_COMMAND: numbered_names("SIOCINQ SIOCOUTQ GETSOCKOPT SETSOCKOPT TX_TIMESTAMP"),
    Form.SOCKET_LEVEL: {0: "SOL_IP", 1: "SOL_SOCKET", 6: "SOL_TCP", 17: "SOL_UDP", 41: "SOL_IPV6"}
    | {282: "SOL_TLS", 284: "SOL_MPTCP"},
}

_SOCKET_OPTIONS: Mapping[int, Mapping[int, str]] = {
    1: numbered_names(
        "SO_DEBUG SO_REUSEADDR SO_TYPE SO_ERROR SO_DONTROUTE SO_BROADCAST SO_SNDBUF SO_RCVBUF SO_KEEPALIVE "
        "SO_OOBINLINE SO_NO_CHECK SO_PRIORITY SO_LINGER SO_BSDCOMPAT SO_REUSEPORT SO_PASSCRED SO_PEERCRED "
        "SO_RCVLOWAT SO_SNDLOWAT SO_RCVTIMEO SO_SNDTIMEO",
        1,
    )
    | {25: "SO_BINDTODEVICE", 26: "SO_ATTACH_FILTER", 30: "SO_ACCEPTCONN", 36: "SO_MARK", 38: "SO_PROTOCOL"}
    | {39: "SO_DOMAIN", 46: "SO_BUSY_POLL", 49: "SO_INCOMING_CPU", 60: "SO_ZEROCOPY"},
    6: numbered_names(
        "TCP_NODELAY TCP_MAXSEG TCP_CORK TCP_KEEPIDLE TCP_KEEPINTVL TCP_KEEPCNT TCP_SYNCNT TCP_LINGER2 "
        "TCP_DEFER_ACCEPT TCP_WINDOW_CLAMP TCP_INFO TCP_QUICKACK TCP_CONGESTION TCP_MD5SIG",
        1,
    )
    | {18: "TCP_USER_TIMEOUT", 23: "TCP_FASTOPEN", 25: "TCP_NOTSENT_LOWAT", 30: "TCP_FASTOPEN_CONNECT"}
    | {31: "TCP_ULP", 36: "TCP_INQ"},
    282: numbered_names("TLS_TX TLS_RX TLS_TX_ZEROCOPY_RO TLS_RX_EXPECT_NO_PAD", 1),
}


def socket_option(level: int, option: int) -> str:
    """The option's name at this level (socket(7), tcp(7), linux/tls.h), or its number."""
    return _SOCKET_OPTIONS.get(level, {}).get(option, str(option))


def _bits_decoder(names: Mapping[int, str]) -> Callable[[int], str]:
    return lru_cache(4096)(lambda value: decode(value, names))


def _constant_decoder(names: Mapping[int, str]) -> Callable[[int], str]:
    return lambda value: names.get(value) or str(value)


DECODERS: Mapping[Form, Callable[[int], str]] = {
    **{form: _bits_decoder(names) for form, names in _BITS.items()},
    **{form: _constant_decoder(names) for form, names in _CONSTANTS.items()},
    Form.OPEN_FLAGS: lru_cache(4096)(open_flags),
    Form.SOCKET_TYPE: lru_cache(4096)(socket_type),
}
"""For each form that is named bits or a named constant, the text of a value."""

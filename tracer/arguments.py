"""Which SQE fields an operation uses, and what they are called there.

The SQE is one structure whose fields change their meaning with the operation
(io_uring_enter(2); the prep functions in io_uring/*.c). This table gives each
operation its arguments in the order of the system call it stands for. It says
nothing about how a value looks: `Form` only names what kind of value it is.
An operation that is not in the table is shown by its raw fields.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto


class Form(Enum):
    """What kind of value an argument is."""

    DESCRIPTOR = auto()
    """The operation's file: a descriptor, or a direct one with SQE_FIXED_FILE."""
    PLAIN_DESCRIPTOR = auto()
    """Another descriptor, never a direct one; signed 32 bits."""
    SPLICE_DESCRIPTOR = auto()
    """Direct when SPLICE_F_FD_IN_FIXED is set in the operation's flags."""
    DIRECTORY = auto()
    """A directory descriptor or AT_FDCWD."""
    CLOSED_DESCRIPTOR = auto()
    """Of CLOSE: a descriptor, or the direct one that `file_index` counts from 1."""
    CANCEL_DESCRIPTOR = auto()
    """Of ASYNC_CANCEL, which of these three it means depends on the flags."""
    CANCEL_OPERATION = auto()
    CANCEL_USER_DATA = auto()
    SLOT = auto()
    """A slot for a new direct descriptor, counted from 1; 0: none, 2**32 - 1: any."""
    UNSIGNED = auto()
    SIGNED = auto()
    """A signed 32-bit number."""
    OFFSET = auto()
    """A position in a file; 2**64 - 1: the file's own position."""
    POINTER = auto()
    HEXADECIMAL = auto()
    MODE = auto()
    """Permission bits, octal."""
    LOW_HALF = auto()
    """The low 32 bits of a 64-bit field."""
    MESSAGE_FLAGS = auto()
    OPEN_FLAGS = auto()
    READ_WRITE_FLAGS = auto()
    FSYNC_FLAGS = auto()
    SYNC_RANGE_FLAGS = auto()
    POLL_EVENTS = auto()
    POLL_FLAGS = auto()
    SPLICE_FLAGS = auto()
    ACCEPT_FLAGS = auto()
    ACCEPT_PRIORITY = auto()
    """The bits that ACCEPT keeps in `ioprio`."""
    SEND_RECEIVE_PRIORITY = auto()
    """The bits that the send and receive family keeps in `ioprio`."""
    TIMEOUT_FLAGS = auto()
    CANCEL_FLAGS = auto()
    MESSAGE_RING_COMMAND = auto()
    MESSAGE_RING_FLAGS = auto()
    AT_FLAGS = auto()
    RENAME_FLAGS = auto()
    FALLOCATE_MODE = auto()
    ADVICE_FILE = auto()
    ADVICE_MEMORY = auto()
    SHUTDOWN_HOW = auto()
    EPOLL_OPERATION = auto()
    ADDRESS_FAMILY = auto()
    SOCKET_TYPE = auto()
    SOCKET_COMMAND = auto()
    SOCKET_LEVEL = auto()
    """Low half of `addr`."""
    SOCKET_OPTION = auto()
    """High half of `addr`; its names depend on the level."""
    SOCKET_OPTION_LENGTH = auto()
    URING_COMMAND_FLAGS = auto()
    INSTALL_FLAGS = auto()
    NOP_FLAGS = auto()
    WAIT_OPTIONS = auto()


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of an operation: its name, the field of `OPERATION` it is in, its kind."""

    name: str
    field: str
    form: Form
    optional: bool = False
    """Shown only when the field is not 0."""
    detail: bool = False
    """A pointer that says little to a person: in JSON, not in a line."""


_FD = Argument("fd", "fd", Form.DESCRIPTOR)
_BUFFER = Argument("buf", "addr", Form.POINTER, detail=True)
_VECTOR = Argument("iov", "addr", Form.POINTER, detail=True)
_LENGTH = Argument("len", "len", Form.UNSIGNED)
_COUNT = Argument("iovcnt", "len", Form.UNSIGNED)
_OFFSET = Argument("off", "off", Form.OFFSET)
_BUFFER_INDEX = Argument("buf_index", "buf_index", Form.UNSIGNED)
_READ_WRITE = Argument("flags", "op_flags", Form.READ_WRITE_FLAGS, optional=True)
_PRIORITY = Argument("ioprio", "ioprio", Form.HEXADECIMAL, optional=True)
_MESSAGE_FLAGS = Argument("flags", "op_flags", Form.MESSAGE_FLAGS)
_SEND_RECEIVE = Argument("ioprio", "ioprio", Form.SEND_RECEIVE_PRIORITY, optional=True)
_MESSAGE = Argument("msg", "addr", Form.POINTER, detail=True)
_SLOT = Argument("file_index", "file_index", Form.SLOT, optional=True)
_DIRECTORY = Argument("dfd", "fd", Form.DIRECTORY)
_PATH = Argument("path", "addr", Form.POINTER)
_PLAIN_FLAGS = Argument("flags", "op_flags", Form.HEXADECIMAL)

_VECTORED = (_FD, _VECTOR, _COUNT, _OFFSET, _READ_WRITE, _PRIORITY)
_BUFFERED = (_FD, _BUFFER, _LENGTH, _OFFSET, _READ_WRITE, _PRIORITY)
_FIXED = (_FD, _BUFFER, _LENGTH, _OFFSET, _BUFFER_INDEX, _READ_WRITE, _PRIORITY)
_VECTORED_FIXED = (_FD, _VECTOR, _COUNT, _OFFSET, _BUFFER_INDEX, _READ_WRITE, _PRIORITY)
_SEND_TO = Argument("dest", "off", Form.POINTER, optional=True)
_SEND = (_FD, _BUFFER, _LENGTH, _MESSAGE_FLAGS, _SEND_RECEIVE, _SEND_TO)
_RECEIVE = (_FD, _BUFFER, _LENGTH, _MESSAGE_FLAGS, _SEND_RECEIVE)
_MESSAGED = (_FD, _MESSAGE, _MESSAGE_FLAGS, _SEND_RECEIVE)
_CHANGE_TIMEOUT = (
    Argument("user_data", "addr", Form.HEXADECIMAL),
    Argument("ts", "off", Form.POINTER, optional=True),
    Argument("flags", "op_flags", Form.TIMEOUT_FLAGS),
)
_TWO_PATHS = (
    Argument("olddfd", "fd", Form.DIRECTORY),
    Argument("oldpath", "addr", Form.POINTER),
    Argument("newdfd", "len", Form.DIRECTORY),
    Argument("newpath", "off", Form.POINTER),
)
_SPLICED = (
    Argument("fd_in", "file_index", Form.SPLICE_DESCRIPTOR),
    Argument("fd_out", "fd", Form.DESCRIPTOR),
    _LENGTH,
    Argument("flags", "op_flags", Form.SPLICE_FLAGS),
)
_ATTRIBUTE = (
    Argument("name", "addr", Form.POINTER),
    Argument("value", "off", Form.POINTER),
    Argument("size", "len", Form.UNSIGNED),
    _PLAIN_FLAGS,
)
_ATTRIBUTE_PATH = (Argument("path", "addr3", Form.POINTER), *_ATTRIBUTE)
_FUTEX = (
    Argument("uaddr", "addr", Form.POINTER),
    Argument("val", "off", Form.UNSIGNED),
    Argument("mask", "addr3", Form.HEXADECIMAL),
    Argument("flags", "fd", Form.HEXADECIMAL),
)

ARGUMENTS: Mapping[str, tuple[Argument, ...]] = {
    "NOP": (
        Argument("flags", "op_flags", Form.NOP_FLAGS, optional=True),
        Argument("result", "len", Form.SIGNED, optional=True),
    ),
    "READV": _VECTORED,
    "WRITEV": _VECTORED,
    "FSYNC": (
        _FD,
        Argument("off", "off", Form.UNSIGNED, optional=True),
        Argument("len", "len", Form.UNSIGNED, optional=True),
        Argument("flags", "op_flags", Form.FSYNC_FLAGS),
    ),
    "READ_FIXED": _FIXED,
    "WRITE_FIXED": _FIXED,
    "POLL_ADD": (
        _FD,
        Argument("events", "op_flags", Form.POLL_EVENTS),
        Argument("flags", "len", Form.POLL_FLAGS, optional=True),
    ),
    "POLL_REMOVE": (
        Argument("user_data", "addr", Form.HEXADECIMAL),
        Argument("new_user_data", "off", Form.HEXADECIMAL, optional=True),
        Argument("events", "op_flags", Form.POLL_EVENTS, optional=True),
        Argument("flags", "len", Form.POLL_FLAGS, optional=True),
    ),
    "SYNC_FILE_RANGE": (_FD, _OFFSET, _LENGTH, Argument("flags", "op_flags", Form.SYNC_RANGE_FLAGS)),
    "SENDMSG": _MESSAGED,
    "RECVMSG": _MESSAGED,
    "TIMEOUT": (
        Argument("ts", "addr", Form.POINTER),
        Argument("count", "off", Form.UNSIGNED),
        Argument("flags", "op_flags", Form.TIMEOUT_FLAGS),
    ),
    "TIMEOUT_REMOVE": _CHANGE_TIMEOUT,
    "ACCEPT": (
        _FD,
        Argument("addr", "addr", Form.POINTER, detail=True),
        Argument("addrlen", "off", Form.POINTER, detail=True),
        Argument("flags", "op_flags", Form.ACCEPT_FLAGS),
        Argument("ioprio", "ioprio", Form.ACCEPT_PRIORITY, optional=True),
        _SLOT,
    ),
    "ASYNC_CANCEL": (
        Argument("user_data", "addr", Form.CANCEL_USER_DATA),
        Argument("fd", "fd", Form.CANCEL_DESCRIPTOR),
        Argument("op", "len", Form.CANCEL_OPERATION),
        Argument("flags", "op_flags", Form.CANCEL_FLAGS),
    ),
    "LINK_TIMEOUT": (
        Argument("ts", "addr", Form.POINTER),
        Argument("flags", "op_flags", Form.TIMEOUT_FLAGS),
    ),
    "CONNECT": (_FD, Argument("addr", "addr", Form.POINTER), Argument("addrlen", "off", Form.UNSIGNED)),
    "FALLOCATE": (
        _FD,
        Argument("mode", "len", Form.FALLOCATE_MODE),
        _OFFSET,
        Argument("len", "addr", Form.UNSIGNED),
    ),
    "OPENAT": (
        _DIRECTORY,
        _PATH,
        Argument("flags", "op_flags", Form.OPEN_FLAGS),
        Argument("mode", "len", Form.MODE, optional=True),
        _SLOT,
    ),
    "CLOSE": (
        Argument("fd", "fd", Form.CLOSED_DESCRIPTOR),
        Argument("file_index", "file_index", Form.UNSIGNED, detail=True),
    ),
    "FILES_UPDATE": (
        Argument("fds", "addr", Form.POINTER),
        Argument("nr_fds", "len", Form.UNSIGNED),
        Argument("off", "off", Form.UNSIGNED),
    ),
    "STATX": (
        _DIRECTORY,
        _PATH,
        Argument("flags", "op_flags", Form.AT_FLAGS),
        Argument("mask", "len", Form.HEXADECIMAL),
        Argument("statxbuf", "off", Form.POINTER, detail=True),
    ),
    "READ": _BUFFERED,
    "WRITE": _BUFFERED,
    "FADVISE": (
        _FD,
        _OFFSET,
        _LENGTH,
        Argument("long_len", "addr", Form.UNSIGNED, optional=True),
        Argument("advice", "op_flags", Form.ADVICE_FILE),
    ),
    "MADVISE": (
        Argument("addr", "addr", Form.POINTER),
        _LENGTH,
        Argument("long_len", "off", Form.UNSIGNED, optional=True),
        Argument("advice", "op_flags", Form.ADVICE_MEMORY),
    ),
    "SEND": _SEND,
    "RECV": _RECEIVE,
    "OPENAT2": (
        _DIRECTORY,
        _PATH,
        Argument("how", "off", Form.POINTER),
        Argument("size", "len", Form.UNSIGNED),
        _SLOT,
    ),
    "EPOLL_CTL": (
        Argument("epfd", "fd", Form.DESCRIPTOR),
        Argument("op", "len", Form.EPOLL_OPERATION),
        Argument("fd", "off", Form.PLAIN_DESCRIPTOR),
        Argument("event", "addr", Form.POINTER, detail=True),
    ),
    "SPLICE": (
        _SPLICED[0],
        Argument("off_in", "addr", Form.OFFSET),
        _SPLICED[1],
        Argument("off_out", "off", Form.OFFSET),
        *_SPLICED[2:],
    ),
    "PROVIDE_BUFFERS": (
        Argument("addr", "addr", Form.POINTER, detail=True),
        _LENGTH,
        Argument("nr", "fd", Form.UNSIGNED),
        Argument("bgid", "buf_index", Form.UNSIGNED),
        Argument("bid", "off", Form.UNSIGNED),
    ),
    "REMOVE_BUFFERS": (
        Argument("nr", "fd", Form.UNSIGNED),
        Argument("bgid", "buf_index", Form.UNSIGNED),
    ),
    "TEE": _SPLICED,
    "SHUTDOWN": (_FD, Argument("how", "len", Form.SHUTDOWN_HOW)),
    "RENAMEAT": (*_TWO_PATHS, Argument("flags", "op_flags", Form.RENAME_FLAGS)),
    "UNLINKAT": (_DIRECTORY, _PATH, Argument("flags", "op_flags", Form.AT_FLAGS)),
    "MKDIRAT": (_DIRECTORY, _PATH, Argument("mode", "len", Form.MODE)),
    "SYMLINKAT": (
        Argument("target", "addr", Form.POINTER),
        Argument("newdfd", "fd", Form.DIRECTORY),
        Argument("linkpath", "off", Form.POINTER),
    ),
    "LINKAT": (*_TWO_PATHS, Argument("flags", "op_flags", Form.AT_FLAGS)),
    "MSG_RING": (
        _FD,
        Argument("cmd", "addr", Form.MESSAGE_RING_COMMAND),
        Argument("len", "len", Form.SIGNED),
        Argument("data", "off", Form.HEXADECIMAL),
        Argument("src_slot", "addr3", Form.UNSIGNED, optional=True),
        Argument("dst_slot", "file_index", Form.SLOT, optional=True),
        Argument("flags", "op_flags", Form.MESSAGE_RING_FLAGS, optional=True),
    ),
    "FSETXATTR": (_FD, *_ATTRIBUTE),
    "SETXATTR": _ATTRIBUTE_PATH,
    "FGETXATTR": (_FD, *_ATTRIBUTE),
    "GETXATTR": _ATTRIBUTE_PATH,
    "SOCKET": (
        Argument("domain", "fd", Form.ADDRESS_FAMILY),
        Argument("type", "off", Form.SOCKET_TYPE),
        Argument("protocol", "len", Form.UNSIGNED),
        Argument("flags", "op_flags", Form.HEXADECIMAL, optional=True),
        _SLOT,
    ),
    "URING_CMD": (
        _FD,
        Argument("cmd_op", "off", Form.LOW_HALF),
        Argument("flags", "op_flags", Form.URING_COMMAND_FLAGS, optional=True),
        Argument("addr", "addr", Form.POINTER, detail=True),
        Argument("addr3", "addr3", Form.POINTER, detail=True),
        Argument("optlen", "file_index", Form.UNSIGNED, detail=True),
    ),
    "SEND_ZC": (*_SEND, Argument("buf_index", "buf_index", Form.UNSIGNED, optional=True)),
    "SENDMSG_ZC": _MESSAGED,
    "READ_MULTISHOT": (_FD, _LENGTH, _OFFSET),
    "WAITID": (
        Argument("idtype", "len", Form.UNSIGNED),
        Argument("id", "fd", Form.SIGNED),
        Argument("infop", "off", Form.POINTER, detail=True),
        Argument("options", "file_index", Form.WAIT_OPTIONS),
        Argument("flags", "op_flags", Form.HEXADECIMAL, optional=True),
    ),
    "FUTEX_WAIT": _FUTEX,
    "FUTEX_WAKE": _FUTEX,
    "FUTEX_WAITV": (Argument("futexv", "addr", Form.POINTER), Argument("nr", "len", Form.UNSIGNED)),
    "FIXED_FD_INSTALL": (_FD, Argument("flags", "op_flags", Form.INSTALL_FLAGS, optional=True)),
    "FTRUNCATE": (_FD, Argument("length", "off", Form.UNSIGNED)),
    "BIND": (_FD, Argument("addr", "addr", Form.POINTER), Argument("addrlen", "off", Form.UNSIGNED)),
    "LISTEN": (_FD, Argument("backlog", "len", Form.UNSIGNED)),
    "RECV_ZC": (
        _FD,
        _LENGTH,
        Argument("ifq", "file_index", Form.UNSIGNED),
        _SEND_RECEIVE,
    ),
    "EPOLL_WAIT": (
        _FD,
        Argument("events", "addr", Form.POINTER, detail=True),
        Argument("maxevents", "len", Form.UNSIGNED),
    ),
    "READV_FIXED": _VECTORED_FIXED,
    "WRITEV_FIXED": _VECTORED_FIXED,
    "PIPE": (
        Argument("fds", "addr", Form.POINTER, detail=True),
        Argument("flags", "op_flags", Form.OPEN_FLAGS, optional=True),
        _SLOT,
    ),
}
"""By the kernel's name of the operation, without IORING_OP_."""

SOCKET_COMMAND_ARGUMENTS: tuple[Argument, ...] = (
    _FD,
    Argument("cmd_op", "off", Form.SOCKET_COMMAND),
    Argument("level", "addr", Form.SOCKET_LEVEL),
    Argument("optname", "addr", Form.SOCKET_OPTION),
    Argument("optval", "addr3", Form.POINTER, detail=True),
    Argument("optlen", "file_index", Form.SOCKET_OPTION_LENGTH),
)
"""URING_CMD on a socket (enum io_uring_socket_op; io_uring/cmd_net.c since 6.15)."""

GENERIC_ARGUMENTS: tuple[Argument, ...] = (
    Argument("fd", "fd", Form.DESCRIPTOR, optional=True),
    Argument("off", "off", Form.HEXADECIMAL, optional=True),
    Argument("addr", "addr", Form.POINTER, optional=True),
    Argument("len", "len", Form.UNSIGNED, optional=True),
    Argument("flags", "op_flags", Form.HEXADECIMAL, optional=True),
    Argument("ioprio", "ioprio", Form.HEXADECIMAL, optional=True),
    Argument("buf_index", "buf_index", Form.UNSIGNED, optional=True),
    Argument("file_index", "file_index", Form.UNSIGNED, optional=True),
    Argument("addr3", "addr3", Form.POINTER, optional=True),
)
"""For an operation that is newer than this table."""

_DESCRIPTORS = (Form.DESCRIPTOR, Form.DIRECTORY, Form.CLOSED_DESCRIPTOR)


def arguments_of(name: str) -> tuple[Argument, ...]:
    """The arguments of the operation with this name, generic ones if it is not known."""
    return ARGUMENTS.get(name, GENERIC_ARGUMENTS)


def uses_descriptor(name: str) -> bool:
    """Whether the SQE's `fd` is a descriptor there; SOCKET keeps the domain in it, for one."""
    return any(argument.field == "fd" and argument.form in _DESCRIPTORS for argument in arguments_of(name))

"""The kernel's structures in user memory, from their bytes: times, sets, events, files.

Each function takes the bytes that were read and returns a value of `call_values`, or None
where they are too few. Layouts are those of x86-64 and of every other 64-bit little-endian
Linux (include/uapi; struct epoll_event is packed on x86-64 alone).
"""

from __future__ import annotations

import signal
import stat
import struct
from collections.abc import Callable, Iterator
from functools import lru_cache

from uringtrace.ui.text.call_flags import FLAGS
from uringtrace.ui.text.call_names import bits, text_of
from uringtrace.ui.text.call_values import PAYLOAD, REST, Quoted, Value, Word, Written, pointer

_NO_LIMIT = 2**64 - 1
_SIGNALS = 64
_REAL_TIME = 32

POLL_EVENTS = bits(
    "POLL???",
    """
POLLIN=0x1 POLLPRI=0x2 POLLOUT=0x4 POLLRDNORM=0x40 POLLWRNORM=0x100 POLLRDBAND=0x80 POLLWRBAND=0x200
POLLERR=0x8 POLLHUP=0x10 POLLNVAL=0x20 POLLMSG=0x400 POLLREMOVE=0x1000 POLLRDHUP=0x2000
POLL_BUSY_LOOP=0x8000
""",
    width=16,
)
EPOLL_EVENTS = bits(
    "EPOLL???",
    """
EPOLLIN=0x1 EPOLLPRI=0x2 EPOLLOUT=0x4 EPOLLRDNORM=0x40 EPOLLRDBAND=0x80 EPOLLWRNORM=0x100
EPOLLWRBAND=0x200 EPOLLMSG=0x400 EPOLLERR=0x8 EPOLLHUP=0x10 EPOLLNVAL=0x20 EPOLLRDHUP=0x2000
EPOLLEXCLUSIVE=0x10000000 EPOLLWAKEUP=0x20000000 EPOLLONESHOT=0x40000000 EPOLLET=0x80000000
""",
)


def whole(data: bytes, size: int = 4, *, signed: bool = False) -> int | None:
    """The number in the first `size` bytes."""
    return int.from_bytes(data[:size], "little", signed=signed) if len(data) >= size else None


def pair_of_times(data: bytes, fraction: str) -> Value:
    if len(data) < 16:
        return None
    seconds, rest = struct.unpack_from("<qq", data)
    return {"tv_sec": seconds, fraction: rest}


def time_value(data: bytes) -> Value:
    return pair_of_times(data, "tv_nsec")


def microseconds_time(data: bytes) -> Value:
    return pair_of_times(data, "tv_usec")


def timer(data: bytes, inner: Callable[[bytes], Value] = time_value) -> Value:
    if len(data) < 32:
        return None
    return {"it_interval": inner(data), "it_value": inner(data[16:])}


def microseconds_timer(data: bytes) -> Value:
    return timer(data, microseconds_time)


def limit(data: bytes, infinity: str = "RLIM64_INFINITY") -> Value:
    if len(data) < 16:
        return None
    soft, hard = struct.unpack_from("<QQ", data)
    return {"rlim_cur": _bound(soft, infinity), "rlim_max": _bound(hard, infinity)}


def _bound(value: int, infinity: str) -> Value:
    if value == _NO_LIMIT:
        return Word(infinity)
    return Written(f"{value // 1024}*1024", value) if value > 1024 and value % 1024 == 0 else value


@lru_cache(256)
def signal_name(number: int) -> str:
    """`SIGINT`, `SIGRT_1`, or the number."""
    if _REAL_TIME <= number <= _SIGNALS:
        return f"SIGRT_{number - _REAL_TIME}" if number > _REAL_TIME else "SIGRTMIN"
    try:
        return signal.Signals(number).name if number > 0 else str(number)
    except ValueError:
        return {16: "SIGSTKFLT"}.get(number, str(number))


def signal_set(data: bytes) -> Value:
    bits_set = whole(data, 8)
    if bits_set is None:
        return None
    numbers = [number for number in range(1, _SIGNALS + 1) if bits_set >> number - 1 & 1]
    inverted = len(numbers) >= _SIGNALS * 2 // 3
    shown = [each for each in range(1, _SIGNALS + 1) if (each in numbers) != inverted]
    words = " ".join(signal_name(number).removeprefix("SIG") for number in shown)
    return Written(f"{'~' if inverted else ''}[{words}]", [Word(signal_name(each)) for each in numbers])


def descriptor_set(data: bytes, limit: int) -> Value:
    """An fd_set of which the first `limit` bits count: `[3 5]`."""
    numbers = list(set_bits(data, limit))
    complete = len(data) * 8 >= limit
    return Written(f"[{' '.join(map(str, numbers))}{'' if complete else ' ...'}]", numbers)


def set_bits(data: bytes, limit: int) -> Iterator[int]:
    for place, byte in enumerate(data):
        for bit in range(8) if byte else ():
            if byte >> bit & 1 and place * 8 + bit < limit:
                yield place * 8 + bit


def epoll_event(data: bytes) -> Value:
    if len(data) < 12:
        return None
    events, low, high = struct.unpack_from("<III", data)
    return {
        "events": Word(text_of(EPOLL_EVENTS, events)),
        "data": {"u32": low, "u64": high << 32 | low},
    }


def epoll_events(data: bytes, count: int) -> Value:
    found = [epoll_event(data[place : place + 12]) for place in range(0, len(data) - 11, 12)]
    return found if len(found) >= count else [*found, REST]


def poll_list(data: bytes, count: int) -> Value:
    """What poll was asked for; a negative descriptor is left out by it."""
    found: list[Value] = []
    for fd, events, _ in struct.iter_unpack("<iHH", data[: len(data) // 8 * 8]):
        found.append({"fd": fd} if fd < 0 else {"fd": fd, "events": Word(text_of(POLL_EVENTS, events))})
    return found if len(found) >= count else [*found, REST]


def poll_results(data: bytes, count: int) -> Value:
    """Those that poll reports as ready."""
    items = struct.iter_unpack("<iHH", data[: len(data) // 8 * 8])
    found: list[Value] = [
        {"fd": fd, "revents": Word(text_of(POLL_EVENTS, revents))} for fd, _, revents in items if revents
    ]
    return found if len(data) // 8 >= count else [*found, REST]


def vectors(data: bytes, count: int, received: int | None = None) -> Value:
    """struct iovec; `received` bytes were filled in, None: all of them are data."""
    found: list[Value] = []
    left = received
    for base, length in struct.iter_unpack("<QQ", data[: len(data) // 16 * 16]):
        filled = length if left is None else min(left, length)
        left = None if left is None else left - filled
        found.append({"iov_base": payload(base, filled), "iov_len": length})
    return found if len(found) >= count else [*found, REST]


def payload(address: int, length: int) -> Value:
    """Stands for data of `length` bytes."""
    if not address:
        return None
    return PAYLOAD if length else Quoted(b"")


def file_status(data: bytes) -> Value:
    """struct stat, what strace shows of it."""
    if len(data) < 56:
        return None
    mode, device, size = struct.unpack_from("<I12xQq", data, 24)
    status: dict[str, Value] = {"st_mode": Word(file_mode(mode))}
    if stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
        status["st_rdev"] = Word(device_number(device))
    else:
        status["st_size"] = size
    return status | {"rest": REST}


_TYPES = {
    stat.S_IFREG: "S_IFREG",
    stat.S_IFDIR: "S_IFDIR",
    stat.S_IFCHR: "S_IFCHR",
    stat.S_IFBLK: "S_IFBLK",
    stat.S_IFIFO: "S_IFIFO",
    stat.S_IFLNK: "S_IFLNK",
    stat.S_IFSOCK: "S_IFSOCK",
}


@lru_cache(1024)
def file_mode(mode: int) -> str:
    """`S_IFREG|0644`"""
    kind = _TYPES.get(stat.S_IFMT(mode))
    if kind is None:
        return octal(mode)
    special = "".join(
        f"|{name}"
        for bit, name in ((stat.S_ISUID, "S_ISUID"), (stat.S_ISGID, "S_ISGID"), (stat.S_ISVTX, "S_ISVTX"))
        if mode & bit
    )
    return f"{kind}{special}|{octal(mode & 0o777)}"


def octal(value: int) -> str:
    """Permissions: at least three digits, the first a 0."""
    return f"0{value:02o}"


def device_number(device: int) -> str:
    """A 64-bit dev_t as glibc's major and minor see it (makedev(3))."""
    major = device >> 8 & 0xFFF | device >> 32 & 0xFFFFF000
    minor = device & 0xFF | device >> 12 & 0xFFFFFF00
    return f"makedev({major:#x}, {minor:#x})".replace("0x0", "0")


def wait_status(status: int) -> Value:
    """The status of wait4(2), in the words of its macros."""
    low = status & 0x7F
    if status == 0xFFFF:
        told = "WIFCONTINUED(s)"
    elif status & 0xFF == 0x7F:
        told = f"WIFSTOPPED(s) && WSTOPSIG(s) == {signal_name(status >> 8 & 0xFF)}"
    elif low == 0:
        told = f"WIFEXITED(s) && WEXITSTATUS(s) == {status >> 8 & 0xFF}"
    else:
        core = " && WCOREDUMP(s)" if status & 0x80 else ""
        told = f"WIFSIGNALED(s) && WTERMSIG(s) == {signal_name(low)}{core}"
    return Written(f"[{{{told}}}]", status)


def open_how(data: bytes) -> Value:
    """struct open_how (openat2(2))."""
    if len(data) < 24:
        return None
    flags, mode, resolve = struct.unpack_from("<QQQ", data)
    how: dict[str, Value] = {"flags": Word(text_of(FLAGS["open"], flags))}
    if mode or creates(flags):
        how["mode"] = Word(octal(mode))
    return how | {"resolve": Word(text_of(FLAGS["resolve"], resolve))}


def creates(flags: int) -> bool:
    """Whether open's flags ask for a new file: O_CREAT or __O_TMPFILE."""
    return bool(flags & 0x400040)


def ring_parameters(data: bytes) -> Value:
    """The beginning of struct io_uring_params."""
    if len(data) < 28:
        return None
    entries, completions, flags, processor, idle, features, workers = struct.unpack_from("<7I", data)
    found: dict[str, Value] = {
        "flags": Word(text_of(FLAGS["io_uring_setup"], flags)),
        "sq_thread_cpu": processor,
        "sq_thread_idle": idle,
    }
    if flags & 1 << 5:
        found["wq_fd"] = workers
    return found | {
        "sq_entries": entries,
        "cq_entries": completions,
        "features": Word(text_of(FLAGS["io_uring_features"], features)),
        "rest": REST,
    }


_CLONE_PIDFD, _CLONE_SETTLS = 1 << 12, 1 << 19
_CLONE_PARENT_SETTID, _CLONE_CHILD_TID = 1 << 20, 1 << 21 | 1 << 24


def clone_arguments(data: bytes) -> Value:
    """struct clone_args (clone3(2)); what the flags do not ask for is left out."""
    if len(data) < 64:
        return None
    flags, pidfd, child, parent, exit_signal, stack, size, storage = struct.unpack_from("<8Q", data)
    found: dict[str, Value] = {"flags": Word(text_of(FLAGS["clone"], flags))}
    if flags & _CLONE_PIDFD:
        found["pidfd"] = Word(pointer(pidfd))
    if flags & _CLONE_CHILD_TID:
        found["child_tid"] = Word(pointer(child))
    if flags & _CLONE_PARENT_SETTID:
        found["parent_tid"] = Word(pointer(parent))
    found["exit_signal"] = Word(signal_name(exit_signal))
    found["stack"] = Word(pointer(stack))
    found["stack_size"] = Word(f"{size:#x}" if size else "0")
    if flags & _CLONE_SETTLS:
        found["tls"] = Word(pointer(storage))
    return found

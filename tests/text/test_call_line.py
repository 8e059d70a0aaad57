"""Lines of system calls: the texts are those of strace 6.1 for the same arguments."""

# ruff: noqa: E501 — a line of strace's is as long as it is, and is searched for as a whole

import struct
from typing import Any

import pytest

from tests.fakes import CALL_NAMES, STARTED_NS, call, context
from tests.text.call_records import (
    Content,
    epoll_events,
    internet,
    numbers,
    pollfds,
    remembering,
    string,
    words,
)
from uringtrace.tracer.record import Batch, Kind
from uringtrace.tracer.records import CONTROL, ENTERED, IOVEC, NAME
from uringtrace.tracer.source import File, Thread
from uringtrace.ui.text.operation_line import LineFormatter

FILES = {
    1: File(1, "TCP 127.0.0.1:80 listening", 0, 0),
    2: File(2, "TCP 127.0.0.1:80->127.0.0.1:1234", 0, 0),
    3: File(3, "/etc/passwd", 0, 0),
    4: File(4, "anon_inode:[eventpoll]", 0, 0),
    5: File(5, "pipe:[77]", 0, 0),
}
WHO = "[pid 4242 tid 4243] "
CWD = -100
IN, OUT = 1, 4


def line(batch: Batch, memory: dict[int, Content] | None = None, **options: Any) -> str:
    """The only line, without who."""
    (text,) = LineFormatter(context(), FILES, **options).lines(remembering(batch, memory or {}), FILES)
    assert text.startswith(WHO)
    return text[len(WHO) :]


def shown(batch: Batch, memory: dict[int, Content] | None = None) -> str:
    """The line without its duration."""
    text = line(batch, memory)
    assert text.endswith(" <0.000012>")
    return text.removesuffix(" <0.000012>")


def test_the_whole_line() -> None:
    batch = call("openat", CWD, 0x10, 0o2000000, result=3, result_file=3)
    assert (
        LineFormatter(context(), FILES).lines(remembering(batch, {1: string("/etc/passwd")}), FILES)[0]
        == '[pid 4242 tid 4243] openat(AT_FDCWD, "/etc/passwd", O_RDONLY|O_CLOEXEC) = 3</etc/passwd> <0.000012>'
    )


PATHS = [
    (call("openat", CWD, 9, 0x241, 0o644, result=-2), {1: string("x")}, 'openat(AT_FDCWD, "x", O_WRONLY|O_CREAT|O_TRUNC, 0644) = -1 ENOENT (No such file or directory)'),
    (call("openat", CWD, 9, 0o2200000, result=5), {1: string("/tmp")}, 'openat(AT_FDCWD, "/tmp", O_RDONLY|O_CLOEXEC|O_DIRECTORY) = 5'),
    (call("openat", 4, 9, 0x410002, 0o600, fd=4, file=5, result=-20), {1: string("")}, 'openat(4<pipe:[77]>, "", O_RDWR|O_TMPFILE, 0600) = -1 ENOTDIR (Not a directory)'),
    (call("openat", CWD, 1, 0, result=-14), {}, "openat(AT_FDCWD, 0x1, O_RDONLY) = -1 EFAULT (Bad address)"),
    (call("open", 9, 0), {0: string('x\1\t"\\\xff2\x0027')}, 'open("x\\1\\t\\"\\\\\\3772", O_RDONLY) = 0'),
    (call("open", 9, 0), {0: string("\x012")}, 'open("\\0012", O_RDONLY) = 0'),
    (call("open", 9, 0), {0: b"a" * 1008}, f'open("{"a" * 1008}"..., O_RDONLY) = 0'),
    (call("openat2", CWD, 9, 8, 24, result=4), {1: string("/etc"), 2: words(0o2000000, 0, 8)}, 'openat2(AT_FDCWD, "/etc", {flags=O_RDONLY|O_CLOEXEC, resolve=RESOLVE_BENEATH}, 24) = 4'),
    (call("openat2", CWD, 9, 8, 24, result=4), {1: string("x"), 2: words(0x42, 0o600, 0)}, 'openat2(AT_FDCWD, "x", {flags=O_RDWR|O_CREAT, mode=0600, resolve=0}, 24) = 4'),
    (call("readlink", 9, 8, 100, result=4), {0: string("/l"), 1: b"/x/y"}, 'readlink("/l", "/x/y", 100) = 4'),
    (call("getcwd", 9, 100, result=9), {0: b"/tmp/sig\0"}, 'getcwd("/tmp/sig", 100) = 9'),
    (call("getcwd", 0x99, 3, result=-34), {}, "getcwd(0x99, 3) = -1 ERANGE (Numerical result out of range)"),
    (call("mknodat", CWD, 9, 0o10644, 5), {1: string("f")}, 'mknodat(AT_FDCWD, "f", S_IFIFO|0644) = 0'),
    (call("mknodat", CWD, 9, 0o20644, 0x103), {1: string("f")}, 'mknodat(AT_FDCWD, "f", S_IFCHR|0644, makedev(0x1, 0x3)) = 0'),
    (call("chown", 9, 2**32 - 1, 5), {0: string("f")}, 'chown("f", -1, 5) = 0'),
    (call("umask", 0o22, result=0o22), {}, "umask(022) = 022"),
    (call("execve", 9, 0x50, 0x60), {0: string("/bin/true")}, 'execve("/bin/true", 0x50, 0x60) = 0'),
    (call("newfstatat", CWD, 9, 8, 0), {1: string("/etc/passwd"), 2: bytes(24) + struct.pack("<I12xQq", 0o100644, 0, 1271) + bytes(88)}, 'newfstatat(AT_FDCWD, "/etc/passwd", {st_mode=S_IFREG|0644, st_size=1271, ...}, 0) = 0'),
    (call("fstat", 1, 8, fd=1), {1: bytes(24) + struct.pack("<I12xQq", 0o20666, 0x103, 0) + bytes(88)}, "fstat(1, {st_mode=S_IFCHR|0666, st_rdev=makedev(0x1, 0x3), ...}) = 0"),
    (call("stat", 9, 8), {0: string("/tmp"), 1: bytes(24) + struct.pack("<I12xQq", 0o41777, 0, 4096) + bytes(88)}, 'stat("/tmp", {st_mode=S_IFDIR|S_ISVTX|0777, st_size=4096, ...}) = 0'),
]  # fmt: skip

DATA = [
    (call("read", 3, 0x99, 10, fd=3, file=3, result=10), {}, "read(3</etc/passwd>, …, 10) = 10"),
    (call("read", 3, 0x99, 10, fd=3, file=3, result=0), {}, 'read(3</etc/passwd>, "", 10) = 0'),
    (call("read", 3, 0x99, 10, fd=3, result=-11), {}, "read(3, 0x99, 10) = -1 EAGAIN (Resource temporarily unavailable)"),
    (call("write", 1, 0x99, 5, fd=1, result=5), {}, "write(1, …, 5) = 5"),
    (call("write", 1, 0x99, 0, fd=1), {}, 'write(1, "", 0) = 0'),
    (call("pread64", 3, 0x99, 4, 2, fd=3, result=4), {}, "pread64(3, …, 4, 2) = 4"),
    (call("writev", 9, 0x99, 2, fd=9, result=5), {1: words(0x10, 2, 0x20, 3)}, "writev(9, [{iov_base=…, iov_len=2}, {iov_base=…, iov_len=3}], 2) = 5"),
    (call("readv", 9, 0x99, 3, fd=9, result=5), {1: (words(0x10, 5, 0x20, 3), 48)}, 'readv(9, [{iov_base=…, iov_len=5}, {iov_base="", iov_len=3}, ...], 3) = 5'),
    (call("preadv2", 9, 0x99, 1, -1, 0, 8, fd=9, result=5), {1: words(0x10, 5)}, "preadv2(9, [{iov_base=…, iov_len=5}], 1, -1, RWF_NOWAIT) = 5"),
    (call("getrandom", 0x99, 3, 1, result=3), {}, "getrandom(…, 3, GRND_NONBLOCK) = 3"),
    (call("sendfile", 4, 3, 0x99, 100, fd=4, file=2, second_file=3, result=6), {2: words(4)}, "sendfile(4<TCP 127.0.0.1:80->127.0.0.1:1234>, 3</etc/passwd>, [4] => [10], 100) = 6"),
    (call("sendfile", 4, 3, 0, 100, fd=4, result=0), {}, "sendfile(4, 3, NULL, 100) = 0"),
    (call("splice", 4, 0x99, 3, 0, 5, 1, fd=4, result=3), {1: words(7)}, "splice(4, [7], 3, NULL, 5, SPLICE_F_MOVE) = 3"),
    (call("lseek", 4, -3, 2, fd=4, result=20), {}, "lseek(4, -3, SEEK_END) = 20"),
    (call("ftruncate", 4, 5, fd=4), {}, "ftruncate(4, 5) = 0"),
    (call("fallocate", 4, 3, 0, 10, fd=4), {}, "fallocate(4, FALLOC_FL_KEEP_SIZE|FALLOC_FL_PUNCH_HOLE, 0, 10) = 0"),
    (call("fcntl", 4, 3, 0, fd=4, result=0x8002), {}, "fcntl(4, F_GETFL) = 0x8002 (flags O_RDWR|O_LARGEFILE)"),
    (call("fcntl", 4, 1, 0, fd=4, result=1), {}, "fcntl(4, F_GETFD) = 0x1 (flags FD_CLOEXEC)"),
    (call("fcntl", 4, 1, 0, fd=4), {}, "fcntl(4, F_GETFD) = 0"),
    (call("fcntl", 4, 4, 0xC00, fd=4), {}, "fcntl(4, F_SETFL, O_RDONLY|O_APPEND|O_NONBLOCK) = 0"),
    (call("fcntl", 4, 2, 1, fd=4), {}, "fcntl(4, F_SETFD, FD_CLOEXEC) = 0"),
    (call("fcntl", 4, 1030, 60, fd=4, file=3, result=60), {}, "fcntl(4</etc/passwd>, F_DUPFD_CLOEXEC, 60) = 60</etc/passwd>"),
    (call("dup2", 4, 7, fd=4, file=3, second_file=5, result=7, result_file=3), {}, "dup2(4</etc/passwd>, 7<pipe:[77]>) = 7</etc/passwd>"),
    (call("ioctl", 4, 0x541B, 0x99, fd=4), {2: numbers(13)}, "ioctl(4, FIONREAD, [13]) = 0"),
    (call("ioctl", 4, 0x5421, 0x99, fd=4), {2: numbers(1)}, "ioctl(4, FIONBIO, [1]) = 0"),
    (call("ioctl", 4, 0x5401, 0x99, fd=4, result=-25), {2: numbers(1)}, "ioctl(4, TCGETS, 0x99) = -1 ENOTTY (Inappropriate ioctl for device)"),
    (call("ioctl", 4, 0x5451, 0x99, fd=4), {}, "ioctl(4, FIOCLEX) = 0"),
    (call("ioctl", 4, 0xC0046601, 1, fd=4), {}, "ioctl(4, _IOC(_IOC_READ|_IOC_WRITE, 0x66, 0x1, 0x4), 0x1) = 0"),
    (call("close", -1, fd=-1, result=-9), {}, "close(-1) = -1 EBADF (Bad file descriptor)"),
]  # fmt: skip

SOCKETS = [
    (call("socket", 2, 0x80801, 0, result=3, result_file=1), {}, "socket(AF_INET, SOCK_STREAM|SOCK_CLOEXEC|SOCK_NONBLOCK, IPPROTO_IP) = 3<TCP 127.0.0.1:80 listening>"),
    (call("socket", 16, 3, 15, result=3), {}, "socket(AF_NETLINK, SOCK_RAW, NETLINK_KOBJECT_UEVENT) = 3"),
    (call("socket", 1, 1, 0, result=3), {}, "socket(AF_UNIX, SOCK_STREAM, 0) = 3"),
    (call("accept4", 3, 9, 8, 0x800, fd=3, file=1, result=5, result_file=2), {1: internet("127.0.0.1", 1234), 2: numbers(128)}, 'accept4(3<TCP 127.0.0.1:80 listening>, {sa_family=AF_INET, sin_port=htons(1234), sin_addr=inet_addr("127.0.0.1")}, [128 => 16], SOCK_NONBLOCK) = 5<TCP 127.0.0.1:80->127.0.0.1:1234>'),
    (call("accept", 3, 0, 0, fd=3, result=5), {}, "accept(3, NULL, NULL) = 5"),
    (call("accept", 3, 9, 8, fd=3, result=-11), {2: numbers(16)}, "accept(3, 0x9, [16]) = -1 EAGAIN (Resource temporarily unavailable)"),
    (call("getsockname", 3, 9, 8, fd=3), {1: internet("10.0.0.1", 9), 2: numbers(16)}, 'getsockname(3, {sa_family=AF_INET, sin_port=htons(9), sin_addr=inet_addr("10.0.0.1")}, [16]) = 0'),
    (call("getsockname", 3, 9, 8, fd=3), {1: internet("10.0.0.1", 0x4142), 2: numbers(4)}, 'getsockname(3, {sa_family=AF_INET, sa_data="AB"}, [4 => 16]) = 0'),
    (call("connect", 3, 9, 28, fd=3, result=-115), {1: struct.pack("<HHI", 10, 0x6300, 0) + bytes(15) + b"\1" + numbers(0)}, 'connect(3, {sa_family=AF_INET6, sin6_port=htons(99), sin6_flowinfo=htonl(0), inet_pton(AF_INET6, "::1", &sin6_addr), sin6_scope_id=0}, 28) = -1 EINPROGRESS (Operation now in progress)'),
    (call("connect", 3, 9, 28, fd=3), {1: struct.pack("<HHI", 10, 0, 0) + bytes(10) + b"\xff\xff\1\2\3\4"}, 'connect(3, {sa_family=AF_INET6, sin6_port=htons(0), sin6_flowinfo=htonl(0), inet_pton(AF_INET6, "::ffff:1.2.3.4", &sin6_addr)}, 28) = 0'),
    (call("connect", 3, 9, 110, fd=3), {1: b"\1\0/tmp/no\"\n\0\0\0"}, 'connect(3, {sa_family=AF_UNIX, sun_path="/tmp/no\\"\\n"}, 110) = 0'),
    (call("connect", 3, 9, 8, fd=3), {1: b"\1\0\0abs\0x"}, 'connect(3, {sa_family=AF_UNIX, sun_path=@"abs\\0x"}, 8) = 0'),
    (call("connect", 3, 9, 2, fd=3), {1: b"\1\0"}, "connect(3, {sa_family=AF_UNIX}, 2) = 0"),
    (call("connect", 3, 9, 1, fd=3), {1: b"\1"}, "connect(3, 0x9, 1) = 0"),
    (call("connect", 3, 9, 16, fd=3), {1: bytes(16)}, f'connect(3, {{sa_family=AF_UNSPEC, sa_data="{chr(92) + "0"}{(chr(92) + "0") * 13}"}}, 16) = 0'),
    (call("bind", 3, 9, 12, fd=3), {1: struct.pack("<HHII", 16, 0, 0, 3)}, "bind(3, {sa_family=AF_NETLINK, nl_pid=0, nl_groups=0x000003}, 12) = 0"),
    (call("sendto", 3, 9, 5, 0x4000, 0, 0, fd=3, result=5), {}, "sendto(3, …, 5, MSG_NOSIGNAL, NULL, 0) = 5"),
    (call("recvfrom", 3, 9, 5, 0, 8, 7, fd=3, result=5), {5: numbers(16)}, "recvfrom(3, …, 5, 0, 0x8, [16 => 0]) = 5"),
    (call("socketpair", 1, 1, 0, 9), {3: numbers(9, 11)}, "socketpair(AF_UNIX, SOCK_STREAM, 0, [9, 11]) = 0"),
    (call("shutdown", 3, 1, fd=3), {}, "shutdown(3, SHUT_WR) = 0"),
    (call("listen", 3, 5, fd=3), {}, "listen(3, 5) = 0"),
    (call("setsockopt", 3, 1, 2, 9, 4, fd=3), {3: numbers(1)}, "setsockopt(3, SOL_SOCKET, SO_REUSEADDR, [1], 4) = 0"),
    (call("setsockopt", 3, 6, 1, 9, 4, fd=3), {3: numbers(1)}, "setsockopt(3, SOL_TCP, TCP_NODELAY, [1], 4) = 0"),
    (call("setsockopt", 3, 1, 13, 9, 8, fd=3), {3: numbers(1)}, "setsockopt(3, SOL_SOCKET, SO_LINGER, 0x9, 8) = 0"),
    (call("setsockopt", 3, 1, 2, 9, 1, fd=3, result=-22), {3: numbers(1)}, "setsockopt(3, SOL_SOCKET, SO_REUSEADDR, 0x9, 1) = -1 EINVAL (Invalid argument)"),
    (call("setsockopt", 3, 282, 1, 9, 40, fd=3), {3: struct.pack("<HH", 0x304, 51)}, "setsockopt(3, SOL_TLS, TLS_TX, {version=TLS_1_3_VERSION, cipher_type=TLS_CIPHER_AES_GCM_128, ...}, 40) = 0"),
    (call("setsockopt", 3, 279, 1, 9, 4, fd=3), {3: b"key!"}, "setsockopt(3, SOL_ALG, 1, 0x9, 4) = 0"),
    (call("setsockopt", 3, 6, 33, 9, 16, fd=3), {3: b"key!"}, "setsockopt(3, SOL_TCP, TCP_FASTOPEN_KEY, 0x9, 16) = 0"),
    (call("getsockopt", 3, 1, 4, 9, 8, fd=3), {3: numbers(0), 4: numbers(4)}, "getsockopt(3, SOL_SOCKET, SO_ERROR, [0], [4]) = 0"),
    (call("getsockopt", 3, 1, 4, 9, 8, fd=3), {3: numbers(111), 4: numbers(4)}, "getsockopt(3, SOL_SOCKET, SO_ERROR, [ECONNREFUSED], [4]) = 0"),
    (call("getsockopt", 3, 1, 3, 9, 8, fd=3), {3: numbers(1), 4: numbers(8)}, "getsockopt(3, SOL_SOCKET, SO_TYPE, [1], [8 => 4]) = 0"),
    (call("getsockopt", 3, 6, 11, 9, 8, fd=3), {3: numbers(1), 4: numbers(104)}, "getsockopt(3, SOL_TCP, TCP_INFO, 0x9, [104 => ?]) = 0"),
    (call("getsockopt", 3, 6, 99, 9, 8, fd=3, result=-92), {4: numbers(4)}, "getsockopt(3, SOL_TCP, 0x63 /* TCP_??? */, 0x9, [4]) = -1 ENOPROTOOPT (Protocol not available)"),
    (
        call("sendmsg", 9, 0x99, 0, fd=9, result=5),
        {
            1: struct.pack("<QI4xQQQQI4x", 0, 0, 0x10, 2, 0x20, 24, 0),
            IOVEC: words(0x10, 2, 0x20, 3),
            CONTROL: struct.pack("<QIIii", 24, 1, 1, 1, 0),
        },
        "sendmsg(9, {msg_name=NULL, msg_namelen=0, msg_iov=[{iov_base=…, iov_len=2}, {iov_base=…, iov_len=3}], "
        "msg_iovlen=2, msg_control=[{cmsg_len=24, cmsg_level=SOL_SOCKET, cmsg_type=SCM_RIGHTS, cmsg_data=[1, 0]}], "
        "msg_controllen=24, msg_flags=0}, 0) = 5",
    ),
    (
        call("recvmsg", 9, 0x99, 0x40, fd=9, result=2),
        {
            1: struct.pack("<QI4xQQQQI4x", 0x77, 16, 0x10, 2, 0, 0, 0x20),
            IOVEC: words(0x10, 2, 0x20, 3),
            NAME: internet("1.2.3.4", 5),
        },
        'recvmsg(9, {msg_name={sa_family=AF_INET, sin_port=htons(5), sin_addr=inet_addr("1.2.3.4")}, msg_namelen=16, '
        'msg_iov=[{iov_base=…, iov_len=2}, {iov_base="", iov_len=3}], msg_iovlen=2, msg_controllen=0, '
        "msg_flags=MSG_TRUNC}, MSG_DONTWAIT) = 2",
    ),
    (call("recvmsg", 9, 0x99, 0, fd=9, result=-11), {}, "recvmsg(9, 0x99, 0) = -1 EAGAIN (Resource temporarily unavailable)"),
]  # fmt: skip

WAITING = [
    (call("epoll_create1", 0x80000, result=4, result_file=4), {}, "epoll_create1(EPOLL_CLOEXEC) = 4<anon_inode:[eventpoll]>"),
    (call("epoll_ctl", 4, 1, 15, 9, fd=4, file=4, second_file=5), {3: epoll_events((IN | 1 << 31, 5))}, "epoll_ctl(4<anon_inode:[eventpoll]>, EPOLL_CTL_ADD, 15<pipe:[77]>, {events=EPOLLIN|EPOLLET, data={u32=5, u64=5}}) = 0"),
    (call("epoll_ctl", 4, 2, 15, 9, fd=4), {3: epoll_events((IN, 5))}, "epoll_ctl(4, EPOLL_CTL_DEL, 15, 0x9) = 0"),
    (call("epoll_ctl", 4, 2, 15, 0, fd=4), {}, "epoll_ctl(4, EPOLL_CTL_DEL, 15, NULL) = 0"),
    (call("epoll_wait", 4, 9, 10, -1, fd=4, result=1), {1: epoll_events((OUT, 0x1234567890ABCDEF))}, "epoll_wait(4, [{events=EPOLLOUT, data={u32=2427178479, u64=1311768467294899695}}], 10, -1) = 1"),
    (call("epoll_wait", 4, 9, 10, 0, fd=4), {}, "epoll_wait(4, [], 10, 0) = 0"),
    (call("epoll_wait", 4, 9, 10, 0, fd=4, result=-4), {}, "epoll_wait(4, 0x9, 10, 0) = -1 EINTR (Interrupted system call)"),
    (call("epoll_wait", 4, 9, 999, 0, fd=4, result=2), {1: (epoll_events((1, 1)), 24)}, "epoll_wait(4, [{events=EPOLLIN, data={u32=1, u64=1}}, ...], 999, 0) = 2"),
    (call("epoll_pwait", 4, 9, 10, 0, 8, 8, fd=4), {4: words(1 << 1 | 1 << 34)}, "epoll_pwait(4, [], 10, 0, [INT RT_3], 8) = 0"),
    (call("epoll_pwait2", 4, 9, 10, 7, 0, 8, fd=4), {3: words(0, 10000)}, "epoll_pwait2(4, [], 10, {tv_sec=0, tv_nsec=10000}, NULL, 8) = 0"),
    (call("nanosleep", 9, 8, result=-516), {0: words(5, 0), 1: words(4, 9)}, "nanosleep({tv_sec=5, tv_nsec=0}, {tv_sec=4, tv_nsec=9}) = ? ERESTART_RESTARTBLOCK (Interrupted by signal)"),
    (call("clock_nanosleep", 1, 1, 9, 8), {2: words(5, 0), 3: words(4, 9)}, "clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, {tv_sec=5, tv_nsec=0}, 0x8) = 0"),
    (call("timerfd_settime", 4, 1, 9, 8, fd=4), {2: words(0, 0, 1, 5), 3: words(0, 0, 0, 7)}, "timerfd_settime(4, TFD_TIMER_ABSTIME, {it_interval={tv_sec=0, tv_nsec=0}, it_value={tv_sec=1, tv_nsec=5}}, {it_interval={tv_sec=0, tv_nsec=0}, it_value={tv_sec=0, tv_nsec=7}}) = 0"),
    (call("setitimer", 0, 9, 0), {1: words(0, 0, 5, 0)}, "setitimer(ITIMER_REAL, {it_interval={tv_sec=0, tv_usec=0}, it_value={tv_sec=5, tv_usec=0}}, NULL) = 0"),
    (call("gettimeofday", 9, 0), {0: words(5, 6)}, "gettimeofday({tv_sec=5, tv_usec=6}, NULL) = 0"),
    (call("eventfd2", 5, 0x800, result=4), {}, "eventfd2(5, EFD_NONBLOCK) = 4"),
    (call("signalfd4", -1, 9, 8, 0x800, fd=-1, result=4), {1: words(1 << 1)}, "signalfd4(-1, [INT], 8, SFD_NONBLOCK) = 4"),
    (call("pipe2", 9, 0x80000), {0: numbers(14, 15)}, "pipe2([14, 15], O_CLOEXEC) = 0"),
    (call("futex", 0x1000, 393, 5, 0, 0x2000, 2**32 - 1), {}, "futex(0x1000, FUTEX_WAIT_BITSET_PRIVATE|FUTEX_CLOCK_REALTIME, 5, NULL, FUTEX_BITSET_MATCH_ANY) = 0"),
    (call("futex", 0x1000, 128, 2, 9), {3: words(1, 0)}, "futex(0x1000, FUTEX_WAIT_PRIVATE, 2, {tv_sec=1, tv_nsec=0}) = 0"),
    (call("futex", 0x1000, 129, 1, 0x3000, result=1), {3: words(1, 0)}, "futex(0x1000, FUTEX_WAKE_PRIVATE, 1) = 1"),
    (call("futex", 0x1000, 4, 1, 7, 0x2000, 9), {}, "futex(0x1000, FUTEX_CMP_REQUEUE, 1, 7, 0x2000, 9) = 0"),
    (call("futex", 0x1000, 99, 1, 7, 0x2000, 9), {}, "futex(0x1000, 0x63 /* FUTEX_??? */, 1, 0x7, 0x2000, 0x9) = 0"),
    (call("rt_sigtimedwait", 9, 0, 8, 8, result=10), {0: words(1 << 9), 2: words(1, 0)}, "rt_sigtimedwait([USR1], NULL, {tv_sec=1, tv_nsec=0}, 8) = 10 (SIGUSR1)"),
    (call("rt_sigprocmask", 0, 9, 8, 8), {1: words(~(1 << 31 | 1 << 32)), 2: words(0)}, "rt_sigprocmask(SIG_BLOCK, ~[RTMIN RT_1], [], 8) = 0"),
    (call("pause", result=-514), {}, "pause() = ? ERESTARTNOHAND (To be restarted if no handler)"),
    (call("read", 3, 9, 1, fd=3, result=-512), {}, "read(3, 0x9, 1) = ? ERESTARTSYS (To be restarted if SA_RESTART is set)"),
]  # fmt: skip

PROCESSES = [
    (call("clone", 0x1200011, 0, 0, 0xA10, 0, result=26669), {}, "clone(child_stack=NULL, flags=CLONE_CHILD_CLEARTID|CLONE_CHILD_SETTID|SIGCHLD, child_tidptr=0xa10) = 26669"),
    (call("clone", 0x3D0F00, 0x7000, 0x8000, 0x9000, 0xA000, result=16), {}, "clone(child_stack=0x7000, flags=CLONE_VM|CLONE_FS|CLONE_FILES|CLONE_SIGHAND|CLONE_THREAD|CLONE_SYSVSEM|CLONE_SETTLS|CLONE_PARENT_SETTID|CLONE_CHILD_CLEARTID, parent_tid=[16], tls=0xa000, child_tidptr=0x9000) = 16"),
    (call("clone3", 9, 88, result=16), {0: words(0x3D0F00, 0, 0x900, 0x901, 0, 0x7000, 0x800, 0xA00)}, "clone3({flags=CLONE_VM|CLONE_FS|CLONE_FILES|CLONE_SIGHAND|CLONE_THREAD|CLONE_SYSVSEM|CLONE_SETTLS|CLONE_PARENT_SETTID|CLONE_CHILD_CLEARTID, child_tid=0x900, parent_tid=0x901, exit_signal=0, stack=0x7000, stack_size=0x800, tls=0xa00}, 88) = 16"),
    (call("wait4", -1, 9, 0, 0, result=7), {1: numbers(0x300)}, "wait4(-1, [{WIFEXITED(s) && WEXITSTATUS(s) == 3}], 0, NULL) = 7"),
    (call("wait4", 7, 9, 0, 0, result=7), {1: numbers(0x89)}, "wait4(7, [{WIFSIGNALED(s) && WTERMSIG(s) == SIGKILL && WCOREDUMP(s)}], 0, NULL) = 7"),
    (call("wait4", 7, 9, 2, 0, result=7), {1: numbers(0x137F)}, "wait4(7, [{WIFSTOPPED(s) && WSTOPSIG(s) == SIGSTOP}], WSTOPPED, NULL) = 7"),
    (call("wait4", 7, 9, 1, 0), {1: numbers(5)}, "wait4(7, 0x9, WNOHANG, NULL) = 0"),
    (call("kill", 7, 9), {}, "kill(7, SIGKILL) = 0"),
    (call("tgkill", 7, 8, 0), {}, "tgkill(7, 8, 0) = 0"),
    (call("getpid", result=5), {}, "getpid() = 5"),
    (call("prlimit64", 0, 3, 9, 8), {2: words(8192 * 1024, -1), 3: words(20000, 0)}, "prlimit64(0, RLIMIT_STACK, {rlim_cur=8192*1024, rlim_max=RLIM64_INFINITY}, {rlim_cur=20000, rlim_max=0}) = 0"),
    (call("prctl", 38, 1, 0, 0, 0), {}, "prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) = 0"),
    (call("mmap", 0, 2097152, 3, 0x22 | 0x40000 | 21 << 26, -1, 0, fd=-1, result=0x7F6AA0BBD000), {}, "mmap(NULL, 2097152, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS|MAP_HUGETLB|21<<MAP_HUGE_SHIFT, -1, 0) = 0x7f6aa0bbd000"),
    (call("mmap", 0, 4096, 1, 2, 3, 0x1000, fd=3, file=3, result=-12), {}, "mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, 3</etc/passwd>, 0x1000) = -1 ENOMEM (Cannot allocate memory)"),
    (call("mremap", 0x1000, 10, 20, 1, 0x5000, result=0x1000), {}, "mremap(0x1000, 10, 20, MREMAP_MAYMOVE) = 0x1000"),
    (call("brk", 0, result=0x5000), {}, "brk(NULL) = 0x5000"),
    (call("restart_syscall", 5), {}, "restart_syscall(<... resuming interrupted system call ...>) = 0"),
    (call("io_uring_setup", 8, 9, result=4), {1: struct.pack("<7I", 8, 64, 8, 0, 0, 0x103, 0) + bytes(92)}, "io_uring_setup(8, {flags=IORING_SETUP_CQSIZE, sq_thread_cpu=0, sq_thread_idle=0, sq_entries=8, cq_entries=64, features=IORING_FEAT_SINGLE_MMAP|IORING_FEAT_NODROP|IORING_FEAT_EXT_ARG, ...}) = 4"),
    (call("io_uring_enter", 4, 1, 2, 1, 0, 8, fd=4, result=1), {}, "io_uring_enter(4, 1, 2, IORING_ENTER_GETEVENTS, NULL, 8) = 1"),
    (call("io_uring_register", 4, 5, 0, 0, fd=4), {}, "io_uring_register(4, IORING_UNREGISTER_EVENTFD, NULL, 0) = 0"),
    (call("read", 1, 2, 3, 4, 5, 6, opcode=256 + 700, result=-38), {}, "syscall_0x2bc(0x1, 0x2, 0x3, 0x4, 0x5, 0x6) = -1 ENOSYS (Function not implemented)"),
    (call("read", 1, 2, 3, 4, 5, 6, opcode=256 + 1023, result=0), {}, "syscall_?(0x1, 0x2, 0x3, 0x4, 0x5, 0x6) = 0"),
]  # fmt: skip


@pytest.mark.parametrize(("batch", "memory", "text"), PATHS + DATA + SOCKETS + WAITING + PROCESSES)
def test_calls_read_as_strace_writes_them(batch: Batch, memory: dict[int, Content], text: str) -> None:
    assert shown(batch, memory) == text


@pytest.mark.parametrize(
    ("batch", "memory", "text"),
    [
        (call("poll", 9, 3, 10, result=1), {0: pollfds((14, IN, 0), (15, IN | OUT, OUT), (-1, IN, 0))}, "poll([{fd=14, events=POLLIN}, {fd=15, events=POLLIN|POLLOUT}, {fd=-1}], 3, 10) = 1 ([{fd=15, revents=POLLOUT}]) <0.000012> scanned=3"),
        (call("poll", 9, 1, 0), {0: pollfds((14, IN, 0))}, "poll([{fd=14, events=POLLIN}], 1, 0) = 0 (Timeout) <0.000012> scanned=1"),
        (call("poll", 0, 0, 5), {}, "poll(NULL, 0, 5) = 0 (Timeout) <0.000012> scanned=0"),
        (call("poll", 9, 0, 5), {}, "poll([], 0, 5) = 0 (Timeout) <0.000012> scanned=0"),
        (call("poll", 9, 2000, 5, result=1), {0: (pollfds((1, IN, 0)), 16000)}, "poll([{fd=1, events=POLLIN}, ...], 2000, 5) = 1 ([...]) <0.000012> scanned=2000"),
        (call("ppoll", 9, 1, 8, 0, 8, result=1), {2: words(0, 1000), 0: pollfds((14, IN, IN))}, "ppoll([{fd=14, events=POLLIN}], 1, {tv_sec=0, tv_nsec=1000}, NULL, 8) = 1 ([{fd=14, revents=POLLIN}]) <0.000012> scanned=1"),
        (call("select", 6, 9, 8, 0, 7, result=1), {1 | ENTERED: words(0b101000), 2 | ENTERED: words(0), 1: words(0b1000), 2: words(0), 4 | ENTERED: words(1, 0), 4: words(0, 5)}, "select(6, [3 5], [], NULL, {tv_sec=1, tv_usec=0}) = 1 (in [3], left {tv_sec=0, tv_usec=5}) <0.000012> scanned=2"),
        (call("select", 6, 9, 0, 0, 7, result=1), {1 | ENTERED: words(1), 1: words(1), 4: words(0, 5)}, "select(6, [0], NULL, NULL, 0x7) = 1 (in [0], left {tv_sec=0, tv_usec=5}) <0.000012> scanned=1"),
        (call("select", 6, 9, 0, 0, 0, result=-9), {1 | ENTERED: words(1)}, "select(6, [0], NULL, NULL, NULL) = -1 EBADF (Bad file descriptor) <0.000012> scanned=1"),
        (call("pselect6", 6, 9, 0, 0, 0, 0), {1 | ENTERED: words(1 << 5), 1: words(0)}, "pselect6(6, [5], NULL, NULL, NULL, NULL) = 0 (Timeout) <0.000012> scanned=1"),
        (call("select", 2000, 9, 0, 0, 0), {1 | ENTERED: (words(1), 128)}, "select(2000, [0 ...], NULL, NULL, NULL) = 0 (Timeout) <0.000012>"),
    ],
)  # fmt: skip
def test_poll_and_select_say_what_they_looked_at(batch: Batch, memory: dict[int, Content], text: str) -> None:
    assert line(batch, memory) == text


@pytest.mark.parametrize(
    ("batch", "memory", "text"),
    [
        (call("setitimer", 0, 9, 9), {1: words(0, 0, 4, 9), 2: words(0, 0, 4, 9)}, "setitimer(ITIMER_REAL, 0x9, {it_interval={tv_sec=0, tv_usec=0}, it_value={tv_sec=4, tv_usec=9}}) = 0"),
        (call("setitimer", 9, 9, 9, result=-22), {1: words(0, 0, 4, 9)}, "setitimer(0x9 /* ITIMER_??? */, {it_interval={tv_sec=0, tv_usec=0}, it_value={tv_sec=4, tv_usec=9}}, 0x9) = -1 EINVAL (Invalid argument)"),
        (call("rt_sigprocmask", 0, 9, 9, 8), {1: words(2), 2: words(2)}, "rt_sigprocmask(SIG_BLOCK, 0x9, [INT], 8) = 0"),
        (call("nanosleep", 9, 9, result=-516), {0: words(1, 0), 1: words(1, 0)}, "nanosleep(0x9, {tv_sec=1, tv_nsec=0}) = ? ERESTART_RESTARTBLOCK (Interrupted by signal)"),
    ],
)  # fmt: skip
def test_what_a_call_wrote_over_its_own_argument_is_not_told_as_that_argument(
    batch: Batch, memory: dict[int, Content], text: str
) -> None:
    assert shown(batch, memory) == text


def test_one_set_given_twice_counts_once() -> None:
    memory: dict[int, Content] = {1 | ENTERED: words(8), 2 | ENTERED: words(8), 1: words(8), 2: words(8)}
    assert " = 1 (in [3]) " in line(call("select", 6, 9, 9, 0, 0, result=1), memory)


@pytest.mark.parametrize(
    ("batch", "text"),
    [
        (call("epoll_wait", 4, 9, 64, 10, fd=4, file=4, slept=True, wake=1), "epoll_wait(4<anon_inode:[eventpoll]>, [], 64, 10) = 0 <0.000012> slept woken-by=timer"),
        (call("getppid", slept=True), "getppid() = 0 <0.000012> slept"),
        (call("getppid", slept=True, wake=2, wakes=1), "getppid() = 0 <0.000012> slept woken-by=network"),
        (call("getppid", slept=True, wake=4, wakes=3), "getppid() = 0 <0.000012> slept woken-by=interrupt woken=3"),
        (call("getppid", slept=True, wake=3, waker=123), "getppid() = 0 <0.000012> slept woken-by=thread 123"),
        (call("getppid", slept=True, wake=3), "getppid() = 0 <0.000012> slept woken-by=thread ?"),
        (call("getppid", slept=True, wake=3, waker=123, waker_opcode=257, waker_file=5, waker_argument=7), "getppid() = 0 <0.000012> slept woken-by=thread 123 in write(7<pipe:[77]>)"),
        (call("getppid", slept=True, wake=3, waker=123, waker_opcode=256 + 202, waker_argument=0x7F00), "getppid() = 0 <0.000012> slept woken-by=thread 123 in futex(0x7f00)"),
        (call("getppid", slept=True, wake=3, waker=123, waker_opcode=256 + 62, waker_argument=77), "getppid() = 0 <0.000012> slept woken-by=thread 123 in kill(77)"),
        (call("getppid", woke=123, woke_count=1), "getppid() = 0 <0.000012> wakes=123"),
        (call("getppid", woke=123, woke_count=3), "getppid() = 0 <0.000012> wakes=123+2"),
        (call("getppid", submitted_ns=0, slept=True), "getppid() = 0 <?> slept"),
        (call("exit_group", 3, kind=Kind.SILENT), "exit_group(3) = ?"),
        (call("read", 3, 9, 1, fd=3, file=3, has_arguments=False), "read(3</etc/passwd>, …) = 0 <0.000012>"),
        (call("stat", has_arguments=False), "stat(…) = 0 <0.000012>"),
        (call("getppid", has_arguments=False), "getppid() = 0 <0.000012>"),
        (call("epoll_wait", 4, 9, 64, 10, fd=4, file=4, kind=Kind.UNFINISHED, took_ns=1_234_567_890), "epoll_wait(4<anon_inode:[eventpoll]>, <unfinished …> age=1.234567"),
        (call("epoll_wait", 4, 9, 64, 10, fd=4, kind=Kind.UNFINISHED, submitted_ns=0, completed_ns=STARTED_NS + 12_300_000_000), "epoll_wait(4, <unfinished …> age>12.300000"),
        (call("futex", 0x10, 0, 2, 0, kind=Kind.UNFINISHED, took_ns=1_000_000_000), "futex(0x10, FUTEX_WAIT, 2, NULL <unfinished …> age=1.000000"),
        (call("pause", kind=Kind.UNFINISHED, took_ns=1_000_000_000), "pause( <unfinished …> age=1.000000"),
    ],
)  # fmt: skip
def test_marks_and_ends(batch: Batch, text: str) -> None:
    assert line(batch) == text


def test_the_name_of_the_waking_thread_is_told_where_it_is_known() -> None:
    batch = call("getppid", wake=3, waker=123)
    found = LineFormatter(context(), {}).lines(batch, {}, {123: Thread(123, 100, 'work"er')})
    assert found[0].endswith(' woken-by=thread 123 "work\\"er"')


def test_durations_can_be_left_out() -> None:
    assert line(call("getpid", result=5), durations=False) == "getpid() = 5"
    assert line(call("getpid", result=5, submitted_ns=0), durations=False) == "getpid() = 5"


def test_every_call_has_a_line_without_its_memory() -> None:
    for name in CALL_NAMES.values():
        assert line(call(name, *range(100, 106))).startswith(f"{name}(")

"""uvloop: asyncio's interface over libuv, the event loop of Node.js.

The same server as `asyncio`, line for line; another loop calls it. What the two do differently is
the loop's work alone.

`uringtrace log -p PID` (shortened, a new connection and a request for /sleep/50):

    accept4(13<TCP … listening>, NULL, NULL, SOCK_CLOEXEC|SOCK_NONBLOCK) = 15<TCP …>
    EPOLL_CTL(epfd=3, op=EPOLL_CTL_ADD, fd=15) = 0 inline ring=1
    io_uring_enter(4<anon_inode:[io_uring]>, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) = 1
    epoll_pwait(3<…>, [{events=EPOLLIN, data={u32=15, u64=15}}], 1024, -1, NULL, 8) = 1
    read(15<TCP …>, …, 256000) = 87
    epoll_pwait(3<…>, [], 1024, 50, NULL, 8) = 0 slept woken-by=timer ended-by=timeout
    write(15<TCP …>, …) = 91

- read and write, not recvfrom and sendto: libuv treats a socket as any stream. A filter for network
  calls misses them; `uringtrace log -e peer=127.0.0.0/8` does not.
- No turn of the loop with a timeout of 0 before the first read, and one accept for a connection.
- Where is epoll_ctl? libuv collects what is to be added and has io_uring do all of it with one
  call: `strace` shows io_uring_enter, and not for what. So since 1.50 in any case; 1.49 has no ring,
  1.45 to 1.48 unless UV_USE_IO_URING=0. That variable now concerns only files, where the program
  has asked for a ring with SQPOLL; uvloop does not (libuv pull requests 3979, 4492, 4638). A plain
  epoll_ctl takes descriptors off the list.
- Of such an entry the number that epoll reports is not known to `uringtrace` (docs/readiness.md),
  hence `ready=?data=0xf`; and it cannot say when that data arrived.
- Without a descriptor left, libuv accepts with one that it has kept, and closes at once: the client
  sees its connection end, where asyncio lets it wait.
"""

from __future__ import annotations

import uvloop

from uringtrace.targets.servers.asyncio import serve_on
from uringtrace.targets.serving import House, Options


def serve(options: Options, house: House) -> None:
    serve_on(uvloop.new_event_loop, options, house)

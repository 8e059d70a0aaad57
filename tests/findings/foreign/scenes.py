"""What foreign programs are made to do, and what has to be found in it; most are healthy.

None of them served to choose a threshold.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.findings import visits
from tests.findings.foreign import programs
from tests.findings.foreign.programs import Program
from tests.findings.visits import Address, connected


@dataclass(frozen=True)
class Foreign:
    name: str
    start: Callable[[Path], AbstractContextManager[Program]]
    visit: Callable[[Address], None]
    tag: str | None = None
    """What has to be found; None: nothing above info."""
    count: str | None = None
    """The value that equals the program's own count, or `times`."""
    way: str | None = None
    times: int | None = None
    call: str | None = None
    """Of a blocked loop: the call that blocks; empty: it computes."""
    where: str | None = None
    """Part of the description of the descriptor."""
    needs: str | None = None
    """A command that has to be installed."""

    @property
    def words(self) -> str:
        return self.name.replace("-", ", ", 1)


_ROUNDS = partial(visits.in_rounds, connections=8, rounds=40)
_FEW = partial(visits.in_rounds, connections=4, rounds=20)
_BLOCKED = ("blocked-loop", "blocks")
_COMPUTES = ("blocked-loop", None)
"""Where processors are short, some of such times count as starvation."""


def commands(address: Address, rounds: Iterable[Iterable[bytes]]) -> None:
    """Redis: in each round every connection sends its command and waits for a reply of one line."""
    rounds = [list(each) for each in rounds]
    with ExitStack() as stack:
        peers = connected(stack, address, len(rounds[0]))
        for each in rounds:
            for peer, command in zip(peers, each, strict=True):
                peer.sendall(command + b"\r\n")
            for peer in peers:
                _line(peer)


def _line(peer: socket.socket) -> None:
    data = b""
    while not data.endswith(b"\r\n"):
        piece = peer.recv(4096)
        assert piece, "the server closed"
        data += piece
    assert not data.startswith(b"-"), data


_PLAIN = [b"PING", b"SET word 1", b"INCR number", b"PING"]
_LUA = b'EVAL "local i = 0 while i < 4000000 do i = i + 1 end return 1" 0'


def redis_with(slow: bytes | None) -> Callable[[Address], None]:
    """Eighty rounds of four; in every tenth one of them is slow."""
    rounds = [[slow, *_PLAIN[1:]] if slow and not number % 10 else _PLAIN for number in range(80)]
    return partial(commands, rounds=rounds)


_ASYNCIO = (
    Foreign("asyncio-healthy", partial(programs.python, name="asyncio", way="healthy"), _ROUNDS),
    Foreign("asyncio-pool", partial(programs.python, name="asyncio", way="pool"), _FEW),
    *(
        Foreign(
            f"asyncio-{way}",
            partial(programs.python, name="asyncio", way=way),
            visit,
            tag,
            count,
            way,
            **more,
        )
        for way, visit, (tag, count), more in (
            ("sleep", _FEW, _BLOCKED, {"call": "clock_nanosleep"}),
            ("compute", _FEW, _COMPUTES, {"call": ""}),
            ("leak", visits.leave_first, ("leaked-connections", "leaked"), {"where": "127.0.0.1"}),
            ("silent", partial(visits.give_up, paths=["/"] * 20), ("stuck-request", "unanswered"), {}),
            ("pieces", _ROUNDS, ("tiny-writes", "writes"), {"where": "127.0.0.1"}),
            ("held", _FEW, ("tiny-writes", "writes"), {"where": "127.0.0.1"}),
            ("spin", _FEW, ("ready-spin", None), {"where": "127.0.0.1"}),
        )
    ),
)

_NODE = (
    Foreign("node-healthy", partial(programs.node, way="healthy"), _ROUNDS, needs="node"),
    Foreign("node-pool", partial(programs.node, way="pool"), _FEW, needs="node"),
    Foreign("node-stat", partial(programs.node, way="stat", ring="1"), _ROUNDS, needs="node"),
    *(
        Foreign(f"node-{way}", partial(programs.node, way=way), visit, tag, count, way, needs="node", **more)
        for way, visit, (tag, count), more in (
            ("file", _FEW, _BLOCKED, {"call": "read", "where": "pipe:"}),
            ("compute", _FEW, _COMPUTES, {"call": ""}),
            ("leak", visits.leave_first, ("leaked-connections", "leaked"), {"where": "127.0.0.1"}),
            ("pieces", _ROUNDS, ("tiny-writes", "writes"), {"where": "127.0.0.1"}),
            ("held", _FEW, ("tiny-writes", "writes"), {"where": "127.0.0.1"}),
        )
    ),
)

_THREADS = (
    Foreign("threads-healthy", partial(programs.python, name="threads", way="healthy"), _ROUNDS),
    Foreign(
        "threads-sleep", partial(programs.python, name="threads", way="sleep"), _FEW, *_BLOCKED, "sleep",
        call="clock_nanosleep",
    ),
)  # fmt: skip

_HELLO = 'location / { return 200 "hello\\n"; }'
_FILES = "sendfile on; tcp_nopush on; try_files /page.txt =404;"

_DAEMONS = (
    Foreign("nginx-healthy", partial(programs.nginx, locations=_HELLO), _ROUNDS, needs="nginx"),
    Foreign("nginx-files", partial(programs.nginx, locations=_FILES), _ROUNDS, needs="nginx"),
    Foreign(
        "nginx-connections", partial(programs.nginx, locations=_HELLO),
        partial(visits.one_after_another, count=200), needs="nginx",
    ),
    Foreign("redis-healthy", programs.redis, redis_with(None), needs="redis-server"),
    Foreign(
        "redis-sleep", programs.redis, redis_with(b"DEBUG SLEEP 0.06"), *_BLOCKED, times=8,
        call="clock_nanosleep", needs="redis-server",
    ),
    Foreign(
        "redis-lua", programs.redis, redis_with(_LUA), *_COMPUTES, times=8, call="", needs="redis-server",
    ),
)  # fmt: skip

PROGRAMS = (*_ASYNCIO, *_NODE, *_THREADS, *_DAEMONS)

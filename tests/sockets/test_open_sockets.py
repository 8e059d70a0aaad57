"""Sockets that are open already, found through psutil and /proc."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil
import pytest

from uringtrace.tracer.open_sockets import open_sockets, parse_unix_sockets
from uringtrace.tracer.source import OpenSocket, Socket


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def listener(stack: ExitStack, family: int, address: object, kind: int = socket.SOCK_STREAM) -> socket.socket:
    made = stack.enter_context(socket.socket(family, kind))
    made.bind(address)  # type: ignore[arg-type]
    if kind == socket.SOCK_STREAM:
        made.listen()
    return made


def connected(stack: ExitStack, server: socket.socket) -> tuple[socket.socket, socket.socket]:
    client = stack.enter_context(socket.socket(server.family, server.type))
    client.connect(server.getsockname())
    return client, stack.enter_context(server.accept()[0])


def entry_of(entries: tuple[OpenSocket, ...], which: socket.socket) -> OpenSocket:
    (entry,) = [entry for entry in entries if entry.fd == which.fileno()]
    assert entry.tgid == os.getpid()
    assert entry.inode == os.fstat(which.fileno()).st_ino
    return entry


def ours() -> tuple[OpenSocket, ...]:
    return open_sockets([os.getpid()])


@contextmanager
def waiting_process(code: str, prefix: tuple[str, ...] = (), pass_fds: tuple[int, ...] = ()) -> Iterator[int]:
    """The pid of a Python that has run `code` and waits until the block ends."""
    command = [*prefix, sys.executable, "-c", f"{code}\nprint('ready', flush=True)\ninput()"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, pass_fds=pass_fds, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process.pid
        process.communicate("\n")


@pytest.mark.parametrize(
    ("family", "name", "host", "text"),
    [(socket.AF_INET, "inet", "127.0.0.1", "127.0.0.1"), (socket.AF_INET6, "inet6", "::1", "[::1]")],
)
def test_tcp_connections_and_their_listener(
    stack: ExitStack, family: int, name: str, host: str, text: str
) -> None:
    server = listener(stack, family, (host, 0))
    client, accepted = connected(stack, server)
    there, here = (f"{text}:{end.getsockname()[1]}" for end in (server, client))
    found = ours()
    assert entry_of(found, server).socket == Socket(name, "tcp", there, None, listening=True)
    assert entry_of(found, accepted).socket == Socket(name, "tcp", there, here)
    assert entry_of(found, client).socket == Socket(name, "tcp", here, there)


def test_a_mapped_address_stays_one_of_ipv6(stack: ExitStack) -> None:
    server = listener(stack, socket.AF_INET6, ("::", 0))
    port = server.getsockname()[1]
    client = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
    accepted = stack.enter_context(server.accept()[0])
    remote = f"[::ffff:127.0.0.1]:{client.getsockname()[1]}"
    expected = Socket("inet6", "tcp", f"[::ffff:127.0.0.1]:{port}", remote)
    assert entry_of(ours(), accepted).socket == expected


def test_udp_only_where_it_is_connected(stack: ExitStack) -> None:
    server = listener(stack, socket.AF_INET, ("127.0.0.1", 0), socket.SOCK_DGRAM)
    client = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    client.connect(server.getsockname())
    here, there = (f"127.0.0.1:{end.getsockname()[1]}" for end in (client, server))
    found = ours()
    assert entry_of(found, client).socket == Socket("inet", "udp", here, there)
    assert server.fileno() not in {entry.fd for entry in found}


@pytest.mark.parametrize("abstract", [False, True])
def test_unix_sockets_with_their_paths(stack: ExitStack, tmp_path: Path, abstract: bool) -> None:
    path = str(tmp_path / "a socket")
    server = listener(stack, socket.AF_UNIX, f"\0{path}" if abstract else path)
    client, accepted = connected(stack, server)
    shown = f"@{path}" if abstract else path
    found = ours()
    assert entry_of(found, server).socket == Socket("unix", "unix", shown, None, listening=True)
    assert entry_of(found, accepted).socket == Socket("unix", "unix", shown, None)
    assert entry_of(found, client).socket == Socket("unix", "unix", None, None)


def test_sockets_that_are_neither_connected_nor_listening_are_left_out(stack: ExitStack) -> None:
    unused = [
        stack.enter_context(socket.socket(family, kind))
        for family in (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX)
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM)
    ]
    assert not {entry.fd for entry in ours()} & {one.fileno() for one in unused}


def test_each_descriptor_of_one_socket_has_its_entry(stack: ExitStack) -> None:
    server = listener(stack, socket.AF_INET, ("127.0.0.1", 0))
    _, accepted = connected(stack, server)
    again = stack.enter_context(accepted.dup())
    found = ours()
    first, second = entry_of(found, accepted), entry_of(found, again)
    assert first.inode == second.inode
    assert first.socket == second.socket


def test_a_socket_shared_with_a_child_is_told_for_both(stack: ExitStack) -> None:
    server = listener(stack, socket.AF_INET, ("127.0.0.1", 0))
    _, accepted = connected(stack, server)
    fd = accepted.fileno()
    with waiting_process("pass", pass_fds=(fd,)) as child:
        found = [entry for entry in open_sockets([os.getpid(), child]) if entry.fd == fd]
    assert [entry.tgid for entry in found] == [os.getpid(), child]
    assert found[0].socket == found[1].socket
    assert found[0].socket.remote is not None


IN_A_NAMESPACE_OF_ITS_OWN = """
import fcntl, socket, struct
with socket.socket() as control:
    fcntl.ioctl(control, 0x8914, struct.pack("16sH14x", b"lo", 1))  # SIOCSIFFLAGS, IFF_UP
server = socket.create_server(("127.0.0.1", 7))
client = socket.create_connection(("127.0.0.1", 7))
accepted = server.accept()[0]
path = socket.socket(socket.AF_UNIX)
path.bind("\\0inside")
path.listen()
"""


@pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("unshare") is None, reason="needs root and unshare(1): other namespaces"
)
def test_a_process_in_another_network_namespace() -> None:
    """As in a container: its sockets are in no /proc/net of ours, and its port may be ours too."""
    with waiting_process(IN_A_NAMESPACE_OF_ITS_OWN, ("unshare", "--net")) as pid:
        sockets = [entry.socket for entry in open_sockets([os.getpid(), pid]) if entry.tgid == pid]
    server, client, accepted, inside = sockets
    assert server == Socket("inet", "tcp", "127.0.0.1:7", None, listening=True)
    assert (client.local, client.remote) == (accepted.remote, accepted.local)
    assert accepted.local == "127.0.0.1:7"
    assert inside == Socket("unix", "unix", "@inside", None, listening=True)


def test_a_process_that_is_gone_has_no_sockets(stack: ExitStack) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    assert open_sockets([gone.pid]) == ()
    server = listener(stack, socket.AF_INET, ("127.0.0.1", 0))
    entry_of(open_sockets([gone.pid, os.getpid()]), server)


def test_no_processes() -> None:
    assert open_sockets([]) == ()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become somebody who may not look")
def test_a_process_that_may_not_be_read_has_no_sockets(stack: ExitStack) -> None:
    code = f"""
import os, psutil, sys
from uringtrace.tracer.open_sockets import open_sockets
os.setuid(65534)
sys.exit(len(open_sockets([{os.getpid()}])))
"""
    listener(stack, socket.AF_INET, ("127.0.0.1", 0))
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    assert ours()


def test_psutil_looks_where_it_did_before() -> None:
    """What it is told to read for this is global to psutil."""
    before = psutil.PROCFS_PATH
    assert open_sockets([os.getpid()]) is not None
    assert before == psutil.PROCFS_PATH


def test_a_line_psutil_cannot_parse_hides_only_what_it_reads(
    stack: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(kind: str) -> None:
        raise RuntimeError("malformed line")

    monkeypatch.setattr(psutil, "net_connections", fail)
    listener(stack, socket.AF_INET, ("127.0.0.1", 0))
    unix = stack.enter_context(socket.socket(socket.AF_UNIX))
    unix.bind(f"\0{os.getpid()} beside")
    unix.listen()
    assert {entry.socket.family for entry in ours()} == {"unix"}
    entry_of(ours(), unix)


def test_a_descriptor_that_became_another_socket_meanwhile_is_left_out(
    stack: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, steady = (listener(stack, socket.AF_INET, ("127.0.0.1", 0)) for _ in range(3))
    read = psutil.net_connections

    def read_and_replace(kind: str) -> object:
        connections = read(kind)
        os.dup2(second.fileno(), first.fileno())
        return connections

    monkeypatch.setattr(psutil, "net_connections", read_and_replace)
    descriptors = {entry.fd for entry in ours()}
    assert first.fileno() not in descriptors
    assert {second.fileno(), steady.fileno()} <= descriptors


def test_a_thousand_connections_are_all_found(stack: ExitStack) -> None:
    server = listener(stack, socket.AF_INET, ("127.0.0.1", 0))
    ends = [end for _ in range(1000) for end in connected(stack, server)]
    assert {end.fileno() for end in ends} <= {entry.fd for entry in ours()}


UNIX = """Num       RefCount Protocol Flags    Type St Inode Path
0000000000000000: 00000002 00000000 00010000 0001 01    57 /run/with a space
0000000000000000: 00000003 00000000 00000000 0001 03  1234
0000000000000000: 00000003 00000000 00000000 0001 03 99999 @name@@@@
0000000000000000: 00000002 00000000 00000000 0002 01    58 /run/unconnected
broken line
0000000000000000: 00000003 00000000 00000000 0001 0
"""


def test_the_table_of_unix_sockets() -> None:
    assert parse_unix_sockets(UNIX) == {
        57: Socket("unix", "unix", "/run/with a space", None, listening=True),
        1234: Socket("unix", "unix", None, None),
        99999: Socket("unix", "unix", "@name", None),
    }

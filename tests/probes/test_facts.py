"""Facts: from the fake kernel's files, through the probes' C code, to a description."""

from __future__ import annotations

import socket
import stat
import struct
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.probes.engine import Engine
from tests.probes.fake_kernel import FakeKernel
from tests.probes.truth import Cqe
from uringtrace.probes.facts import ExitFact, FileFact, ForkFact, join_path, parse_fact
from uringtrace.probes.slots import Counter
from uringtrace.tracer.decode import decode

INODE = 4711
DEVICE = 0x800001
TCP_ESTABLISHED, TCP_LISTEN = 1, 10


class Files:
    """Lays out files in the fake kernel's memory and has requests complete on them."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.kernel = FakeKernel(engine)
        self.ring = self.kernel.create_ring(0)
        self._next = engine.base + 0xD0000

    def allocate(self, struct_name: str, **members: int) -> int:
        address = self._next
        self._next += 256
        self.engine.write(struct_name, address, **members)
        return address

    def name(self, text: bytes) -> int:
        address = self._next
        self._next += (len(text) + 256) & ~255
        self.engine.write_bytes(address, text + b"\0")
        return address

    def inode(self, mode: int, number: int = INODE, generation: int = 0) -> int:
        device = self.allocate("super_block", s_dev=DEVICE)
        return self.allocate("inode", i_ino=number, i_mode=mode, i_sb=device, i_generation=generation)

    def root(self) -> int:
        """A dentry that is its own parent."""
        address = self.allocate("dentry", d_name__name=self.name(b"/"))
        self.engine.write("dentry", address, d_parent=address)
        return address

    def below(self, parent: int, names: Sequence[bytes]) -> int:
        for name in names:
            parent = self.allocate("dentry", d_parent=parent, d_name__name=self.name(name))
        return parent

    def mount(self, root: int, parent: int = 0, point: int = 0) -> int:
        """A mount, the parent of itself unless told; its vfsmount lies 16 bytes in."""
        address = self.allocate("mount", mnt_mountpoint=point)
        self.engine.write("mount", address, mnt_parent=parent or address)
        self.engine.write("vfsmount", address + 16, mnt_root=root)
        return address

    def file(self, mode: int, dentry: int = 0, mount: int = 0, private: int = 0, **inode: int) -> int:
        return self.allocate(
            "file",
            f_inode=self.inode(mode, **inode),
            f_path__dentry=dentry,
            f_path__mnt=mount + 16 if mount else 0,
            private_data=private,
        )

    def socket(self, family: int, kind: int, protocol: int = 0, **members: int) -> int:
        sock = self.allocate("sock_common", skc_family=family, **members)
        self.engine.write("sock", sock, sk_type=kind, sk_protocol=protocol)
        return sock

    def socket_file(self, sock: int) -> int:
        return self.file(stat.S_IFSOCK, private=self.allocate("socket", sk=sock))

    def complete_on(self, file: int) -> int:
        """One request completes on `file`: the number of the file in its record."""
        operation = self.kernel.submit(self.ring, "READ", 1)
        self.engine.write("io_kiocb", operation.address, file=file)
        self.kernel.flush([Cqe(operation, 1)])
        batch = decode(self.engine.slots())
        assert len(batch) == 1
        return int(batch["file"][0])

    def described(self, file: int) -> FileFact:
        """The only fact that a completion on `file` brings."""
        number = self.complete_on(file)
        (fact,) = map(parse_fact, self.engine.facts())
        assert isinstance(fact, FileFact)
        assert (fact.file, fact.inode, fact.device) == (number, INODE, DEVICE)
        return fact


@pytest.fixture
def files(arguments: Engine) -> Files:
    return Files(arguments)


def test_a_request_without_a_file_has_none(files: Files) -> None:
    assert files.complete_on(0) == 0
    assert list(files.engine.facts()) == []


@pytest.mark.parametrize(
    "names",
    [
        (),
        (b"a",),
        (b"var", b"lib", b"x.db"),
        (b"with space", b"new\nline"),
        ("ü".encode(), b"\xff\xfe"),
        (b"x" * 255,),
    ],
)
def test_a_path_is_read_to_the_root(files: Files, names: Sequence[bytes]) -> None:
    root = files.root()
    dentry = files.below(root, names)
    fact = files.described(files.file(stat.S_IFREG, dentry, files.mount(root)))
    assert fact.description == "/" + b"/".join(names).decode(errors="surrogateescape")


def test_a_path_crosses_mounts(files: Files) -> None:
    root, inner = files.root(), files.root()
    outer = files.mount(root)
    mounted = files.mount(inner, outer, files.below(root, [b"mnt", b"disk"]))
    fact = files.described(files.file(stat.S_IFREG, files.below(inner, [b"x"]), mounted))
    assert fact.description == "/mnt/disk/x"


def test_a_bind_mount_shows_where_it_is_mounted(files: Files) -> None:
    root = files.root()
    outer = files.mount(root)
    shared = files.below(root, [b"srv"])
    bound = files.mount(shared, outer, files.below(root, [b"data"]))
    fact = files.described(files.file(stat.S_IFREG, files.below(shared, [b"x"]), bound))
    assert fact.description == "/data/x"


def test_a_path_that_is_too_deep_or_long_is_marked(files: Files) -> None:
    root = files.root()
    deep = files.below(root, [b"%d" % number for number in range(40)])
    fact = files.described(files.file(stat.S_IFREG, deep, files.mount(root)))
    assert fact.description.startswith("…/")
    assert fact.description.endswith("/38/39")
    long = files.below(root, [b"a" * 250, b"b" * 250, b"c" * 250, b"d" * 250])
    number = files.complete_on(files.file(stat.S_IFREG, long, files.mount(root)))
    (fact,) = (each for each in map(parse_fact, files.engine.facts()) if isinstance(each, FileFact))
    assert fact.file == number
    assert fact.description == "…/" + "b" * 250 + "/" + "c" * 250 + "/" + "d" * 250


@pytest.mark.parametrize(
    ("name", "description"),
    [
        (b"[eventfd]", "anon_inode:[eventfd]"),
        (b"memfd:buffer", "/memfd:buffer"),
        (b"/", f"anon_inode:[{INODE}]"),
    ],
)
def test_a_name_that_hangs_nowhere_is_shown(files: Files, name: bytes, description: str) -> None:
    dentry = files.allocate("dentry", d_name__name=files.name(name))
    files.engine.write("dentry", dentry, d_parent=dentry)
    file = files.file(stat.S_IFREG, dentry, files.mount(files.root()))
    assert files.described(file).description == description


def test_a_pipe_is_named_by_its_inode(files: Files) -> None:
    assert files.described(files.file(stat.S_IFIFO)).description == f"pipe:[{INODE}]"


def address4(text: str) -> int:
    return int.from_bytes(socket.inet_aton(text), "little")


@pytest.mark.parametrize(
    ("kind", "protocol", "remote_port", "state", "description"),
    [
        (socket.SOCK_STREAM, 6, 40738, TCP_ESTABLISHED, "TCP 127.0.0.1:8080->10.0.0.2:40738"),
        (socket.SOCK_STREAM, 6, 0, TCP_LISTEN, "TCP 127.0.0.1:8080 listening"),
        (socket.SOCK_STREAM, 6, 0, 7, "TCP 127.0.0.1:8080"),
        (socket.SOCK_DGRAM, 17, 53, TCP_ESTABLISHED, "UDP 127.0.0.1:8080->10.0.0.2:53"),
        (socket.SOCK_DGRAM, 17, 0, 7, "UDP 127.0.0.1:8080"),
        (socket.SOCK_STREAM, 132, 9, 1, "protocol 132 127.0.0.1:8080->10.0.0.2:9"),
    ],
)
def test_internet_sockets(
    files: Files, kind: int, protocol: int, remote_port: int, state: int, description: str
) -> None:
    sock = files.socket(
        socket.AF_INET,
        kind,
        protocol,
        skc_state=state,
        skc_num=8080,
        skc_dport=socket.htons(remote_port),
        skc_rcv_saddr=address4("127.0.0.1"),
        skc_daddr=address4("10.0.0.2"),
    )
    assert files.described(files.socket_file(sock)).description == description


def test_internet_sockets_of_version_6(files: Files) -> None:
    sock = files.socket(socket.AF_INET6, socket.SOCK_STREAM, 6, skc_num=80, skc_dport=socket.htons(443))
    files.engine.write_bytes(sock + 16, socket.inet_pton(socket.AF_INET6, "2001:db8::2"))
    files.engine.write_bytes(sock + 32, socket.inet_pton(socket.AF_INET6, "::1"))
    assert files.described(files.socket_file(sock)).description == "TCPv6 [::1]:80->[2001:db8::2]:443"


@pytest.mark.parametrize(
    ("name", "description"),
    [
        (b"/run/app.sock\0", "UNIX /run/app.sock"),
        (b"/run/unterminated", "UNIX /run/unterminated"),
        (b"\0hidden", "UNIX @hidden"),
        (b"/" + b"x" * 107, "UNIX /" + "x" * 107),
        (b"", f"UNIX socket:[{INODE}]"),
        (None, f"UNIX socket:[{INODE}]"),
    ],
)
def test_unix_sockets(files: Files, name: bytes | None, description: str) -> None:
    sock = files.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    if name is not None:
        address = files.allocate("unix_address", len=len(name) + 2)
        files.engine.write_bytes(address + 4 + 2, name)
        files.engine.write("unix_sock", sock, addr=address)
    assert files.described(files.socket_file(sock)).description == description


@pytest.mark.parametrize("family", [16, 17, 40, 0])
def test_other_sockets_are_named_by_their_inode(files: Files, family: int) -> None:
    sock = files.socket(family, socket.SOCK_RAW)
    assert files.described(files.socket_file(sock)).description == f"socket:[{INODE}]"


def test_a_file_is_told_once(files: Files) -> None:
    root = files.root()
    file = files.file(stat.S_IFREG, files.below(root, [b"a"]), files.mount(root))
    first = files.complete_on(file)
    assert len(list(files.engine.facts())) == 1
    assert [files.complete_on(file) for _ in range(3)] == [first] * 3
    assert list(files.engine.facts()) == []


def test_another_file_at_the_same_address_is_told_again(files: Files) -> None:
    root = files.root()
    mount = files.mount(root)
    file = files.file(stat.S_IFREG, files.below(root, [b"a"]), mount)
    first = files.complete_on(file)
    files.engine.write("file", file, f_inode=files.inode(stat.S_IFREG, number=INODE + 1))
    second = files.complete_on(file)
    files.engine.write("file", file, f_inode=files.inode(stat.S_IFREG, number=INODE + 1, generation=5))
    third = files.complete_on(file)
    assert len({first, second, third}) == 3


def test_connecting_makes_a_new_fact_and_losing_the_peer_does_not(files: Files) -> None:
    sock = files.socket(socket.AF_INET, socket.SOCK_STREAM, 6, skc_num=1)
    file = files.socket_file(sock)
    before = files.complete_on(file)
    files.engine.write("sock_common", sock, skc_dport=socket.htons(80), skc_daddr=address4("10.0.0.2"))
    connected = files.complete_on(file)
    files.engine.write("sock_common", sock, skc_dport=0, skc_daddr=0)
    assert files.complete_on(file) == connected != before
    described = [
        fact.description for fact in map(parse_fact, files.engine.facts()) if isinstance(fact, FileFact)
    ]
    assert described == ["TCP 0.0.0.0:1", "TCP 0.0.0.0:1->10.0.0.2:80"]


def test_facts_that_find_no_room_are_counted(files: Files) -> None:
    files.engine.limit("facts", 100)
    assert files.complete_on(files.file(stat.S_IFIFO)) == 1
    assert files.engine.losses() == {Counter.LOST_FACTS: 1}
    assert list(files.engine.facts()) == []


def process_fact(kind: int, pid: int, parent: int) -> bytes:
    return struct.pack("<IIII", kind, pid, parent, 0)


def test_processes() -> None:
    assert parse_fact(process_fact(2, 12, 11)) == ForkFact(12, 11)
    assert parse_fact(process_fact(3, 12, 0)) == ExitFact(12)


@pytest.mark.parametrize("kind", [0, 4, 1 << 31])
def test_an_unknown_fact_is_an_error(kind: int) -> None:
    with pytest.raises(ValueError, match="unknown fact type"):
        parse_fact(process_fact(kind, 1, 1))


NAME = st.binary(min_size=1, max_size=20).map(lambda name: name.replace(b"\0", b"0").replace(b"/", b"_"))


@given(st.lists(NAME, min_size=2, max_size=6))
def test_any_path_can_be_told_back(names: list[bytes]) -> None:
    stored = b"".join(name + b"\0" for name in reversed(names))
    shown = join_path(stored, truncated=False)
    assert shown.encode(errors="surrogateescape") == b"/" + b"/".join(names)

"""Arguments and results in a form in which two runs of one program can be compared.

What the kernel chooses anew in every run (pointers, ports, thread ids, inodes) becomes a
placeholder and is kept beside; so is what a descriptor stands for, which strace and uringtrace
write differently. The rest must be the same text.
"""

from __future__ import annotations

import re
from collections.abc import Set
from dataclasses import dataclass

from uringtrace.tracer.strace.descriptors import unescaped
from uringtrace.tracer.strace.keys import REDACTED

Place = tuple[str, int]
"""A call's name and the position of an argument, from 0; `RESULT` is its result."""

RESULT = -1


@dataclass(frozen=True, slots=True)
class Chosen:
    """A value the kernel chose: `pointer`, `port`, `thread` or `inode`."""

    sort: str
    value: str


@dataclass(frozen=True, slots=True)
class ShownFile:
    """What stands between <> behind a descriptor."""

    kind: str
    """`tcp`, `udp`, `unix`, `socket`, `pipe`, `path`, or an anonymous inode's name."""
    name: str | None
    """A path, or addresses with placeholders for ports; None where it is not shown.

    As on a socket that was not bound when it was looked at: strace keeps what it saw then of UDP."""
    chosen: tuple[Chosen, ...] = ()


@dataclass(frozen=True, slots=True)
class Shape:
    text: str
    chosen: tuple[Chosen, ...]
    files: tuple[tuple[int, ShownFile], ...]
    """With the place in `text` behind which each stands."""


PAYLOAD: Set[Place] = frozenset(
    {
        *((name, 1) for name in ("read", "write", "pread64", "pwrite64", "recvfrom", "sendto")),
        ("getrandom", 0),
        *((name, 2) for name in ("setxattr", "getxattr")),
    }
)
"""Arguments that are the application's data, which uringtrace shows as `…`."""

_THREADS: Set[Place] = frozenset(
    {
        *(("kill", 0), ("tgkill", 0), ("tgkill", 1), ("tkill", 0), ("wait4", 0), ("waitid", 1)),
        *((name, RESULT) for name in ("getpid", "gettid", "getppid", "set_tid_address", "wait4")),
        *((name, RESULT) for name in ("fork", "vfork", "clone", "clone3")),
    }
)
"""Where a number is the id of a process or thread."""

_POINTER = re.compile(r"0x[0-9a-f]{9,}\b")
_PORT = re.compile(r"htons\((\d+)\)")
_ADDRESS_PORT = re.compile(r"(?<=[\d.\]]):(\d+)(?=$|->| )")
_INODE = re.compile(r"\[(\d+)\]")
_TASK = re.compile(r"\b(parent_tid=\[|si_pid=)(\d+)")
_COMMENT = re.compile(r" ?/\*.*?\*/")
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"(?:\.\.\.)?')
_IOV_BASE = re.compile(r"iov_base=$")
_DESCRIPTOR = re.compile(r"(?:\d|AT_FDCWD)$")
_BUFFER = "…"


def shape(text: str, place: Place) -> Shape:
    """The comparable form of one argument or result."""
    parts: list[str] = []
    chosen: list[Chosen] = []
    files: list[tuple[int, ShownFile]] = []
    length = position = 0

    def add(part: str) -> None:
        nonlocal length
        parts.append(part)
        length += len(part)

    if place in PAYLOAD and text == REDACTED:
        return Shape(_BUFFER, (), ())
    if place in _THREADS and text.isdigit() and text != "0":
        return Shape("thread", (Chosen("thread", text),), ())
    while position < len(text):
        if matched := _STRING.match(text, position):
            is_payload = place in PAYLOAD or _IOV_BASE.search(text, 0, position)
            add(_BUFFER if is_payload else matched[0])
        elif matched := _COMMENT.match(text, position):
            pass
        elif text[position] == "<" and _DESCRIPTOR.search(text, 0, position) and text[position + 1] != "<":
            end = _end_of_file(text, position)
            inner, deleted = text[position + 1 : end - 1], text.startswith("(deleted)", end)
            files.append((length, shown_file(inner)))
            position = end + len("(deleted)") * deleted
            continue
        elif matched := _POINTER.match(text, position):
            chosen.append(Chosen("pointer", matched[0]))
            add("pointer")
        elif matched := _PORT.match(text, position):
            # Port 0 is not a port but the wish for one.
            add("htons(0)" if matched[1] == "0" else "htons(port)")
            if matched[1] != "0":
                chosen.append(Chosen("port", matched[1]))
        elif matched := _TASK.match(text, position):
            chosen.append(Chosen("thread", matched[2]))
            add(f"{matched[1]}thread")
        else:
            add(text[position])
            position += 1
            continue
        position = matched.end()
    return Shape("".join(parts), tuple(chosen), tuple(files))


def _end_of_file(text: str, position: int) -> int:
    depth = 0
    for end in range(position, len(text)):
        if text[end] == "<":
            depth += 1
        elif text[end] == ">" and text[end - 1] != "-":
            depth -= 1
            if depth == 0:
                return end + 1
    raise ValueError(f"no end of <…> in {text}")


_STRACE_SOCKET = re.compile(r"(?P<protocol>[A-Z]+)(?:v6|-[A-Z]+)?:\[(?P<addresses>.*)\]")
_OUR_SOCKET = re.compile(r"(?P<protocol>TCP|UDP|UNIX)(?:v6)?(?: (?P<addresses>.*))?")
_OBJECT = re.compile(r"(?P<kind>pipe|socket):\[(?P<inode>\d+)\]")
_ANONYMOUS = re.compile(r"anon_inode:\[?(?P<name>[\w-]+)\]?")
_NO_ADDRESS = re.compile(r"socket:\[\d+\]|(?:0\.0\.0\.0|\[::\]):\d+")
_UNIX_INODES = re.compile(r"\d+(?:->\d+)?(?:,(?P<name>.*))?")


def shown_file(text: str) -> ShownFile:
    """Reads both ways of saying what a descriptor stands for."""
    if matched := _STRACE_SOCKET.fullmatch(text):
        protocol, addresses = matched["protocol"].lower(), matched["addresses"]
        if protocol == "unix":
            named = _UNIX_INODES.fullmatch(addresses)
            return ShownFile("unix", named["name"].replace('"', "") if named and named["name"] else None)
        return _socket(protocol, "" if addresses.isdigit() else addresses)
    if matched := _OUR_SOCKET.fullmatch(text):
        addresses = (matched["addresses"] or "").removesuffix("listening").strip()
        return _socket(matched["protocol"].lower(), addresses)
    if matched := _OBJECT.fullmatch(text):
        return ShownFile(matched["kind"], "[inode]", (Chosen("inode", matched["inode"]),))
    if matched := _ANONYMOUS.fullmatch(text):
        return ShownFile(matched["name"], None)
    path = re.sub(r"<(?:char|block) \d+:\d+>$", "", text).removesuffix(" (deleted)")
    return ShownFile("path", unescaped(path))


def _socket(protocol: str, addresses: str) -> ShownFile:
    if not addresses or _NO_ADDRESS.fullmatch(addresses):
        return ShownFile(protocol, None)
    ports = tuple(Chosen("port", port) for port in _ADDRESS_PORT.findall(addresses))
    return ShownFile(protocol, _ADDRESS_PORT.sub(":port", addresses), ports)

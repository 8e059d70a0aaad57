"""Which descriptors a call is about, and what strace says they stand for (-y, -yy)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from uringtrace.tracer.strace.arguments import FILE
from uringtrace.tracer.strace.records import Call
from uringtrace.tracer.syscalls.signature import Result, ValueForm
from uringtrace.tracer.syscalls.signatures import signatures

AT_FDCWD = -100
"""include/uapi/linux/fcntl.h: the working directory, where a descriptor may stand."""


@dataclass(frozen=True, slots=True)
class Descriptor:
    """A descriptor's number, and the text between <>, escaped as strace does; None without -y."""

    number: int
    shown: str | None


@dataclass(frozen=True, slots=True)
class ShownFile:
    """What a descriptor stands for; None is what strace does not say."""

    kind: str
    """`path`, `pipe`, `socket` (its protocol is not said), `tcp`, `udp`, `unix` and other protocols in
    small letters, or the name of an anonymous inode: `eventpoll`, `io_uring`, `eventfd`, `pidfd`."""
    path: str | None = None
    """Unescaped; of a unix socket the name it is bound to, with `@` in front of an abstract one."""
    inode: int | None = None
    local: str | None = None
    """`127.0.0.1:80`, `[::1]:80`."""
    remote: str | None = None
    device: str | None = None
    """`char 1:3`."""
    deleted: bool = False


_DESCRIPTOR = re.compile(
    rf"""
    (?:[a-z_]\w*=)?
    (?P<number>AT_FDCWD|0x[0-9a-f]{{1,16}}|-?\d{{1,10}})
    (?:\ /\*\ AT_FDCWD\ \*/)?
    (?P<file>{FILE})?
    """,
    re.VERBOSE | re.DOTALL,
)
_FORMS = (ValueForm.DESCRIPTOR, ValueForm.DIRECTORY)
_DELETED = "(deleted)"


def argument_descriptor(text: str) -> Descriptor | None:
    """The descriptor that an argument or a result is; None if it is none."""
    matched = _DESCRIPTOR.fullmatch(text)
    if matched is None:
        return None
    number = AT_FDCWD if matched["number"] == "AT_FDCWD" else int(matched["number"], 0 if "x" in text else 10)
    if 1 << 31 <= number < 1 << 32:
        number -= 1 << 32  # an int that -e raw prints as unsigned
    if not -(1 << 31) <= number < 1 << 31:
        return None
    return Descriptor(number, _between(matched["file"]))


def _between(file: str | None) -> str | None:
    """The text between <>, with ` (deleted)` behind it wherever strace printed that."""
    if file is None:
        return None
    if file.endswith(_DELETED):
        return f"{file[1 : -len(_DELETED) - 1]} {_DELETED}"
    return file[1:-1]


def first_descriptor(call: Call) -> Descriptor | None:
    """The first argument that is a descriptor, as `fd` of a batch: by the call's signature."""
    if not call.begun:
        return None
    signature = signatures().get(call.name)
    if signature is None:
        found = (argument_descriptor(argument) for argument in call.arguments)
        return next((descriptor for descriptor in found if descriptor and descriptor.shown), None)
    for parameter, argument in zip(signature.parameters, call.arguments, strict=False):
        if parameter.form in _FORMS:
            return argument_descriptor(argument)
    return None


def result_descriptor(call: Call) -> Descriptor | None:
    """The new descriptor that the call returned."""
    result = call.result
    if result is None or result.value is None or result.value < 0:
        return None
    signature = signatures().get(call.name)
    if signature and signature.result is Result.DESCRIPTOR:
        return argument_descriptor(result.text)
    # -Y prints a thread's name in the same form behind the results of fork and wait4.
    descriptor = argument_descriptor(result.text) if "<" in result.text else None
    if descriptor is None or (signature and signature.result is Result.THREAD):
        return None
    return None if call.name in ("wait4", "waitpid", "getpid", "gettid", "getppid") else descriptor


_SOCKET = re.compile(r"(?P<protocol>[A-Z][A-Z0-9]*)(?:v6|-[A-Z]+)?:\[(?P<inside>.*)\]", re.DOTALL)
_NAMELESS = re.compile(r"\(null\):\[(?P<inside>.*)\]", re.DOTALL)
"""A unix socket in strace 5.10 on kernels that name its protocol UNIX-STREAM, which it does not know."""
_INODE = re.compile(r"(?P<kind>pipe|socket):\[(?P<inode>\d{1,20})\]")
_ANONYMOUS = re.compile(
    r"anon_inode:\[?(?P<name>[\w.-]+)\]?|(?P<kind>pid|signalfd):.*|\{(?P<first>eventfd)-.*\}"
)
"""Also how newer versions print pidfd, signalfd (6.3) and eventfd (6.10)."""
_UNIX = re.compile(r'(?P<inode>\d{1,20})(?:->\d+)?(?:,(?P<at>@?)"(?P<path>.*)")?', re.DOTALL)
_DEVICE = re.compile(r"<((?:char|block) \d+:\d+)>$")


def shown_file(text: str) -> ShownFile:
    """Reads what strace prints between <>, as `Descriptor.shown`."""
    if matched := _SOCKET.fullmatch(text):
        return _socket(matched["protocol"].lower(), matched["inside"])
    if matched := _NAMELESS.fullmatch(text):
        return _socket("unix", matched["inside"])
    if matched := _INODE.fullmatch(text):
        return ShownFile(matched["kind"], inode=int(matched["inode"]))
    if matched := _ANONYMOUS.fullmatch(text):
        return ShownFile({"pid": "pidfd"}.get(found := matched[matched.lastgroup or 0], found))
    deleted = text.endswith(f" {_DELETED}")
    path = text.removesuffix(f" {_DELETED}")
    device = _DEVICE.search(path)
    path = path[: device.start()] if device else path
    return ShownFile("path", unescaped(path), device=device[1] if device else None, deleted=deleted)


def _socket(protocol: str, inside: str) -> ShownFile:
    if re.fullmatch(r"\d{1,20}", inside):
        return ShownFile(protocol, inode=int(inside))
    if protocol == "unix":
        matched = _UNIX.fullmatch(inside)
        if matched is None:
            return ShownFile(protocol)
        path = matched["path"]
        name = None if path is None else matched["at"] + unescaped(path)
        return ShownFile(protocol, name, inode=int(matched["inode"]))
    local, arrow, remote = inside.partition("->")
    return ShownFile(protocol, local=local, remote=remote if arrow else None)


_ESCAPE = re.compile(rb"\\(?:x[0-9a-f]{2}|[0-7]{1,3}|.)", re.DOTALL)
_LETTERS = {b"n": b"\n", b"t": b"\t", b"r": b"\r", b"f": b"\f", b"v": b"\v"}


def unescaped(text: str) -> str:
    """The text of a path or string, which strace escapes as C does; bytes that are no UTF-8 become `�`."""

    def character(matched: re.Match[bytes]) -> bytes:
        code = matched[0][1:]
        if code.startswith(b"x"):
            return bytes([int(code[1:], 16)])
        return bytes([int(code, 8) & 0xFF]) if code.isdigit() else _LETTERS.get(code, code)

    return _ESCAPE.sub(character, text.encode(errors="replace")).decode(errors="replace")

"""Runs one reference server: what is the same for all architectures, around `serve`.

Two lines on standard output frame every run, each one JSON document: the first when the
server really accepts connections, the last, the ground truth, when it has ended.
"""

from __future__ import annotations

import errno
import json
import os
import resource
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from uringtrace.errors import CapabilityError, UsageError
from uringtrace.targets.catalogue import Architecture
from uringtrace.targets.stop import Stop
from uringtrace.targets.truth import Truth

WAY_TO_INSTALL = "install them with: pip install 'uringtrace[servers]'"


@dataclass(frozen=True, slots=True)
class Options:
    """What one run was asked for."""

    documents: Path
    """Folder of `/file/NAME`."""
    host: str = "127.0.0.1"
    port: int = 0
    """0 lets the kernel choose."""
    workers: int = 2
    mode: str | None = None
    """One of the architecture's modes; None: its default, or what it finds out."""
    fault: str | None = None
    handshake: str = "pyopenssl"
    backlog: int = 4096


class House:
    """What a server finds: its listener, the request to stop, the counters, the first line."""

    def __init__(self, architecture: Architecture, options: Options) -> None:
        self.truth = Truth()
        self.stop = Stop()
        self._architecture = architecture
        self._options = options
        self._address = (options.host, options.port)
        self._announced = False

    def listen(self, *, reuse_port: bool = False, blocking: bool = True) -> socket.socket:
        """A listener at the run's address; asked again, at the same port (with `reuse_port`).

        Accepted sockets inherit TCP_NODELAY. Raises `UsageError` when the address cannot be had.
        """
        listener = _bound(self._address, reuse_port)
        listener.setblocking(blocking)
        listener.listen(self._options.backlog)
        self._address = listener.getsockname()[:2]
        self.stop.listener(listener)
        return listener

    def announce(self, mode: str | None = None, **more: object) -> None:
        """Print the first line: connections are accepted from now on. Only the first call counts."""
        if self._announced:
            return
        self._announced = True
        line = {
            "listening": _joined(self._address),
            "architecture": self._architecture.name,
            "mode": mode or self._options.mode,
            "fault": self._options.fault,
            "pid": os.getpid(),
            **more,
        }
        print(json.dumps(line), flush=True)


def check(architecture: Architecture, options: Options) -> None:
    """Raise `UsageError` for a mode or fault that the architecture has not, `CapabilityError`
    for packages that are not installed."""
    for word, chosen, known in (
        ("mode", options.mode, architecture.modes),
        ("fault", options.fault, architecture.faults),
    ):
        if chosen is not None and chosen not in known:
            offers = f"it has: {', '.join(known)}" if known else f"it has no {word}s"
            raise UsageError(f"{architecture.name} has no {word} {chosen}", offers)
    missing = missing_packages(architecture)
    if missing:
        raise CapabilityError(f"{architecture.name} needs {' and '.join(missing)}", WAY_TO_INSTALL)


def missing_packages(architecture: Architecture) -> tuple[str, ...]:
    """Packages that this architecture needs and this Python has not; nothing is imported."""
    return tuple(name for name in ("httptools", *architecture.packages) if find_spec(name) is None)


def run(architecture: Architecture, options: Options) -> None:
    """Serve until SIGTERM or SIGINT; raises `uringtrace.errors.Error` when it cannot begin."""
    check(architecture, options)
    _allow_many_descriptors()
    house = House(architecture, options)
    house.stop.install()
    creator = os.getpid()
    serve = import_module(architecture.module).serve
    serve(options, house)
    if os.getpid() == creator:
        print(json.dumps(house.truth.report(options.fault)), flush=True)


@contextmanager
def documents(folder: Path | None) -> Iterator[Path]:
    """The folder of `/file/NAME`: the given one, or one with two files that goes when the run ends."""
    if folder is not None:
        if not folder.is_dir():
            raise UsageError(f"{folder} is not a folder")
        yield folder.resolve()
        return
    creator = os.getpid()
    temporary = TemporaryDirectory(prefix="uringtrace-files-", ignore_cleanup_errors=True)
    try:
        place = Path(temporary.name)
        line = b"The quick brown fox jumps over the lazy dog, and again: 0123456\n"
        (place / "small.txt").write_bytes(line * 16)
        (place / "large.bin").write_bytes(bytes(range(256)) * 4096)
        yield place
    finally:
        if os.getpid() == creator:
            temporary.cleanup()


def _joined(address: tuple[str, int]) -> str:
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _bound(address: tuple[str, int], reuse_port: bool) -> socket.socket:
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if reuse_port:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        listener.bind(address)
    except OSError as error:
        listener.close()
        way = "choose another port with --port, or let the kernel choose with --port 0"
        of_port = error.errno in (errno.EADDRINUSE, errno.EACCES)
        hint = way if of_port else "choose an address of this machine with --host"
        raise UsageError(f"cannot listen on {_joined(address)}: {error.strerror}", hint) from None
    return listener


def _allow_many_descriptors() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def say(message: str) -> None:
    """A remark on standard error; standard output holds the two lines alone."""
    print(f"uringtrace: {message}", file=sys.stderr, flush=True)

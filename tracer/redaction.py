"""Pseudonyms for what a report or an export names: addresses, paths, names, command lines.

One `Pseudonyms` is made for one output. The same text has the same pseudonym everywhere in it, so
that rows still belong together; numbers count from 1 in order of appearance, so that nothing can
be worked out from a pseudonym, as it could from a hash of an address. What the kernel itself names
(`pipe:[12]`, `anon_inode:[eventpoll]`, `iou-sqp-4242`), `0.0.0.0`, `::` and port 0 stay: they
tell nothing. Everything that is not recognised is replaced as a whole.
"""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import count
from typing import overload

from uringtrace.tracer.source import Context, File, OpenSocket, Socket, Thread

RAW_COLUMNS = (
    "user_data",
    "data",
    "arg0",
    "arg1",
    "arg2",
    "arg3",
    "arg4",
    "arg5",
    "off",
    "addr",
    "addr3",
    "waker_argument",
    "memory",
)
"""Columns of a recording's tables that are left out, NULL, of a redacted output: values as the
application wrote them, pointers, and memory that holds paths and addresses."""

_INTERNET = re.compile(
    r"(?P<protocol>TCP|UDP|protocol \d+)(?P<version>(?:v6)?) (?P<local>\S+?)(?:->(?P<remote>\S+))?"
    r"(?P<listening>(?: listening)?)"
)
_HOST_AND_PORT = re.compile(r"(?P<host>\[[^\]\s]+\]|[0-9.]+):(?P<port>\d+)")
_FROM_THE_KERNEL = re.compile(r"(pipe|socket|anon_inode):\[\w+\]|anon_inode:[\w-]+")
_KERNEL_THREAD = re.compile(r"iou-(sqp|wrk)-\d+")
_PID = r"\d+(?: \(\d+ in its pid namespace\))?"
_PROCESSES = re.compile(rf"all processes|process(?:es)? {_PID}(?:, {_PID})*")
_KINDS = ("host", "port", "unix", "path", "name", "argument")
_NO_HOST = ("0.0.0.0", "[::]")


class Pseudonyms:
    """Pseudonyms of one output; each method gives the same answer for the same text."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[str, str], int] = {}
        self._counts = {kind: count(1) for kind in _KINDS}

    @overload
    def address(self, text: str) -> str: ...
    @overload
    def address(self, text: None) -> None: ...
    def address(self, text: str | None) -> str | None:
        """Of `127.0.0.1:80`: `host-1:port-1`; of the name of a UNIX socket: `unix-1`."""
        if text is None:
            return None
        match = _HOST_AND_PORT.fullmatch(text)
        if match is None:
            return text if _FROM_THE_KERNEL.fullmatch(text) else self._numbered("unix", text)
        host, port = match["host"], match["port"]
        shown = host if host in _NO_HOST else self._numbered("host", host.lower())
        return f"{shown}:{'0' if port == '0' else self._numbered('port', port)}"

    @overload
    def path(self, text: str) -> str: ...
    @overload
    def path(self, text: None) -> None: ...
    def path(self, text: str | None) -> str | None:
        """`path-1`."""
        return None if text is None else self._numbered("path", text)

    @overload
    def name(self, text: str) -> str: ...
    @overload
    def name(self, text: None) -> None: ...
    def name(self, text: str | None) -> str | None:
        """Of a thread or a process: `name-1`."""
        if text is None or _KERNEL_THREAD.fullmatch(text):
            return text
        return self._numbered("name", text)

    def argument(self, text: str) -> str:
        """Of one word of a command line: `argument-1`."""
        return self._numbered("argument", text)

    @overload
    def description(self, text: str) -> str: ...
    @overload
    def description(self, text: None) -> None: ...
    def description(self, text: str | None) -> str | None:
        """Of what a descriptor stands for, as `File.description` has it."""
        if text is None or _FROM_THE_KERNEL.fullmatch(text):
            return text
        if match := _INTERNET.fullmatch(text):
            local = self.address(match["local"])
            remote = f"->{self.address(match['remote'])}" if match["remote"] else ""
            return f"{match['protocol']}{match['version']} {local}{remote}{match['listening']}"
        if text.startswith("UNIX "):
            return "UNIX " + "->".join(map(self.address, text[len("UNIX ") :].split("->", 1)))
        return self.path(text)

    def socket(self, socket: Socket) -> Socket:
        return replace(socket, local=self.address(socket.local), remote=self.address(socket.remote))

    def file(self, file: File) -> File:
        """The same file with device and inode, which name nothing outside its machine."""
        known = None if file.socket is None else self.socket(file.socket)
        return replace(file, description=self.description(file.description), socket=known)

    def open_socket(self, opened: OpenSocket) -> OpenSocket:
        return replace(opened, socket=self.socket(opened.socket))

    def thread(self, thread: Thread) -> Thread:
        return replace(thread, name=self.name(thread.name))

    def context(self, context: Context) -> Context:
        """Without the words of the command line; the target's process ids stay."""
        command = tuple(map(self.argument, context.command))
        return replace(context, command=command, target=self.target(context.target, context.command))

    def target(self, text: str, command: tuple[str, ...] = ()) -> str:
        """Of a target in words: process ids stay, a command line has pseudonyms."""
        if command and text == " ".join(command):
            return " ".join(map(self.argument, command))
        return text if _PROCESSES.fullmatch(text) else self.argument(text)

    def _numbered(self, kind: str, text: str) -> str:
        number = self._numbers.get((kind, text))
        if number is None:
            # DuckDB asks from several threads: a number may be left out, but none is given twice.
            number = self._numbers.setdefault((kind, text), next(self._counts[kind]))
        return f"{kind}-{number}"

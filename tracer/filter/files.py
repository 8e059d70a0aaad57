"""Which rows concern certain files: by the name of a file, a socket's address, or a path in memory.

A row may know three files: that of its descriptor, of its second descriptor, and the one
its result is a descriptor of. It concerns a file where any of them does.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from socket import AF_UNIX
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from uringtrace.tracer.filter.syntax import AddressIs, FileIs
from uringtrace.tracer.record import Batch
from uringtrace.tracer.records import MEMORY_BYTES, Records
from uringtrace.tracer.source import File
from uringtrace.tracer.syscalls.socket_address import address_text

Mask: TypeAlias = NDArray[np.bool_]

FILE_COLUMNS = ("file", "second_file", "result_file")
_ADDRESSES_KEPT = 65536


class FileTest:
    """A condition on files; each file is judged once, when a row first names it."""

    def __init__(self, judge: Callable[[File], bool | None]) -> None:
        """`judge` returns None of a file that has not what the condition speaks of."""
        self._judge = judge
        self._verdicts: dict[int, bool | None] = {}

    def rows(self, batch: Batch, files: Mapping[int, File]) -> tuple[Mask, Mask]:
        """Rows with a file that the condition speaks of, and with one that fits it."""
        columns = [batch[name] for name in FILE_COLUMNS]
        numbers = np.unique(np.concatenate(columns))
        verdicts = [self._verdict(number, files) for number in numbers.tolist()]
        known = numbers[[verdict is not None for verdict in verdicts]]
        fitting = numbers[[verdict is True for verdict in verdicts]]
        return _any_in(columns, known), _any_in(columns, fitting)

    def _verdict(self, number: int, files: Mapping[int, File]) -> bool | None:
        if number not in self._verdicts:
            if number not in files:
                return None
            self._verdicts[number] = self._judge(files[number])
        return self._verdicts[number]


def _any_in(columns: list[NDArray[np.uint32]], numbers: NDArray[np.uint32]) -> Mask:
    mask = np.zeros(columns[0].shape, bool)
    if numbers.size:
        for column in columns:
            mask |= np.isin(column, numbers)
    return mask


def name_test(term: FileIs) -> FileTest:
    """Whether a file has one of the names."""
    return FileTest(lambda file: file.description in term.names)


def address_test(term: AddressIs) -> FileTest:
    """Whether a socket has an address that fits."""

    def judge(file: File) -> bool | None:
        if file.socket is None:
            return None
        address = file.socket.remote if term.word == "peer" else file.socket.local
        if address is None and (file.socket.family != "unix" or file.socket.listening):
            return None
        # A unix socket need not have a name; its address is then empty (unix(7)).
        return fits_any(term, address or "", unix=file.socket.family == "unix")

    return FileTest(judge)


def fits_any(term: AddressIs, address: str, *, unix: bool) -> bool:
    return any(pattern.fits(address, unix=unix) for pattern in term.patterns)


class GivenAddressTest:
    """Whether a call was given, or brought, an address that fits; each address is judged once."""

    def __init__(self, term: AddressIs) -> None:
        self._term = term
        self._verdicts: dict[bytes, bool | None] = {}

    def rows(self, records: Records, pieces_of_addresses: Mask) -> tuple[Mask, Mask]:
        """Calls with an address, and those with one that fits; `pieces_of_addresses` are its memory."""
        known, fitting = (np.zeros(records.operations.shape, bool) for _ in range(2))
        chosen = Records(records.operations, records.memory[pieces_of_addresses], records.socket_events)
        for row, arguments in chosen.memory_by_row().items():
            verdicts = [self._verdict(each.data) for each in arguments.values()]
            known[row] = any(verdict is not None for verdict in verdicts)
            fitting[row] = any(verdicts)
        return known, fitting

    def _verdict(self, data: bytes) -> bool | None:
        if data not in self._verdicts:
            if len(self._verdicts) >= _ADDRESSES_KEPT:
                self._verdicts.clear()
            address = address_text(data)
            unix = int.from_bytes(data[:2], sys.byteorder) == AF_UNIX
            self._verdicts[data] = None if address is None else fits_any(self._term, address, unix=unix)
        return self._verdicts[data]


def rows_given(records: Records, pieces_of_paths: Mask, names: tuple[str, ...]) -> tuple[Mask, Mask]:
    """Calls that were given a path, and those that were given one of the names; both of shape (n,).

    `pieces_of_paths` says which pieces of memory belong to paths.
    """
    given, named = (np.zeros(records.operations.shape, bool) for _ in range(2))
    memory = records.memory[pieces_of_paths]
    given[memory["row"]] = True
    if not memory.size:
        return given, named
    same = (memory["row"][1:] == memory["row"][:-1]) & (memory["argument"][1:] == memory["argument"][:-1])
    first = np.concatenate([[True], ~same])
    data = np.frombuffer(memory["data"].tobytes(), np.uint8).reshape(-1, MEMORY_BYTES)
    for name in names:
        string = np.frombuffer(name.encode(errors="surrogateescape") + b"\0", np.uint8)
        pieces = -(-string.size // MEMORY_BYTES)
        # Its pieces follow one another, so all of them are there where `total` is the whole length.
        starts = np.flatnonzero(first & (memory["total"] == string.size))
        starts = starts[starts + pieces <= memory.size]
        for piece in range(pieces):
            part = string[piece * MEMORY_BYTES : (piece + 1) * MEMORY_BYTES]
            starts = starts[(data[starts + piece, : part.size] == part).all(axis=1)]
        named[memory["row"][starts]] = True
    return given, named

"""The path that a system call was given; the first one, where it takes two.

Invariant: a path that was not read to its end says so with `…`; what was not captured
has none.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from uringtrace.tracer.record import FIRST_CALL, OPCODES
from uringtrace.tracer.records import Records
from uringtrace.tracer.syscalls.signature import ValueForm
from uringtrace.tracer.syscalls.signatures import signature_of

PathArguments = NDArray[np.uint8]
"""Which argument of each opcode is its path, NO_PATH: none; shape (OPCODES,)."""

NO_PATH = 255
NOT_READ = b"\0"
"""Stands for a path that is not known: no path has this character."""


def path_arguments(operation_names: Mapping[int, str]) -> PathArguments:
    """By opcode, for a capture's names."""
    arguments = np.full(OPCODES, NO_PATH, np.uint8)
    for opcode, name in operation_names.items():
        if FIRST_CALL <= opcode < OPCODES:
            forms = [parameter.form for parameter in signature_of(name).parameters]
            if ValueForm.PATH in forms:
                arguments[opcode] = forms.index(ValueForm.PATH)
    return arguments


def pathnames(records: Records, paths: PathArguments) -> tuple[NDArray[np.int64], list[bytes]]:
    """Rows whose path was asked for, ascending, and the path of each, or NOT_READ."""
    memory = records.memory
    opcode = np.minimum(records.operations["opcode"][memory["row"]], OPCODES - 1)
    pieces = memory[(paths[opcode] == memory["argument"]) & (paths[opcode] != NO_PATH)]
    if not pieces.size:
        return np.zeros(0, np.int64), []
    last = np.append(pieces["row"][1:] != pieces["row"][:-1], True)
    rows = pieces["row"][last].astype(np.int64)
    ends = np.flatnonzero(last) + 1
    data = pieces["data"].tobytes()
    size = pieces["data"].itemsize
    length = pieces["length"].tolist()
    found = []
    begin = 0
    for end in ends.tolist():
        path, ended, _ = data[begin * size : (end - 1) * size + length[end - 1]].partition(b"\0")
        found.append(path if ended else path + "…".encode() if path else NOT_READ)
        begin = end
    return rows, found

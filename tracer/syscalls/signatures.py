"""All signatures, by the name of the call. What is not here is shown by its raw arguments."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from uringtrace.tracer.syscalls import descriptors, files, memory, processes, sockets, system
from uringtrace.tracer.syscalls.signature import Parameter, Result, Signature, ValueForm, parse

RAW = Signature(tuple(Parameter(f"arg{number}", ValueForm.HEXADECIMAL) for number in range(6)), Result.NUMBER)
"""Of a call that is newer than the tables."""


@cache
def signatures() -> Mapping[str, Signature]:
    """Name → signature."""
    found: dict[str, Signature] = {}
    for part in (files, descriptors, sockets, processes, memory, system):
        found |= parse(part.TABLE)
    return found


def signature_of(name: str) -> Signature:
    """The signature of the call with this name, `RAW` if it is not known."""
    return signatures().get(name, RAW)

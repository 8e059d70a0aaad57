"""Where operations keep what a filter compares: which of their arguments are descriptors or paths."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from uringtrace.tracer.arguments import uses_descriptor
from uringtrace.tracer.record import FIRST_CALL, OPCODES, SQE_FIXED_FILE, Batch, Kind
from uringtrace.tracer.records import NAME, Records
from uringtrace.tracer.syscalls.signature import ValueForm
from uringtrace.tracer.syscalls.signatures import signature_of
from uringtrace.tracer.syscalls.traits import descriptor_arguments

Mask: TypeAlias = NDArray[np.bool_]

_ARGUMENTS = 6
_ADDRESSES = (ValueForm.ADDRESS, ValueForm.RETURNED_ADDRESS)
_OF_ITS_OWN = ("bind", "getsockname")
"""Calls whose address is that of the socket itself; of the others it is that of the other end."""
_NONE = -1


@dataclass(frozen=True, slots=True)
class Shapes:
    """Of each opcode."""

    has_descriptor: Mask
    """Shape (OPCODES,)."""
    second: NDArray[np.int8]
    """The argument that is a call's second descriptor, -1: none. Shape (OPCODES,)."""
    paths: Mask
    """The arguments of calls that are paths, shape (OPCODES, 6)."""
    addresses: Mapping[str, Mask]
    """`peer` and `local`: the arguments that are such socket addresses, shape (OPCODES, 6)."""

    def with_descriptor(self, batch: Batch) -> Mask:
        """Operations that use a descriptor; what is untracked or a message is none, shape (n,)."""
        kind = batch["kind"]
        mask: Mask = self.has_descriptor[batch["opcode"]]
        mask &= (kind != Kind.UNTRACKED) & (kind != Kind.MESSAGE)
        return mask

    def on_descriptor(self, batch: Batch, number: int, direct: bool) -> Mask:
        """Operations with that descriptor, be it the first or the second, shape (n,)."""
        mask: Mask = (batch["fd"] == number) & ((batch["sqe_flags"] & SQE_FIXED_FILE != 0) == direct)
        if direct:
            return mask
        second = np.where(batch["has_arguments"], self.second[batch["opcode"]], _NONE)
        for argument in np.unique(second[second != _NONE]).tolist():
            # The kernel takes the lower half of the register as the descriptor.
            given = batch[f"arg{argument}"].astype(np.int32)
            mask |= (second == argument) & (given == number)
        return mask

    def path_memory(self, records: Records) -> Mask:
        """The pieces of memory that belong to paths, shape (pieces,)."""
        return _pieces(records, self.paths)

    def address_memory(self, records: Records, word: str) -> Mask:
        """The pieces that belong to addresses of the other end (`peer`), or of this one (`local`)."""
        mask = _pieces(records, self.addresses[word])
        return mask | (records.memory["argument"] == NAME) if word == "peer" else mask


def _pieces(records: Records, arguments: Mask) -> Mask:
    """The pieces of memory that belong to the chosen arguments, shape (pieces,)."""
    argument = records.memory["argument"]
    opcodes = records.operations["opcode"][records.memory["row"]]
    mask: Mask = arguments[opcodes, np.minimum(argument, _ARGUMENTS - 1)]
    mask &= argument < _ARGUMENTS
    return mask


def shapes_of(operation_names: Mapping[int, str]) -> Shapes:
    """The shapes of a source's operations; of an opcode without a name nothing is known."""
    has_descriptor = np.ones(OPCODES, bool)
    has_descriptor[FIRST_CALL:] = False
    second = np.full(OPCODES, _NONE, np.int8)
    paths, peers, own = (np.zeros((OPCODES, _ARGUMENTS), bool) for _ in range(3))
    for opcode, name in operation_names.items():
        if opcode < FIRST_CALL:
            has_descriptor[opcode] = uses_descriptor(name)
            continue
        signature = signature_of(name)
        descriptors = descriptor_arguments(signature)
        has_descriptor[opcode] = bool(descriptors)
        if len(descriptors) > 1:
            second[opcode] = descriptors[1]
        for argument, parameter in enumerate(signature.parameters[:_ARGUMENTS]):
            paths[opcode, argument] = parameter.form is ValueForm.PATH
            side = own if name in _OF_ITS_OWN else peers
            side[opcode, argument] = parameter.form in _ADDRESSES
    return Shapes(has_descriptor, second, paths, {"peer": peers, "local": own})

"""Sockets that get an upper-layer protocol (kTLS) while a capture runs.

What a program hands to setsockopt(TLS_TX) holds its keys and is never read. That such a
call succeeded is in the records; what the socket is by then, the kernel is asked (see
`socket_diagnosis`). A mask over each batch decides whether there is anything to ask.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from uringtrace.tracer.record import SQE_FIXED_FILE, Batch, Kind
from uringtrace.tracer.records import Records
from uringtrace.tracer.socket_diagnosis import upper_layers
from uringtrace.tracer.source import File, OpenSocket, UpperLayer

_SOL_TCP, _TCP_ULP = 6, 31
_SOL_TLS = 282
_SOCKET_URING_OP_SETSOCKOPT = 3
_LOW = np.uint64(0xFFFFFFFF)
_HIGH = np.uint64(32)

_NAME_ONLY = UpperLayer("tls")


class Ask(Protocol):
    """As `socket_diagnosis.upper_layers`, for all sockets of the processes' namespaces."""

    def __call__(self, *, pids: Collection[int]) -> Mapping[int, UpperLayer]: ...


class UpperLayerWatch:
    """Asks for the upper layers of sockets once any was set; keeps only the last answer."""

    def __init__(self, operation_names: Mapping[int, str], ask: Ask = upper_layers) -> None:
        opcodes = {name: opcode for opcode, name in operation_names.items()}
        self._setsockopt = opcodes.get("setsockopt", -1)
        self._command = opcodes.get("URING_CMD", -1)
        self._ask = ask
        self._answer: Mapping[int, UpperLayer] = {}

    def refresh(self, records: Records, files: Mapping[int, File]) -> tuple[OpenSocket, ...]:
        """The sockets whose upper layer `records` changed, as they are now: one entry each.

        A socket that is closed by now is told as the last answer had it, without what may have
        changed since; or by its name alone where an option of TLS itself was set. `fd` is -1
        for a direct descriptor.
        """
        changed = self._changed(records.operations, files)
        if not changed:
            return ()
        before, self._answer = self._answer, self._ask(pids={entry.tgid for entry in changed.values()})
        told = []
        for inode, entry in changed.items():
            layer = self._answer.get(inode) or _outdated(before.get(inode)) or entry.upper_layer
            if layer is not None:
                told.append(replace(entry, upper_layer=layer))
        return tuple(told)

    def _changed(self, batch: Batch, files: Mapping[int, File]) -> dict[int, OpenSocket]:
        """By inode, the sockets to ask for; `upper_layer` is what is certain without asking."""
        ulp, tls = self._changes(batch)
        changes = ulp | tls
        found: dict[int, OpenSocket] = {}
        # Of a SILENT operation it is not known whether it succeeded.
        certain = tls & (batch["kind"] == Kind.COMPLETION)
        for row, is_tls in zip(batch[changes], certain[changes].tolist(), strict=True):
            file = files.get(int(row["file"]))
            if file is None or file.socket is None:
                continue
            before = found.get(file.inode)
            layer = _NAME_ONLY if is_tls else before.upper_layer if before else None
            fd = -1 if row["sqe_flags"] & SQE_FIXED_FILE else int(row["fd"])
            found[file.inode] = OpenSocket(int(row["tgid"]), fd, file.inode, file.socket, layer)
        return found

    def _changes(self, batch: Batch) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Rows that set TCP_ULP, and rows that set an option of TLS; both of shape (n,)."""
        opcode = batch["opcode"]
        nothing = np.zeros(len(batch), np.bool_)
        candidates = np.flatnonzero((opcode == self._setsockopt) | (opcode == self._command))
        if not len(candidates):
            return nothing, nothing
        rows = batch[candidates]
        is_call = rows["opcode"] == self._setsockopt
        done = ((rows["kind"] == Kind.COMPLETION) | (rows["kind"] == Kind.SILENT)) & (rows["result"] >= 0)
        done &= rows["has_arguments"] & (is_call | (rows["off"] & _LOW == _SOCKET_URING_OP_SETSOCKOPT))
        # struct io_uring_sqe: level and optname share their place with addr.
        level = np.where(is_call, rows["arg1"], rows["addr"]) & _LOW
        option = np.where(is_call, rows["arg2"], rows["addr"] >> _HIGH) & _LOW
        ulp, tls = nothing.copy(), nothing.copy()
        ulp[candidates] = done & (level == _SOL_TCP) & (option == _TCP_ULP)
        tls[candidates] = done & (level == _SOL_TLS)
        return ulp, tls


def _outdated(layer: UpperLayer | None) -> UpperLayer | None:
    """What still holds of an answer after an option was set: a direction may have got its keys."""
    if layer is None:
        return None
    transmit, receive = (None if way == "none" else way for way in (layer.transmit, layer.receive))
    return replace(layer, transmit=transmit, receive=receive)

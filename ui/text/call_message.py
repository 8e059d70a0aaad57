"""struct msghdr and what it points to, as sendmsg(2) and recvmsg(2) have it."""

from __future__ import annotations

import struct
from collections.abc import Mapping

from uringtrace.tracer.records import CONTROL, IOVEC, NAME, Memory
from uringtrace.ui.text import call_structures as structures
from uringtrace.ui.text.call_constants import CONSTANTS
from uringtrace.ui.text.call_flags import FLAGS
from uringtrace.ui.text.call_names import text_of
from uringtrace.ui.text.call_values import PAYLOAD, REST, Value, Word, pointer
from uringtrace.ui.text.socket_addresses import socket_address

_HEADER = struct.Struct("<QI4xQQQQI4x")
_CONTROL_HEADER = struct.Struct("<QII")
_SOL_SOCKET, _RIGHTS, _CREDENTIALS = 1, 1, 2


def message(header: bytes, memory: Mapping[int, Memory], received: int | None) -> Value:
    """`received` is the number of bytes that came in; None: the message was sent."""
    if len(header) < _HEADER.size:
        return None
    name, name_length, vectors, count, control, control_length, flags = _HEADER.unpack_from(header)
    found: dict[str, Value] = {"msg_name": None, "msg_namelen": name_length}
    if name:
        address = memory.get(NAME)
        decoded = socket_address(address.data) if address else None
        found["msg_name"] = Word(pointer(name)) if decoded is None else decoded
    found["msg_iov"] = _vectors(vectors, count, memory.get(IOVEC), received)
    found["msg_iovlen"] = count
    if control_length:
        found["msg_control"] = _control(control, control_length, memory.get(CONTROL))
    found["msg_controllen"] = control_length
    return found | {"msg_flags": Word(text_of(FLAGS["message"], flags))}


def _vectors(address: int, count: int, memory: Memory | None, received: int | None) -> Value:
    if not address:
        return None
    if memory is None:
        return Word(pointer(address)) if count else []
    return structures.vectors(memory.data, count, received)


def _control(address: int, length: int, memory: Memory | None) -> Value:
    if memory is None:
        return Word(pointer(address)) if address else None
    data = memory.data[:length]
    found: list[Value] = []
    place = 0
    while place + _CONTROL_HEADER.size <= len(data):
        size, level, kind = _CONTROL_HEADER.unpack_from(data, place)
        if size < _CONTROL_HEADER.size:
            break
        found.append(_control_message(data[place + _CONTROL_HEADER.size : place + size], size, level, kind))
        place += size + 7 & ~7
    return found if place >= length else [*found, REST]


def _control_message(data: bytes, size: int, level: int, kind: int) -> Value:
    socket = level == _SOL_SOCKET
    head: dict[str, Value] = {
        "cmsg_len": size,
        "cmsg_level": Word(text_of(CONSTANTS["level"], level)),
        "cmsg_type": Word(text_of(CONSTANTS["control_type"], kind)) if socket else Word(f"{kind:#x}"),
    }
    if socket and kind == _RIGHTS:
        numbers = struct.iter_unpack("<i", data[: len(data) // 4 * 4])
        return head | {"cmsg_data": [number for (number,) in numbers]}
    if socket and kind == _CREDENTIALS and len(data) >= 12:
        process, user, group = struct.unpack_from("<III", data)
        return head | {"cmsg_data": {"pid": process, "uid": user, "gid": group}}
    # Records that the kernel makes of the data, as kTLS does, come this way too.
    return head | ({"cmsg_data": PAYLOAD} if size > _CONTROL_HEADER.size else {})

"""The values of socket options, of which at most four bytes are read.

What may be a key is never shown, not even those four bytes.
"""

from __future__ import annotations

import errno
import struct

from uringtrace.tracer.records import Memory
from uringtrace.ui.text.call_constants import CONSTANTS
from uringtrace.ui.text.call_names import text_of
from uringtrace.ui.text.call_structures import whole
from uringtrace.ui.text.call_values import REST, Value, Word, Written

_SOCKET, _TCP, _ALGORITHM, _TLS = 1, 6, 279, 282
_STRUCTURES = {
    # SO_LINGER, SO_PEERCRED, timeouts, names, filters, cookies, groups, …
    _SOCKET: frozenset({13, 17, 20, 21, 25, 26, 28, 31, 55, 57, 59, 61, 66, 67, 71}),
    # TCP_INFO, _CONGESTION, _MD5SIG, _REPAIR_OPTIONS, _CC_INFO, _SAVED_SYN, _REPAIR_WINDOW, _ULP,
    # _MD5SIG_EXT, _FASTOPEN_KEY, _ZEROCOPY_RECEIVE, _AO_*
    _TCP: frozenset({11, 13, 14, 22, 26, 28, 29, 31, 32, 33, 35, 38, 39, 40, 41, 42, 43}),
}
_SECRETS = {_TCP: frozenset({14, 32, 33, 38, 39})}
"""Options that carry keys: TCP_MD5SIG, TCP_MD5SIG_EXT, TCP_FASTOPEN_KEY, TCP_AO_ADD_KEY, …"""
_TRANSMIT, _RECEIVE = 1, 2
_INT = 4
_ERROR = 4
"""SO_ERROR: its value is the number of an error."""


def option_value(level: int, option: int, memory: Memory | None, length: int | None) -> Value:
    """`[1]`; None where it is no number, as far as can be told from its name and `length`."""
    level, option = level & 0xFFFFFFFF, option & 0xFFFFFFFF
    if memory is None or length is None or length < _INT or _is_secret(level, option):
        return None
    if level == _TLS and option in (_TRANSMIT, _RECEIVE):
        return _encryption(memory.data)
    if not _is_number(level, option) and length != _INT:
        return None
    value = whole(memory.data, signed=True)
    if value is None:
        return None
    if value and (level, option) == (_SOCKET, _ERROR):
        return [Word(errno.errorcode.get(value, str(value)))]
    return [value]


def option_length(level: int, option: int, memory: Memory | None, *, succeeded: bool) -> Value:
    """`[4]`, `[8 => 4]`: the kernel shortens it to the size of the option."""
    before = whole(memory.data, signed=True) if memory else None
    if before is None:
        return None
    if not succeeded or before <= _INT:
        return [before]
    if _is_number(level & 0xFFFFFFFF, option & 0xFFFFFFFF):
        return Written(f"[{before} => {_INT}]", [before, _INT])
    return Written(f"[{before} => ?]", [before, None])


def _is_secret(level: int, option: int) -> bool:
    return level == _ALGORITHM or option in _SECRETS.get(level, ())


def _is_number(level: int, option: int) -> bool:
    return level in (_SOCKET, _TCP) and option not in _STRUCTURES[level]


def _encryption(data: bytes) -> Value:
    """struct tls_crypto_info (include/uapi/linux/tls.h); the keys are behind it."""
    if len(data) < _INT:
        return None
    version, cipher = struct.unpack_from("<HH", data)
    return {
        "version": Word(text_of(CONSTANTS["tls_version"], version)),
        "cipher_type": Word(text_of(CONSTANTS["tls_cipher"], cipher)),
        "rest": REST,
    }

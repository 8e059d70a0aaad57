"""setsockopt as an io_uring command: SOCKET_URING_OP_SETSOCKOPT, Linux 6.7 and later."""

from __future__ import annotations

import ctypes
import mmap
import os
import socket
import struct

_SETUP, _ENTER = 425, 426
_ENTER_GETEVENTS = 1
_SQES_OFFSET = 0x10000000
_URING_CMD = 46
_SETSOCKOPT = 3
_SQE = struct.Struct("=BBHiQQIIQHHIQQ")  # struct io_uring_sqe; optlen is in file_index, optval in addr3
_PARAMS = struct.Struct("=7I12x10I10I")  # struct io_uring_params, each 64-bit user_addr as two words
_LIBC = ctypes.CDLL(None, use_errno=True)


class Ring:
    """A ring for one operation at a time."""

    def __init__(self) -> None:
        params = ctypes.create_string_buffer(_PARAMS.size)
        self._fd = _LIBC.syscall(_SETUP, 4, params)
        if self._fd < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        values = _PARAMS.unpack(params.raw)
        entries, cq_entries = values[0], values[1]
        _, self._sq_tail, _, _, _, _, array, *_ = values[7:17]
        self._cq_head, _, cq_mask, _, _, self._cqes, *_ = values[17:27]
        self._rings = mmap.mmap(self._fd, max(array + 4 * entries, self._cqes + 16 * cq_entries))
        self._sqes = mmap.mmap(self._fd, 64 * entries, offset=_SQES_OFFSET)
        self._sq_mask = entries - 1
        self._cq_mask = self._word(cq_mask)
        for entry in range(entries):
            struct.pack_into("=I", self._rings, array + 4 * entry, entry)

    def setsockopt(self, end: socket.socket, level: int, option: int, value: bytes) -> None:
        """Raises OSError as setsockopt(2) does; EOPNOTSUPP where the command is not known."""
        memory = ctypes.create_string_buffer(value, len(value))
        tail = self._word(self._sq_tail)
        entry = (_URING_CMD, 0, 0, end.fileno(), _SETSOCKOPT, option << 32 | level, 0, 0, 7, 0, 0)
        _SQE.pack_into(
            self._sqes, 64 * (tail & self._sq_mask), *entry, len(value), ctypes.addressof(memory), 0
        )
        struct.pack_into("=I", self._rings, self._sq_tail, tail + 1)
        if _LIBC.syscall(_ENTER, self._fd, 1, 1, _ENTER_GETEVENTS, None, 0) < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        head = self._word(self._cq_head)
        (result,) = struct.unpack_from("=i", self._rings, self._cqes + 16 * (head & self._cq_mask) + 8)
        struct.pack_into("=I", self._rings, self._cq_head, head + 1)
        if result < 0:
            raise OSError(-result, os.strerror(-result))

    def _word(self, offset: int) -> int:
        word: int = struct.unpack_from("=I", self._rings, offset)[0]
        return word

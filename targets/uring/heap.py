"""Python's memory, reserved at the start and never given back: later no call asks for any.

Two allocators stand behind an object. Small ones (up to 512 bytes) live in arenas of 1 MiB
that CPython maps and unmaps as they fill and empty (Objects/obmalloc.c); an arena with one
object in it stays. Larger ones come from malloc(3), which by itself maps what is large,
and trims its heap (mallopt(3)).
"""

from __future__ import annotations

import ctypes
import gc

_ARENA = 1 << 20
_OBJECT = 448  # a size class of pymalloc; a bytes object is 33 bytes longer than its contents
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4
_NEVER = (1 << 31) - 1

_pinned: list[bytes] = []


def reserve(small: int, large: int) -> None:
    """Reserve about `small` bytes for small objects and `large` bytes for the others.

    The garbage collector is switched off as well: it would run in the middle of an answer,
    and give arenas back. From here on reference cycles must be broken by hand.
    """
    _keep_heap(large)
    filling = [bytes(_OBJECT - 33) for _ in range(small // _OBJECT)]
    _pinned.extend(filling[:: _ARENA // _OBJECT // 2])
    del filling
    gc.collect()
    gc.freeze()
    gc.disable()


def _keep_heap(size: int) -> None:
    library = ctypes.CDLL(None)
    if not hasattr(library, "mallopt"):  # another libc than glibc
        return
    library.mallopt(_M_MMAP_MAX, 0)
    library.mallopt(_M_TRIM_THRESHOLD, _NEVER)
    library.mallopt(_M_TOP_PAD, size)
    library.malloc.restype = ctypes.c_void_p
    library.malloc.argtypes = [ctypes.c_size_t]
    library.free.argtypes = [ctypes.c_void_p]
    library.free(library.malloc(size))

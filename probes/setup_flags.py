"""Names of the IORING_SETUP_* bits.

They are preprocessor constants (include/uapi/linux/io_uring.h), which BTF does not
carry, so they stand here; a bit without a name is shown as a number.
"""

from __future__ import annotations

from collections.abc import Mapping

_NAMES = (
    "IOPOLL",
    "SQPOLL",
    "SQ_AFF",
    "CQSIZE",
    "CLAMP",
    "ATTACH_WQ",
    "R_DISABLED",
    "SUBMIT_ALL",
    "COOP_TASKRUN",
    "TASKRUN_FLAG",
    "SQE128",
    "CQE32",
    "SINGLE_ISSUER",
    "DEFER_TASKRUN",
    "NO_MMAP",
    "REGISTERED_FD_ONLY",
    "NO_SQARRAY",
    "HYBRID_IOPOLL",
    "CQE_MIXED",
    "SQE_MIXED",
    "SQ_REWIND",
)

SETUP_FLAG_NAMES: Mapping[int, str] = {1 << bit: name for bit, name in enumerate(_NAMES)}
SQPOLL = 1 << 1
SQ_REWIND = 1 << 20

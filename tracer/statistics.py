"""Counts and latency histograms per operation, in the shape the kernel keeps them.

The same arrays come from counting mode (kernel maps) and from batches
(`accumulate`), so `stat` prints one thing whatever it reads. The histogram is
log-linear: 16 buckets per power of two, values below 16 exact, so a quantile's
bucket is at most 1/16 of its value wide and the reported middle is within 1/32.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SUBBUCKET_BITS = 4
SUBBUCKETS = 1 << SUBBUCKET_BITS
BUCKETS = (44 - SUBBUCKET_BITS + 1) * SUBBUCKETS
"""Covers up to 2**44 ns (4.9 hours); longer latencies fall into the last bucket."""
RESOLUTION = 1 / (2 * SUBBUCKETS)
"""Largest relative error of a reported quantile."""

COUNTERS = np.dtype(
    [
        ("submitted", "<u8"),
        ("completions", "<u8"),  # CQEs; equals `ended` unless multishot or zero-copy
        ("ended", "<u8"),  # operations whose last CQE was seen
        ("errors", "<u8"),  # CQEs with a negative result
        ("bytes", "<u8"),  # sum of positive results of operations that move bytes
        ("notifications", "<u8"),  # zero-copy notification CQEs
        ("silent", "<u8"),  # ended or still open without a CQE (CQE_SKIP_SUCCESS)
        ("timed", "<u8"),  # operations in the histogram: single-CQE ones, and the first CQE of zero-copy
        ("sum_ns", "<u8"),
        ("max_ns", "<u8"),
        ("inline", "<u8"),  # path of each operation, at its (first) CQE
        ("poll", "<u8"),
        ("io_wq", "<u8"),
        ("reserved", "<u8", (3,)),
        ("histogram", "<u8", (BUCKETS,)),
    ]
)
"""One row per opcode, shape (opcodes,). The C side declares the same layout."""

Counters = NDArray[np.void]

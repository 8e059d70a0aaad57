"""Live capture: attaches the probes to a target and reads what they count or stream.

Two modes behind the seams of `uringtrace.tracer.source`: counting keeps totals in the
kernel, streaming yields every completion. Both are context managers; leaving one
detaches everything. The target is never stopped, signalled or written to.
"""

from __future__ import annotations

from uringtrace.probes.program import Interface, Mode
from uringtrace.tracer.capture.counting import CountingCapture
from uringtrace.tracer.capture.shared import RING_BYTES
from uringtrace.tracer.capture.streaming import StreamingCapture
from uringtrace.tracer.target import Target

__all__ = ["CountingCapture", "StreamingCapture", "start_counting", "start_floor", "start_streaming"]


def start_counting(target: Target, interface: str = "all") -> CountingCapture:
    """Counting mode for `target`; nothing is attached before the context is entered.

    `interface` is the value of an `Interface`: all, io_uring or syscall.
    """
    return CountingCapture(target, Interface(interface))


def start_streaming(
    target: Target, interface: str = "all", *, arguments: bool = True, ring_bytes: int = RING_BYTES
) -> StreamingCapture:
    """Streaming mode; without `arguments` of io_uring's operations no more than what completed."""
    return StreamingCapture(target, Interface(interface), arguments=arguments, ring_bytes=ring_bytes)


def start_floor(target: Target, interface: str = "io_uring") -> CountingCapture:
    """The probes doing nothing but counting events: what attaching alone costs."""
    return CountingCapture(target, Interface(interface), Mode.FLOOR)

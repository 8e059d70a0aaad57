"""What the user has chosen to see: pure, and apart from every widget."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from uringtrace.tracer.filter import Condition

LANES = ("threads", "rings", "connections")
SHORTEST_SPAN_NS = 1_000
LONGEST_SPAN_NS = 3_600_000_000_000
DEFAULT_SPAN_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Sort:
    """The order of a table."""

    column: str
    descending: bool = True


@dataclass(frozen=True, slots=True)
class Timeline:
    """The stretch of time on the timeline."""

    lanes: str = LANES[0]
    span_ns: int = DEFAULT_SPAN_NS
    end_ns: int | None = None
    """Its right edge; None follows the newest."""
    cursor: float = 1.0
    """Place of the cursor, 0 at the left edge to 1 at the right."""
    lane: int = 0
    """Index of the lane that the cursor is in."""

    def zoomed(self, factor: float, now_ns: int) -> Timeline:
        """Show `factor` times as much time; what is under the cursor stays there.

        Only with the cursor at the right edge does a timeline that follows go on to do so.
        """
        span = min(max(round(self.span_ns * factor), SHORTEST_SPAN_NS), LONGEST_SPAN_NS)
        if self.end_ns is None and self.cursor >= 1:
            return replace(self, span_ns=span)
        _, end = self.edges(now_ns)
        fixed = end - (1 - self.cursor) * self.span_ns
        return replace(self, span_ns=span, end_ns=min(round(fixed + (1 - self.cursor) * span), now_ns))

    def panned(self, share: float, now_ns: int) -> Timeline:
        """Move by this share of the shown time; to the newest and beyond follows it again."""
        end = (self.end_ns if self.end_ns is not None else now_ns) + round(share * self.span_ns)
        return replace(self, end_ns=None if end >= now_ns else end)

    def around(self, start_ns: int, end_ns: int, now_ns: int) -> Timeline:
        """Show this stretch with a little before and after it, the cursor at its beginning."""
        margin = max((end_ns - start_ns) // 10, SHORTEST_SPAN_NS)
        end = min(end_ns + margin, now_ns)
        span = min(max(end - start_ns + margin, SHORTEST_SPAN_NS), LONGEST_SPAN_NS)
        return replace(self, span_ns=span, end_ns=end, cursor=1 - (end - start_ns) / span)

    def edges(self, now_ns: int) -> tuple[int, int]:
        """The shown stretch, CLOCK_MONOTONIC."""
        end = self.end_ns if self.end_ns is not None else now_ns
        return end - self.span_ns, end


@dataclass(frozen=True, slots=True)
class ViewState:
    """Choices that outlive a picture."""

    paused: bool = False
    """The screen is held still; the capture goes on."""
    filter_text: str = ""
    condition: Condition | None = None
    """Parsed from `filter_text`; None shows everything."""
    sorts: Mapping[str, Sort] = field(default_factory=lambda: MappingProxyType({}))
    """Pane → the order of its table; absent: the pane's own."""
    timeline: Timeline = Timeline()
    follow: bool = True
    """The log stays at its newest line."""

    def sorted_by(self, pane: str, sort: Sort) -> ViewState:
        return replace(self, sorts=MappingProxyType({**self.sorts, pane: sort}))

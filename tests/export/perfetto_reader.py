"""A trace read back: what Perfetto's trace processor makes of its packets, by the same rules.

Packets are sorted by their timestamps, those of one moment stay in the order of the file; each
track has a stack of slices; interned names are looked up in what came before in the file.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from perfetto.protos.perfetto.trace.perfetto_trace_pb2 import (
    BUILTIN_CLOCK_MONOTONIC,
    Trace,
    TracePacket,
    TrackEvent,
)

_INTERNED = ("event_names", "event_categories", "debug_annotation_names", "debug_annotation_string_values")


@dataclass
class Event:
    """A slice, or an instant with `ended_ns` None."""

    name: str
    category: str
    track: int
    began_ns: int
    arguments: dict[str, object]
    flows: tuple[int, ...]
    last_of: tuple[int, ...]
    order: int
    """Place in the file."""
    depth: int = 0
    instant: bool = False
    ended_ns: int | None = None

    @property
    def took_ns(self):
        return None if self.ended_ns is None else self.ended_ns - self.began_ns


@dataclass
class ReadTrace:
    packets: list[TracePacket]
    events: list[Event] = field(default_factory=list)
    tracks: dict[int, object] = field(default_factory=dict)

    def of(self, *categories):
        return [event for event in self.events if event.category in categories]

    def title(self, track):
        """The name that the UI shows."""
        described = self.tracks[track]
        if described.HasField("thread"):
            return described.thread.thread_name
        return described.process.process_name if described.HasField("process") else described.name

    def path(self, track):
        """Titles from the outermost track to this one."""
        described = self.tracks[track]
        above = self.path(described.parent_uuid) if described.parent_uuid else ()
        return (*above, self.title(track))

    @property
    def attributes(self):
        found = {}
        for packet in self.packets:
            for each in packet.trace_attributes.attribute:
                found[each.key] = each.long_value if each.HasField("long_value") else each.string_value
        return found


def read_trace(path: Path) -> ReadTrace:
    """Everything in the file; fails where a reader would have to drop something."""
    trace = Trace()
    trace.ParseFromString(path.read_bytes())
    packets = list(trace.packet)
    assert packets[0].HasField("clock_snapshot"), "clocks come before anything that has a time"
    assert packets[0].clock_snapshot.primary_trace_clock == BUILTIN_CLOCK_MONOTONIC
    found = ReadTrace(packets)
    interned = {kind: {} for kind in _INTERNED}
    started = False
    waiting = []
    for order, packet in enumerate(packets):
        assert packet.trusted_packet_sequence_id == 1
        if packet.sequence_flags & TracePacket.SEQ_INCREMENTAL_STATE_CLEARED:
            assert not started
            started = True
        for kind in _INTERNED:
            for entry in getattr(packet.interned_data, kind):
                assert started
                assert entry.iid not in interned[kind]
                interned[kind][entry.iid] = getattr(entry, "name", None) or entry.str.decode()
        if packet.HasField("track_descriptor"):
            described = packet.track_descriptor
            assert described.uuid
            assert described.uuid not in found.tracks
            assert not described.parent_uuid or described.parent_uuid in found.tracks
            found.tracks[described.uuid] = described
        if packet.HasField("track_event"):
            assert packet.sequence_flags & TracePacket.SEQ_NEEDS_INCREMENTAL_STATE
            assert packet.timestamp_clock_id == BUILTIN_CLOCK_MONOTONIC
            assert packet.track_event.track_uuid in found.tracks
            waiting.append((packet.timestamp, order, _event(packet, order, interned)))
    waiting.sort(key=lambda each: each[0])  # stable, as the trace processor's
    _place(found, waiting)
    return found


def _event(packet, order, interned):
    """None for the end of a slice."""
    event = packet.track_event
    if event.type == TrackEvent.TYPE_SLICE_END:
        return event.track_uuid
    assert event.type in (TrackEvent.TYPE_SLICE_BEGIN, TrackEvent.TYPE_INSTANT)
    arguments = {}
    for each in event.debug_annotations:
        name = interned["debug_annotation_names"][each.name_iid]
        assert name not in arguments
        kind = each.WhichOneof("value")
        value = getattr(each, kind)
        arguments[name] = (
            interned["debug_annotation_string_values"][value] if kind.endswith("_iid") else value
        )
    (category,) = event.category_iids
    return Event(
        name=interned["event_names"][event.name_iid],
        category=interned["event_categories"][category],
        track=event.track_uuid,
        began_ns=packet.timestamp,
        arguments=arguments,
        flows=tuple(event.flow_ids),
        last_of=tuple(event.terminating_flow_ids),
        order=order,
        instant=event.type == TrackEvent.TYPE_INSTANT,
    )


def _place(found, waiting):
    stacks = defaultdict(list)
    for ns, order, event in waiting:
        if not isinstance(event, Event):
            assert stacks[event], "an end without a beginning"
            ended = stacks[event].pop()
            # Each slice is written at once: what ends here must be what was begun for it.
            assert ended.order < order
            ended.ended_ns = ns
            continue
        event.depth = len(stacks[event.track])
        found.events.append(event)
        if not event.instant:
            stacks[event.track].append(event)
    assert not any(stacks.values()), "slices without an end"


def properly_nested(found: ReadTrace) -> bool:
    """Whether the slices of each track, as pairs of the file, lie in each other or apart."""
    pairs = defaultdict(list)
    open_slices = {}
    for packet in found.packets:
        event = packet.track_event
        if event.type == TrackEvent.TYPE_SLICE_BEGIN:
            open_slices.setdefault(event.track_uuid, []).append(packet.timestamp)
        elif event.type == TrackEvent.TYPE_SLICE_END:
            pairs[event.track_uuid].append((open_slices[event.track_uuid].pop(), packet.timestamp))
    for slices in pairs.values():
        ends = []
        for began, ended in sorted(slices, key=lambda each: (each[0], -each[1])):
            while ends and ends[-1] <= began:
                ends.pop()
            if ends and ended > ends[-1]:
                return False
            ends.append(ended)
    return True

"""Packets of a Perfetto trace, through the message classes of the package `perfetto`.

Everything is one sequence with interned names. The messages of events are made once for each
form of event and then only their values change: three times as fast as a message for each, and
what is held in memory is one chunk of bytes. Timestamps are CLOCK_MONOTONIC, said in each packet;
packets are in the order of the recording, which readers sort by time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import IO, Any, cast

from perfetto.protos.perfetto.trace.perfetto_trace_pb2 import (
    BUILTIN_CLOCK_MONOTONIC,
    BUILTIN_CLOCK_REALTIME,
    Trace,
    TracePacket,
    TrackDescriptor,
    TrackEvent,
)
from perfetto.trace_builder.proto_builder import StreamingTraceProtoBuilder

BEGIN = TrackEvent.TYPE_SLICE_BEGIN
END = TrackEvent.TYPE_SLICE_END
INSTANT = TrackEvent.TYPE_INSTANT
NO_FLOW, FLOW, LAST_OF_FLOW = 0, 1, 2
"""Whether an event has an arrow to a later one, or is where the arrows end."""

INTEGER, UNSIGNED, TEXT, INTERNED = "int_value", "uint_value", "string_value", "string_value_iid"
"""Fields of a debug annotation."""

_NAMES, _CATEGORIES = "event_names", "event_categories"
_KEYS, _TEXTS = "debug_annotation_names", "debug_annotation_string_values"
"""Tables of interned names."""

_SEQUENCE = 1
_CHUNK_PACKETS = 4096

Annotations = tuple[tuple[str, str], ...]
"""Name and field of each annotation of an event."""


class _Form:
    """One form of event, with the message that is filled in for each of them."""

    __slots__ = ("_annotations", "_event", "_fields", "_flow", "_packet", "_trace")

    def __init__(self, type: int, category: int, annotations: Sequence[tuple[int, str]], flow: int) -> None:
        self._trace = Trace()
        self._packet = self._trace.packet.add(
            timestamp_clock_id=BUILTIN_CLOCK_MONOTONIC,
            trusted_packet_sequence_id=_SEQUENCE,
            sequence_flags=TracePacket.SEQ_NEEDS_INCREMENTAL_STATE,
        )
        self._event = self._packet.track_event
        self._event.type = type
        if category:
            self._event.category_iids.append(category)
        self._fields = [field for _, field in annotations]
        self._annotations = [self._event.debug_annotations.add(name_iid=name) for name, _ in annotations]
        self._flow = None
        if flow:
            self._flow = self._event.flow_ids if flow == FLOW else self._event.terminating_flow_ids
            self._flow.append(0)

    def filled(self, ns: int, track: int, name: int, values: Sequence[int | str], flow: int) -> bytes:
        """The packet as part of a trace; `values` are those of the annotations."""
        self._packet.timestamp = ns
        event = self._event
        event.track_uuid = track
        if name:
            event.name_iid = name
        for annotation, field, value in zip(self._annotations, self._fields, values, strict=True):
            setattr(annotation, field, value)
        if self._flow is not None:
            self._flow[0] = flow
        return cast(bytes, self._trace.SerializeToString())


class Packets:
    """Writes to a binary file; `close` writes the rest."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._builder = StreamingTraceProtoBuilder(self)
        self._chunk: list[bytes] = []
        self._interned: dict[str, dict[str, int]] = {
            kind: {} for kind in (_NAMES, _CATEGORIES, _KEYS, _TEXTS)
        }
        self._names = self._interned[_NAMES]
        self._texts = self._interned[_TEXTS]
        self._forms: dict[tuple[int, str, Annotations, int], _Form] = {}
        self._end = _Form(END, 0, (), NO_FLOW)

    def write(self, data: bytes) -> None:
        """What the builder calls with each packet."""
        self._chunk.append(data)
        if len(self._chunk) >= _CHUNK_PACKETS:
            self.flush()

    def flush(self) -> None:
        self._file.write(b"".join(self._chunk))
        self._chunk.clear()

    def start(self, monotonic_ns: int, unix_ns: int) -> None:
        """The clocks at one moment, before anything that has a time; then the sequence begins."""
        packet = self._packet()
        packet.clock_snapshot.primary_trace_clock = BUILTIN_CLOCK_MONOTONIC
        packet.clock_snapshot.clocks.add(clock_id=BUILTIN_CLOCK_MONOTONIC, timestamp=monotonic_ns)
        packet.clock_snapshot.clocks.add(clock_id=BUILTIN_CLOCK_REALTIME, timestamp=unix_ns)
        self._builder.write_packet(packet)
        packet = self._packet()
        packet.first_packet_on_sequence = True
        packet.sequence_flags = TracePacket.SEQ_INCREMENTAL_STATE_CLEARED
        self._builder.write_packet(packet)

    def attributes(self, values: dict[str, str | int], kernel: str, machine: str) -> None:
        """What is true of the whole trace: Perfetto's table `metadata`."""
        packet = self._packet()
        for key, value in values.items():
            field = "long_value" if isinstance(value, int) else "string_value"
            packet.trace_attributes.attribute.add(**{"key": key, field: value})
        self._builder.write_packet(packet)
        packet = self._packet()
        packet.system_info.utsname.sysname = "Linux"
        packet.system_info.utsname.release = kernel
        packet.system_info.utsname.machine = machine
        self._builder.write_packet(packet)

    def process(self, uuid: int, pid: int, name: str | None) -> None:
        packet = self._packet()
        packet.track_descriptor.uuid = uuid
        packet.track_descriptor.process.pid = pid
        if name is not None:
            packet.track_descriptor.process.process_name = name
        self._builder.write_packet(packet)

    def thread(self, uuid: int, parent: int, pid: int, tid: int, name: str | None) -> None:
        packet = self._packet()
        track = packet.track_descriptor
        track.uuid, track.parent_uuid = uuid, parent
        track.thread.pid, track.thread.tid = pid, tid
        if name is not None:
            track.thread.thread_name = name
        self._builder.write_packet(packet)

    def track(self, uuid: int, parent: int, name: str, merged: str = "") -> None:
        """A track of its own, or part of the one that all with the same `merged` are shown as."""
        packet = self._packet()
        track = packet.track_descriptor
        track.uuid, track.name = uuid, name
        if parent:
            track.parent_uuid = parent
        if merged:
            track.sibling_merge_behavior = TrackDescriptor.SIBLING_MERGE_BEHAVIOR_BY_SIBLING_MERGE_KEY
            track.sibling_merge_key = merged
        self._builder.write_packet(packet)

    def event(
        self,
        type: int,
        ns: int,
        track: int,
        name: str,
        category: str,
        annotations: Annotations = (),
        values: Sequence[int | str] = (),
        arrow: int = NO_FLOW,
        flow: int = 0,
    ) -> None:
        """BEGIN or INSTANT; values of INTERNED annotations are from `interned`."""
        form = self._forms.get((type, category, annotations, arrow))
        if form is None:
            named = [(self._number(_KEYS, key), field) for key, field in annotations]
            form = _Form(type, self._number(_CATEGORIES, category), named, arrow)
            self._forms[type, category, annotations, arrow] = form
        number = self._names.get(name) or self._number(_NAMES, name)
        self.write(form.filled(ns, track, number, values, flow))

    def end(self, ns: int, track: int) -> None:
        """The end of the slice that began last on the track."""
        self.write(self._end.filled(ns, track, 0, (), 0))

    def interned(self, text: str) -> int:
        """The number of a text that comes again and again; kept, so not for what never repeats."""
        return self._texts.get(text) or self._number(_TEXTS, text)

    def _number(self, kind: str, text: str) -> int:
        """From 1; a new one is written before what uses it."""
        known = self._interned[kind]
        number = known.get(text)
        if number is None:
            number = known[text] = len(known) + 1
            packet = self._packet()
            packet.sequence_flags = TracePacket.SEQ_NEEDS_INCREMENTAL_STATE
            entry = getattr(packet.interned_data, kind).add(iid=number)
            if kind == _TEXTS:
                entry.str = text.encode()
            else:
                entry.name = text
            self._builder.write_packet(packet)
        return number

    def _packet(self) -> Any:
        packet = self._builder.create_packet()
        packet.trusted_packet_sequence_id = _SEQUENCE
        return packet

"""What the timeline draws as in flight on a real server is what the server waits for, no more and no less."""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack

import numpy as np
import pytest

from tests.servers.running import Running, running
from uringtrace.targets.catalogue import ARCHITECTURES
from uringtrace.targets.support import support
from uringtrace.tracer.capture import start_streaming
from uringtrace.tracer.live.capture_feed import CaptureFeed
from uringtrace.tracer.live.picture import Picture
from uringtrace.tracer.target import Target
from uringtrace.ui.terminal.open_spans import going_on, with_open
from uringtrace.ui.terminal.spans import NO_PART, SpanMemory, Spans

pytestmark = [pytest.mark.bpf, pytest.mark.timeout(120)]

CONNECTIONS = 5
SETTLED_NS = 50_000_000
"""After its last answer the server has asked for the next request."""


@pytest.fixture
def server() -> Iterator[Running]:
    lacks = support(ARCHITECTURES["uring-sqpoll"]).lacks
    if lacks:
        pytest.skip(lacks)
    with running("uring-sqpoll") as server:
        yield server


def in_flight(picture: Picture, lanes: str) -> Spans:
    spans = with_open(SpanMemory().of(picture.recent, lanes, None), going_on(picture, None), picture, lanes)
    return spans.take(np.flatnonzero(spans.part == NO_PART))


def test_one_receive_for_each_silent_connection_and_one_accept(server: Running) -> None:
    """Connections are made and asked once while the capture runs, then nobody says anything."""
    with ExitStack() as stack:
        capture = stack.enter_context(start_streaming(Target(pids=(server.pid,))))
        feed = CaptureFeed(capture)
        clients: list[socket.socket] = []
        pictures: list[Picture] = []

        def post(picture: Picture) -> None:
            """Ask over new connections; end when the picture knows of all the answers."""
            pictures.append(picture)
            if not clients:
                for _ in range(CONNECTIONS):
                    client = stack.enter_context(socket.create_connection(server.address, timeout=20))
                    client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                    assert client.recv(65_536).startswith(b"HTTP/1.1 200")
                    clients.append(client)
            elif sum(each.requests for each in picture.connections) == CONNECTIONS:
                # What is in flight may be of a moment before that of the picture.
                last_ns = max(each.last_activity_ns or 0 for each in picture.connections)
                if picture.under_way is not None and picture.under_way.at_ns > last_ns + SETTLED_NS:
                    feed.stop()

        feed.run(post)
        shown = pictures[-1]
        names = shown.context.operation_names
        connections = {each.inode: each.remote for each in shown.connections if each.is_open}
        assert sorted(connections.values()) == sorted(
            "{}:{}".format(*client.getsockname()) for client in clients
        )
        received = in_flight(shown, "connections")
        assert {names[opcode] for opcode in received.opcode.tolist()} == {"RECV"}
        assert Counter(received.keys[received.lane].tolist()) == dict.fromkeys(connections, 1)
        rings = in_flight(shown, "rings")
        drawn = Counter(names[opcode] for opcode in rings.opcode.tolist())
        assert drawn == {"RECV": CONNECTIONS, "ACCEPT": 1}
        # The probes count for themselves what was submitted since the capture began, and nothing has
        # moved; the accept was there before, and each connection ended a stretch of it.
        since = going_on(shown, None).records.operations
        assert {ring.ring: ring.in_flight for ring in capture.rings} == Counter(
            since["ring"][(since["ring"] != 0) & (since["submitted_ns"] != 0)].tolist()
        )
        [accept] = [code for code in rings.opcode.tolist() if names[code] == "ACCEPT"]
        [began] = rings.began[rings.opcode == accept].tolist()
        accepted = [each.began_ns for each in shown.connections if each.began_ns is not None]
        assert began == max(accepted)

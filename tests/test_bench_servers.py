"""The table of servers: medians of interleaved rounds, and who cannot run says why."""

from __future__ import annotations

from bench.launch import Failed
from bench.servers import Cost, rows_of
from bench.table import servers_lines
from uringtrace.targets.catalogue import Architecture

SERVERS = (Architecture("fast", "…"), Architecture("slow", "…"), Architecture("broken", "…"))


def test_rates_and_costs() -> None:
    """Rounds run there and back; one failure leaves a server out."""
    order = []
    rates = {"fast": [9000.0, 1000.0, 8000.0], "slow": [10.0, 30.0, 20.0]}

    def rate(server: Architecture) -> float:
        order.append(server.name)
        if server.name == "broken":
            raise Failed("3 requests failed")
        return rates[server.name].pop(0)

    rows = rows_of(SERVERS, 3, rate, lambda server: Cost(2.5, 0.001))
    assert order == ["fast", "slow", "broken", "slow", "fast", "fast", "slow"]
    assert [row.per_second for row in rows] == [8000, 20, None]
    lines = list(servers_lines(rows, 3))
    assert lines[2].split() == ["fast", "8,000", "2.50", "<0.01"]
    assert lines[4].split(maxsplit=2) == ["broken", "–", "3 requests failed"]
    assert max(map(len, lines)) <= 80


def test_a_server_that_cannot_be_counted_is_left_out() -> None:
    def cost(server: Architecture) -> Cost:
        raise Failed("not permitted")

    (row,) = rows_of(SERVERS[:1], 1, lambda server: 5.0, cost)
    assert (row.per_second, row.cost, row.skipped) == (None, None, "not permitted")


def test_what_this_machine_lacks_is_not_tried() -> None:
    tried = []
    absent = Architecture("absent", "…", packages=("no_such_package",))

    def rate(server: Architecture) -> float:
        tried.append(server)
        return 1.0

    (row,) = rows_of([absent], 1, rate, lambda server: Cost(1.0, 0.0))
    assert (row.skipped, tried) == ("needs no_such_package", [])

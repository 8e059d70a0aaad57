"""docs/json.md against what is printed: the same fields, of the types it says."""

import json
import re
from pathlib import Path
from typing import Any

from tests.fakes import OPERATION_NAMES, RING, FakeSource, context, multishot_rows, row, rows
from uringtrace.tracer.record import CQE_F_BUFFER, CQE_F_MORE, CQE_F_NOTIF, SQE_FIXED_FILE, Kind
from uringtrace.tracer.record import Path as Via
from uringtrace.tracer.replayed_counting import ReplayedCounting
from uringtrace.tracer.source import File, Losses
from uringtrace.tracer.summary import Summary, summary_of
from uringtrace.ui.text.operation_json import OperationJson, end_json, start_json
from uringtrace.ui.text.summary_json import summary_json

MANUAL = (Path(__file__).parents[2] / "docs" / "json.md").read_text()
FILES = {1: File(1, 'quote " and \\ and \n', 0, 0)}

BATCH = rows(
    row("READ", result=4096, fd=3, file=1, chain=99, chain_position=1),
    row("READ", result=-11, path=Via.IO_WQ, sqe_flags=SQE_FIXED_FILE),
    multishot_rows("RECV", [1, -105]),
    row("RECV", cqe_flags=CQE_F_BUFFER | 3 << 16),
    row("SEND_ZC", result=5, cqe_flags=CQE_F_MORE),
    row("SEND_ZC", cqe_flags=CQE_F_NOTIF),
    row("", kind=Kind.UNTRACKED, submitted_ns=0, tgid=0, tid=0),
    row("", kind=Kind.MESSAGE, submitted_ns=0, tgid=0, tid=0),
    row("NOP", kind=Kind.SILENT, has_arguments=False),
    row("TIMEOUT", kind=Kind.UNFINISHED),
)


def tables() -> dict[str, dict[str, str]]:
    """Heading of each section to its fields and their types."""
    found: dict[str, dict[str, str]] = {}
    for section in MANUAL.split("\n### ")[1:]:
        heading = section.partition("\n")[0]
        found[heading] = dict(re.findall(r"^\| `(\w+)` \| ([^|]+) \|", section, re.M))
    return found


TABLES = tables()
PLAIN = {"integer": int, "number": (int, float), "string": str, "boolean": bool, "null": type(None)}


def check(value: Any, kind: str, where: str) -> None:
    """Fail unless `value` is what the manual's words for its type say."""
    alternatives = kind.strip().split(" or ")
    assert any(fits(value, each, where) for each in alternatives), f"{where}: {value!r} is not {kind}"


def fits(value: Any, kind: str, where: str) -> bool:
    if kind in PLAIN:
        return isinstance(value, PLAIN[kind]) and (kind == "boolean" or not isinstance(value, bool))
    if kind.startswith("array of "):
        inner = kind.removeprefix("array of ")
        inner = inner if inner in TABLES else inner.removesuffix("s")
        return isinstance(value, list) and all(fits(each, inner, where) for each in value)
    if kind == "object of integers":
        return isinstance(value, dict) and all(fits(each, "integer", where) for each in value.values())
    if not isinstance(value, dict):
        return False
    check_object(value, kind)
    return True


def check_object(value: dict[str, Any], heading: str, without: frozenset[str] = frozenset()) -> None:
    assert set(value) == set(TABLES[heading]) - without
    for name, each in value.items():
        check(each, TABLES[heading][name], f"{heading}.{name}")


def summary() -> Summary:
    source = ReplayedCounting(FakeSource([BATCH], rings=(RING,), losses=Losses({"operations": 2}, 1)))
    while not source.wait(3600):
        pass
    return summary_of(source)


def test_a_summary_is_as_documented() -> None:
    printed = json.loads(summary_json(summary()))
    assert (printed["schema"], printed["type"]) == (1, "summary")
    check_object(printed, "summary")
    read = next(each for each in printed["operations"] if each["name"] == "READ")
    assert (read["count"], read["errors"], read["bytes"]) == (2, 1, 4096)
    assert read["path_shares"]["io_wq"] == 0.5
    assert printed["rings"][0]["setup_flags"] == ["SQPOLL", "SINGLE_ISSUER"]
    assert (printed["lost"], printed["lost_total"], printed["untracked"]) == ({"operations": 2}, 2, 1)


def test_an_interval_is_as_documented() -> None:
    printed = json.loads(summary_json(summary(), interval=True))
    assert printed["type"] == "interval"
    absent = frozenset({"in_flight", "messages", "overflows", "dropped"})
    check_object(printed.pop("totals"), "totals", absent)
    check_object(printed, "summary", frozenset({"rings", "totals"}))


def test_operations_are_as_documented() -> None:
    printed = [json.loads(line) for line in OperationJson(OPERATION_NAMES).lines(BATCH, FILES)]
    for each in printed:
        check_object(each, "operation")
    read, failed, first, last, buffered, sent, freed, untracked, message, silent, unfinished = printed
    assert read["arguments"]["len"] == 0
    assert (read["file"], read["chain"], read["chain_position"]) == (FILES[1].description, 99, 1)
    assert (failed["result"], failed["error"], failed["path"]) == (-11, "EAGAIN", ["io-wq"])
    assert failed["direct"]
    assert (first["sequence"], first["more"]) == (1, True)
    assert (last["sequence"], last["more"]) == (2, False)
    assert buffered["buffer"] == 3
    assert (sent["sequence"], sent["notification"]) == (None, False)
    assert (freed["notification"], freed["result"]) == (True, None)
    assert (untracked["operation"], untracked["latency_ns"], untracked["pid"]) == (None, None, None)
    assert message["kind"] == "message"
    assert (silent["result"], silent["latency_ns"], silent["arguments"]) == (None, None, None)
    assert (unfinished["result"], unfinished["latency_ns"], unfinished["fd"]) == (None, 12_000, None)


def test_the_frame_of_a_stream_is_as_documented() -> None:
    check_object(json.loads(start_json(context(command=("./server", "-v")))), "start")
    check_object(json.loads(end_json(Losses({"operations": 1}, 2), 5)), "end")

"""wrk does what it can do, its report is read whole, and nothing it does not tell is made up."""

import dataclasses
import json
import os
import shutil
import stat

import pytest

from uringtrace.errors import Error, UsageError
from uringtrace.targets.load import wrk
from uringtrace.targets.load.address import endpoint
from uringtrace.targets.load.plan import Plan

SECOND_NS = 10**9

REAL = """\
Running 1s test @ http://127.0.0.1:41079/last
  1 threads and 2 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency   156.76us   65.11us 775.00us   73.47%
    Req/Sec     2.01k   706.01     2.63k    80.00%
  999 requests in 1.01s, 55.61KB read
  Socket errors: connect 0, read 2002, write 517, timeout 0
  Non-2xx or 3xx responses: 999
Requests/sec:    986.67
Transfer/sec:     54.92KB
uringtrace-result {"duration_us":1012495,"requests":999,"bytes":56943,\
"connect":0,"read":2002,"write":517,"status":999,"timeout":0,\
"min_us":55,"mean_us":156.763,"p50_us":148,"p90_us":221,"p99_us":397,"p999_us":775,"max_us":775}
"""
"""What wrk 4.1.0 printed about a server that answers every third request, with 500, and closes the rest."""


def plan(url="127.0.0.1:1", **settings):
    return Plan(endpoint(url), **{"duration_ns": SECOND_NS, **settings})


def test_a_real_report():
    result = wrk.outcome(plan(), wrk.parse(REAL), 1, interrupted=False)
    assert (result.engine, result.loop, result.ended_by) == ("wrk", "closed", "time")
    assert (result.elapsed_ns, result.requests.answered, result.bytes.into) == (1_012_495_000, 999, 56_943)
    assert result.rate == 0
    assert result.errors == {
        "connect": 0,
        "reset": None,
        "timeout": 0,
        "status": 999,
        "length": None,
        "malformed": None,
    }
    assert (result.wrk.read_errors, result.wrk.write_errors) == (2002, 517)
    latency = result.latency
    assert (latency.min_ns, latency.mean_ns, latency.max_ns) == (55_000, 156_763, 775_000)
    assert (latency.p50_ns, latency.p90_ns, latency.p99_ns, latency.p999_ns) == (
        148_000,
        221_000,
        397_000,
        775_000,
    )
    untold = (result.requests.sent, result.requests.right, result.connections.opened, result.bytes.out)
    assert untold == (None,) * 4


@pytest.mark.parametrize(
    "output",
    [
        "",
        REAL.rpartition("uringtrace-result")[0],
        REAL[:-20],
        REAL.replace('"bytes"', '"octets"'),
        REAL + REAL,
    ],
)
def test_an_incomplete_report_is_refused(output):
    with pytest.raises(Error, match="wrk's report is not as expected"):
        wrk.parse(output)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, ""),
        ({"connections": 100}, ""),
        ({"rate": 10.0}, "at a rate"),
        ({"requests": 10, "duration_ns": None}, "a number of requests"),
        ({"duration_ns": SECOND_NS // 2}, "whole seconds"),
        ({"pipeline": 2}, "pipeline"),
        ({"slow_clients": 1}, "slow clients"),
        ({"new_connections": True}, "a connection for each request"),
        ({"length": 5}, "length"),
        ({"status": 404}, "status"),
        ({"timeout_ns": SECOND_NS // 2}, "whole seconds"),
    ],
)
def test_what_wrk_can_do(settings, words):
    assert words in wrk.obstacle(plan(**settings))
    assert bool(words) == bool(wrk.obstacle(plan(**settings)))


@pytest.mark.parametrize(
    ("connections", "processors", "expected"), [(1, 8, 1), (8, 8, 4), (10, 8, 2), (7, 8, 1), (8, 1, 1)]
)
def test_threads_leave_half_the_processors_and_no_connection_out(connections, processors, expected):
    assert wrk.threads(plan(connections=connections), processors) == expected


def test_the_address_is_given_not_the_name():
    command = wrk.command("wrk", plan("http://localhost:8080/a?b", duration_ns=3 * SECOND_NS), "x.lua", 2)
    assert command[-1] == "http://127.0.0.1:8080/a?b"
    assert "Host: localhost:8080" in command
    assert "-d3s" in command


def test_missing_wrk_is_said(monkeypatch):
    monkeypatch.setattr(wrk, "installed", lambda: None)
    with pytest.raises(UsageError, match="wrk is not installed"):
        wrk.WrkRun(plan()).run()


def test_a_failing_wrk_is_said(tmp_path, monkeypatch):
    program = tmp_path / "wrk"
    program.write_text("#!/bin/sh\necho usage: >&2\necho bad luck >&2\nexit 3\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(wrk, "installed", lambda: os.fspath(program))
    with pytest.raises(Error, match="wrk failed: bad luck"):
        wrk.WrkRun(plan()).run()


@pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk is not installed")
class TestInstalled:
    """Against the tests' server, with the wrk of this machine."""

    def test_a_run(self, server):
        result = wrk.WrkRun(plan(server.address, connections=4)).run()
        # What is outstanding at the end is not waited for by wrk, nor counted.
        assert server.requests - 4 <= result.requests.answered <= server.requests
        assert result.bytes.into <= server.bytes_out
        assert result.elapsed_ns >= SECOND_NS
        latency = dataclasses.asdict(result.latency)
        order = [latency[f"{name}_ns"] for name in ("min", "p50", "p90", "p99", "p999", "max")]
        assert order == sorted(order)
        assert order[0] > 0
        json.dumps(result.document())

    def test_an_interruption_still_reports(self, server):
        run = wrk.WrkRun(plan(server.address, duration_ns=3600 * SECOND_NS))
        server.on_request = lambda number: run.stop() if number == 50 else None
        result = run.run()
        assert result.ended_by == "interruption"
        assert result.requests.answered >= 40

    def test_nobody_there(self):
        with pytest.raises(UsageError, match="unable to connect"):
            wrk.WrkRun(plan("127.0.0.1:1")).run()

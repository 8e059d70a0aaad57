"""`uringtrace load URL`: put load on a server of this machine and say how it answered."""

from __future__ import annotations

import argparse
import json
from importlib.util import find_spec
from typing import TYPE_CHECKING

from uringtrace.cli.output import notice
from uringtrace.cli.signals import stopping_on_signals
from uringtrace.errors import EXIT_OK, CapabilityError, UsageError
from uringtrace.ui.text.numbers import UNKNOWN, count, duration, rate, seconds, size
from uringtrace.ui.text.table import table

if TYPE_CHECKING:
    from uringtrace.targets.load.plan import Plan
    from uringtrace.targets.load.reactor import Reactor
    from uringtrace.targets.load.result import Result
    from uringtrace.targets.load.wrk import WrkRun

_SINCE = {
    "send": "from the sending of the request to the last byte of its answer",
    "connect": "from the beginning of the connection to the last byte of the answer",
    "schedule": "from when the request was due to the last byte of its answer",
    "wrk": "from the sending to the answer, with corrections by wrk",
}


class LoadCommand:
    """The command; errors of the server are part of the result, not of the exit code."""

    name = "load"
    summary = "put HTTP load on a server of this machine"
    group = "Reference servers"
    epilog = (
        "Without --rate each connection sends its next request when the answer is there\n"
        "(closed loop). With it requests are due at fixed times, and latencies count from\n"
        "then (open loop); see docs/load.md.\n\n"
        "examples:\n"
        "  uringtrace load http://127.0.0.1:8080/bytes/1000 -d 5\n"
        "  uringtrace load 127.0.0.1:8080 --rate 2000 --connections 64\n"
        "  uringtrace load 127.0.0.1:8443 --tls --requests 10000 --json\n"
        "  uringtrace load 127.0.0.1:8080 --slow-clients 64"
    )

    def configure(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("url", metavar="URL", help="on this machine; http:// may be left out")
        add = parser.add_argument
        add("--connections", type=_positive, default=8, metavar="N", help="at once (default: 8)")
        add("--rate", type=_rate, metavar="R", help="open loop: R requests per second in total")
        end = parser.add_mutually_exclusive_group()
        end.add_argument("--requests", type=_positive, metavar="N", help="send exactly N, then end")
        end.add_argument(
            "-d",
            "--duration",
            type=_seconds,
            metavar="SEC",
            help="send for this time (default: 10), then wait for the last answers",
        )
        add("--pipeline", type=_positive, default=1, metavar="DEPTH", help="requests ahead of their answers")
        add("--new-connections", action="store_true", help="a connection for each request")
        add("--slow-clients", type=_natural, default=0, metavar="N", help="and N that send and read slowly")
        add("--tls", action="store_true", help="TLS 1.3, any certificate; implied by https://")
        add("--status", type=_status, default=200, metavar="CODE", help="of a right answer (default: 200)")
        add(
            "--length",
            type=_length,
            metavar="BYTES",
            help="of a right answer's body, or any (default: as the first)",
        )
        add("--timeout", type=_seconds, default=10.0, metavar="SEC", help="for each answer (default: 10)")
        add(
            "--engine",
            choices=("own", "wrk", "auto"),
            default="own",
            help="auto: wrk, if installed, where it can do what is asked",
        )
        add("--json", action="store_true", help="one JSON object (docs/load.md)")

    def run(self, arguments: argparse.Namespace) -> int:
        if find_spec("httptools") is None:
            raise CapabilityError(
                "httptools, which finds the ends of answers, is not installed",
                "install it with: pip install 'uringtrace[servers]'",
            )
        engine = engine_for(plan_from(arguments), arguments.engine)
        with stopping_on_signals(engine.stop):
            if not arguments.json:
                notice(f"load on {engine.plan.endpoint.url}; Ctrl-C to end")
            result = engine.run()
        if arguments.json:
            print(json.dumps(result.document(), indent=2))
        else:
            print("\n".join(report(result)))
        return EXIT_OK


def plan_from(arguments: argparse.Namespace) -> Plan:
    """What the options ask for; raises `UsageError`."""
    from uringtrace.targets.load.address import endpoint
    from uringtrace.targets.load.plan import DURATION_NS, Plan, check

    length = arguments.length
    duration_ns = None if arguments.duration is None else round(arguments.duration * 1e9)
    plan = Plan(
        endpoint=endpoint(arguments.url, arguments.tls),
        connections=arguments.connections,
        rate=arguments.rate,
        requests=arguments.requests,
        duration_ns=duration_ns or (None if arguments.requests else DURATION_NS),
        pipeline=arguments.pipeline,
        slow_clients=arguments.slow_clients,
        new_connections=arguments.new_connections,
        status=arguments.status,
        length=None if length == "any" else length,
        any_length=length == "any",
        timeout_ns=round(arguments.timeout * 1e9),
    )
    check(plan)
    return plan


def engine_for(plan: Plan, choice: str) -> Reactor | WrkRun:
    """The engine to run a plan with; raises `UsageError` where wrk was asked for and cannot."""
    from uringtrace.targets.load import wrk
    from uringtrace.targets.load.reactor import Reactor

    obstacle = wrk.obstacle(plan)
    if choice == "wrk" and obstacle:
        raise UsageError(f"wrk {obstacle}", "use --engine own, or auto")
    if choice == "wrk" or (choice == "auto" and not obstacle and wrk.installed()):
        return wrk.WrkRun(plan)
    return Reactor(plan)


def report(result: Result) -> list[str]:
    """The result for a person, in 80 columns."""
    lines = [*_heading(result), "", *_latencies(result), "", *_amounts(result)]
    lines += ["", *_errors(result)]
    if result.slow is not None:
        lines += ["", *_slow(result)]
    return lines


def _heading(result: Result) -> list[str]:
    asked = result.asked
    loop = f"open loop, {asked.rate:g} requests/s" if asked.rate is not None else "closed loop"
    kind = [loop, f"{count(asked.connections)} connection{'s' * (asked.connections != 1)}"]
    kind += [f"pipeline of {asked.pipeline}"] * (asked.pipeline > 1)
    kind += ["a new one for each request"] * asked.new_connections
    kind += ["TLS"] * result.tls
    cut = ", interrupted" if result.ended_by == "interruption" else ""
    return [
        f"{result.url} by {'wrk' if result.engine == 'wrk' else 'the own engine'}",
        ", ".join(kind),
        f"{seconds(result.elapsed_ns / 1e9)}{cut}, {rate(result.rate)} answered rightly",
    ]


def _latencies(result: Result) -> list[str]:
    latency = result.latency
    if latency is None:
        return [f"latency {UNKNOWN}: no right answer"]
    heads = ("latency", "min", "mean", "p50", "p90", "p99", "p99.9", "max")
    values = (
        latency.min_ns,
        latency.mean_ns,
        latency.p50_ns,
        latency.p90_ns,
        latency.p99_ns,
        latency.p999_ns,
        latency.max_ns,
    )
    lines = table([heads, ("", *map(duration, values))])
    lines.append(_SINCE[latency.since])
    if latency.resolution is not None:
        lines.append(f"quantiles are at most {latency.resolution:.1%} too high")
    return lines


def _amounts(result: Result) -> list[str]:
    requests, connections, moved = result.requests, result.connections, result.bytes
    rows = [
        ("requests", "sent", "answered", "rightly", "failed", "unfinished"),
        (
            "",
            *map(
                count,
                (requests.sent, requests.answered, requests.right, requests.failed, requests.unfinished),
            ),
        ),
    ]
    lines = [
        *table(rows),
        f"{count(connections.opened)} connections opened; "
        f"{size(moved.out)} out, {size(moved.into)} in{_on_the_wire(result)}",
    ]
    if connections.stray:
        lines.append(f"{count(connections.stray)} connections brought bytes nobody had asked for")
    if requests.unsent:
        lines.append(
            f"{count(requests.unsent)} requests were due but never sent, as no connection was free:\n"
            "the latencies are too low"
        )
    if result.schedule is not None:
        lines.append(
            f"{count(result.schedule.waited)} requests waited for a free connection, "
            f"the longest delay was {duration(result.schedule.max_delay_ns)}"
        )
    return lines


def _on_the_wire(result: Result) -> str:
    if not result.tls or result.bytes.wire_in is None:
        return ""
    return f" (with TLS {size(result.bytes.wire_out)} out, {size(result.bytes.wire_in)} in)"


def _errors(result: Result) -> list[str]:
    from uringtrace.targets.load.tally import ERRORS

    met = {kind: number for kind, number in result.errors.items() if number}
    lines = [f"{count(number):>9} {kind}: {ERRORS[kind]}" for kind, number in met.items()]
    if result.wrk is not None:
        broken = (result.wrk.read_errors, result.wrk.write_errors)
        lines += [f"{count(broken[0])} failed reads, {count(broken[1])} failed writes"] * any(broken)
        lines += ["wrk looks at no answer's length and counts statuses from 400 on as errors"]
    others = {
        code: number for code, number in (result.statuses or {}).items() if int(code) != result.asked.status
    }
    lines += [f"{count(number):>9} of status {code}" for code, number in others.items()]
    if met:
        lines.insert(0, "errors")
    return lines or ["no errors"]


def _slow(result: Result) -> list[str]:
    slow = result.slow
    assert slow is not None
    failed = sum(slow.errors.values())
    return [
        f"{count(slow.clients)} slow clients apart from these: {count(slow.opened)} connections, "
        f"{count(slow.sent)} requests,",
        f"{count(slow.right)} answered rightly, {count(failed)} failed, {count(slow.unfinished)} unfinished",
    ]


def _natural(text: str) -> int:
    return _whole(text, 0)


def _positive(text: str) -> int:
    return _whole(text, 1)


def _status(text: str) -> int:
    status = _whole(text, 200)
    if status > 599:
        raise argparse.ArgumentTypeError(f"{text} is not a status: 200 to 599")
    return status


def _length(text: str) -> int | str:
    return text if text == "any" else _whole(text, 0)


def _whole(text: str, least: int) -> int:
    if not text.isascii() or not text.isdigit() or not least <= int(text) <= 10**12:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least {least}")
    return int(text)


def _rate(text: str) -> float:
    return _number(text, 0.001, 1e9, "a rate, for example 500 or 0.5")


def _seconds(text: str) -> float:
    return _number(text, 0.001, 1e9, "a number of seconds, for example 10 or 0.5")


def _number(text: str, least: float, most: float, what: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not least <= value <= most:
        raise argparse.ArgumentTypeError(f"{text!r} is not {what}")
    return value

"""A chain of wake-ups as the JSON object of `diagnose --wake-chain --json`; docs/json.md has the fields."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from uringtrace.tracer.source import Facts
from uringtrace.tracer.wakes import WakeChain

SCHEMA = 1


def chain_object(chain: WakeChain, facts: Facts, requests: int, left_out: int) -> dict[str, Any]:
    """The documented object; `requests` could have been chosen, `left_out` could not."""
    context = facts.context
    return {
        "schema": SCHEMA,
        "type": "wake-chain",
        "kernel": context.kernel,
        "machine": context.machine,
        "target": context.target,
        "started_ns": context.started_ns,
        "connection": chain.connection,
        "request": chain.request,
        "local": chain.local,
        "remote": chain.remote,
        "received_ns": chain.received_ns,
        "from_arrival": chain.from_arrival,
        "total_ns": chain.total_ns,
        "complete": chain.complete,
        "threads": list(chain.threads),
        "steps": [{"at_ns": step.ns - chain.received_ns, **asdict(step)} for step in chain.steps],
        "requests": requests,
        "left_out": left_out,
        "lost": dict(facts.losses.lost),
        "lost_total": facts.losses.total_lost,
        "untracked": facts.losses.untracked,
    }


def chain_json(chain: WakeChain, facts: Facts, requests: int, left_out: int) -> str:
    """One line of JSON, without line end."""
    return json.dumps(chain_object(chain, facts, requests, left_out), ensure_ascii=False)

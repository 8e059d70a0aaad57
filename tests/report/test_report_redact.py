"""Redacted: no address, path or argument is left in any output, and the same stays the same."""

from __future__ import annotations

import base64
import gzip
import re
from dataclasses import replace
from typing import Any

import pytest

from uringtrace.tracer.report.redact import Pseudonyms, redacted
from uringtrace.ui.report.markdown import markdown
from uringtrace.ui.report.page import fragment, page


def everything(report: Any) -> str:
    """All outputs, with what is compressed in them."""
    texts = [page(report), fragment(report, with_plotly=False), markdown(report)]
    for text in list(texts):
        for packed in re.findall(r'class="uringtrace-data">([^<]*)<', text):
            texts.append(gzip.decompress(base64.b64decode(packed)).decode())
    return "\n".join(texts)


@pytest.mark.parametrize("name", ["scene", "demo"])
def test_nothing_secret_is_left(request: pytest.FixtureRequest, ask: Any, name: str) -> None:
    """Every address and path of the recording is in the plain outputs, or not shown; none in the redacted."""
    path = request.getfixturevalue(f"{name}_path")
    report = request.getfixturevalue(name)
    command = ("/opt/server", "--secret=hunter2")
    report = replace(report, context=replace(report.context, command=command, target=" ".join(command)))
    hidden = {text for row in ask(path, "SELECT local, remote FROM files") for text in row if text}
    hidden |= {text for row in ask(path, "SELECT local, remote FROM connections") for text in row if text}
    hidden |= {row[0] for row in ask(path, "SELECT description FROM files WHERE description LIKE '/%'")}
    hidden |= {
        row[0] for row in ask(path, "SELECT DISTINCT pathname FROM operations WHERE pathname IS NOT NULL")
    }
    hidden |= {"/opt/server", "hunter2"}
    hidden -= {"0.0.0.0:0", ""}
    plain, secret = everything(report), everything(redacted(report))
    assert len([text for text in hidden if text in plain]) >= 4
    assert [text for text in sorted(hidden) if text in secret] == []


def test_pseudonyms_are_stable(demo: Any) -> None:
    once, again = redacted(demo), redacted(demo)
    assert once.connections == again.connections
    assert once.lanes.files == again.lanes.files
    peers = {each.remote for each in once.connections.shown if each.role == "server"}
    assert len(peers) == len({each.remote for each in demo.connections.shown if each.role == "server"})
    clients = {each.local for each in once.connections.shown if each.role == "client"}
    assert clients == peers
    assert once.summary.operations == demo.summary.operations


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("TCP 10.0.0.1:80->10.0.0.2:9", "TCP host-1:port-1->host-2:port-2"),
        ("TCPv6 [::1]:80 listening", "TCPv6 host-1:port-1 listening"),
        ("UNIX /run/x.sock", "UNIX address-1"),
        ("UNIX socket:[12]->@secret", "UNIX socket:[12]->address-1"),
        ("UNIX @a b->c", "UNIX address-1->address-2"),
        ("/etc/shadow (deleted)", "path-1"),
        ("…/secret", "path-1"),
        ("pipe:[12]", "pipe:[12]"),
        ("anon_inode:[eventpoll]", "anon_inode:[eventpoll]"),
        ("anon_inode:[x] /etc/passwd", "path-1"),
        ("socket:[12]", "socket:[12]"),
        ("protocol 132 10.0.0.1:80", "protocol 132 host-1:port-1"),
    ],
)
def test_files(text: str, expected: str) -> None:
    assert Pseudonyms().file(text) == expected


def test_targets() -> None:
    from uringtrace.tracer.report.redact import _target

    for text in ("all processes", "process 12", "processes 12, 13", "process 12 (3 in its pid namespace)"):
        assert _target(text, Pseudonyms()) == text
    assert _target("process /etc/passwd", Pseudonyms()) == "target-1"

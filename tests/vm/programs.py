"""In a test VM, under a capture: programs that say themselves what they did.

`python -m tests.vm.programs FOLDER [--kinds all|small] [--ktls] [--servers NAME…]` runs them one after
the other and leaves their own accounts as JSON in FOLDER. Each process starts after the one
before has ended, so that process ids tell whose ring is whose.
"""

from __future__ import annotations

import argparse
import http.client
import json
import re
import ssl
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.servers.running import Running, running
from uringtrace.targets import build
from uringtrace.targets.catalogue import ARCHITECTURES

CALLS = ("getppid", "0.001")
"""A kind of `targets/calls` that nothing else here makes, and for how many seconds."""
LARGE = ("reuse", "in_flight")
"""Subjects of 100,000 operations each: an emulated machine takes minutes to print them."""
STOP_SECONDS = 120
_REFUSAL = re.compile(r"ended with 2 before it listened: uringtrace: error: (.*)")
"""What a server says that this machine cannot run (docs/exit-codes.md)."""
ANSWERS = {"/": 200, "/bytes/1000": 200, "/missing": 404}
"""Path → status, on one connection; another one asks for a file."""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kinds", choices=("all", "small"))
    parser.add_argument("--ktls", action="store_true")
    parser.add_argument("--servers", nargs="*", default=[])
    arguments = parser.parse_args()
    folder: Path = arguments.folder
    folder.mkdir(exist_ok=True)
    if arguments.kinds:
        _keep(folder, "kinds", run_kinds(() if arguments.kinds == "all" else LARGE))
    _keep(folder, "calls", run_calls())
    if arguments.ktls:
        command = [sys.executable, "-m", "tests.vm.ktls_server", str(folder / "ktls.json")]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        (folder / "ktls.errors").write_text(done.stderr)
    for name in arguments.servers:
        _keep(folder, f"server-{name}", visit(name))


def _keep(folder: Path, name: str, account: object) -> None:
    (folder / f"{name}.json").write_text(json.dumps(account))


def run_kinds(without: Sequence[str]) -> list[dict[str, Any]]:
    """Each other subject in a process of its own; one that ends badly says why."""
    kinds = build.binary("kinds")
    accounts = []
    subjects = subprocess.check_output([kinds, "--list"], text=True).split()
    for subject in (each for each in subjects if each not in without):
        process = subprocess.Popen(
            [kinds, subject], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        output, errors = process.communicate()
        account: dict[str, Any] = {"name": subject, "pid": process.pid, "errors": errors.strip()}
        if process.returncode == 0:
            (account["said"],) = json.loads(output)["subjects"]
        accounts.append(account)
    return accounts


def run_calls() -> dict[str, Any]:
    with subprocess.Popen([build.binary("calls"), *CALLS], stdout=subprocess.PIPE, text=True) as process:
        account: dict[str, Any] = json.loads(process.communicate()[0])
        return account | {"pid": process.pid}


def visit(name: str) -> dict[str, Any]:
    """Start the server, ask it a few things, stop it; its first and last line, or what it said instead."""
    try:
        with running(name) as server:
            _ask(server, tls=ARCHITECTURES[name].tls)
            return {"first": server.first, "last": server.stop(STOP_SECONDS)}
    except (AssertionError, OSError, http.client.HTTPException, subprocess.TimeoutExpired) as error:
        refusal = _REFUSAL.search(str(error))
        return {"refused": refusal[1]} if refusal else {"failed": f"{type(error).__name__}: {error}"}


def _ask(server: Running, *, tls: bool) -> None:
    for paths in (ANSWERS, {"/file/small.txt": 200}):
        host, port = server.address
        connection = (
            http.client.HTTPSConnection(host, port, timeout=60, context=_trusting())
            if tls
            else http.client.HTTPConnection(host, port, timeout=60)
        )
        for path, status in paths.items():
            connection.request("GET", path)
            answer = connection.getresponse()
            answer.read()
            assert answer.status == status, f"{path} was answered with {answer.status}"
        connection.close()


def _trusting() -> ssl.SSLContext:
    """The server's certificate is its own, made at its start."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


if __name__ == "__main__":
    main()

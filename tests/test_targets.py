"""The ground-truth program is itself checked: its books balance, and independent observers agree.

`kinds` counts what it submits and reaps. Here strace, which sees only system calls, must
agree on the batches, and bpftrace, which counts the kernel's tracepoints, on everything
else: submissions by opcode, completions, overflows and paths, ring by ring.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from uringtrace.errors import UsageError
from uringtrace.targets import build

Truth = dict[str, Any]

COUNTS = ("submitted", "completions", "ended", "errors", "bytes", "notifications")


@pytest.fixture(scope="module")
def kinds() -> Path:
    try:
        return build.binary("kinds")
    except UsageError as error:
        pytest.skip(error.message)


@pytest.fixture(scope="module")
def truth(kinds: Path) -> Truth:
    """What a run of all subjects printed."""
    return run_json(kinds)


@pytest.fixture(scope="module")
def by_subject(truth: Truth) -> dict[str, Truth]:
    return {subject["subject"]: subject for subject in truth["subjects"]}


def run_json(*command: str | Path) -> Truth:
    completed = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert completed.returncode == 0, completed.stderr
    parsed: Truth = json.loads(completed.stdout)
    return parsed


def requires(subject: Truth) -> None:
    if not subject["supported"]:
        pytest.skip(f"{subject['subject']}: {subject['why']}")


def test_a_target_is_built_again_when_a_source_is_newer(kinds: Path, tmp_path: Path) -> None:
    built = build.binary("nop", tmp_path)
    first = built.stat().st_ino
    assert build.binary("nop", tmp_path).stat().st_ino == first
    os.utime(built, ns=(0, 0))
    assert build.binary("nop", tmp_path).stat().st_mtime_ns > 0


def test_without_a_compiler_the_packages_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "no-such-compiler")
    with pytest.raises(UsageError, match="no-such-compiler") as caught:
        build.binary("nop", tmp_path)
    for packages in ("gcc libc6-dev liburing-dev", "gcc liburing-devel", "gcc liburing"):
        assert packages in caught.value.way_out


def test_without_liburing_the_packages_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiler = tmp_path / "compiler"
    compiler.write_text("#!/bin/sh\necho 'nop.c:9:10: fatal error: liburing.h: No such file' >&2; exit 1\n")
    compiler.chmod(0o700)
    monkeypatch.setenv("CC", str(compiler))
    with pytest.raises(UsageError, match="liburing"):
        build.binary("nop", tmp_path)
    assert not (tmp_path / "nop").exists()


def test_a_wrong_name_is_answered_with_the_right_ones() -> None:
    with pytest.raises(UsageError) as caught:
        build.binary("nob")
    assert "calls, demo, epoll, kinds, nop" in caught.value.way_out


def test_nop_measures_its_own_loop(truth: Truth) -> None:
    requires(truth["subjects"][0])
    measured = run_json(build.binary("nop"), "1000", "7")
    assert (measured["operations"], measured["batch"]) == (1000, 7)
    assert measured["ns_per_operation"] == pytest.approx(measured["elapsed_ns"] / 1000, abs=0.01)


@pytest.mark.parametrize("kind", ["getppid", "pread", "pipe", "tcp"])
def test_calls_counts_what_it_did(kind: str, kinds: Path) -> None:
    did = run_json(build.binary("calls"), kind, "0.05")
    assert did["kind"] == kind
    assert did["elapsed_ns"] >= 50_000_000
    assert did["calls"] > 0
    # Two clocks, read one after the other: they differ by less than a millisecond.
    assert 0 < did["cpu_ns"] <= did["elapsed_ns"] + 1_000_000
    assert did["calls_per_second"] == pytest.approx(did["calls"] * 1e9 / did["cpu_ns"], abs=1)


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
@pytest.mark.parametrize(
    ("kind", "calls"),
    [
        ("getppid", [r"getppid\(\)"]),
        ("pread", [r"pread64\(\d+, .*, 1, 0\) += 1"]),
        ("pipe", [r"write\(\d+, .*, 64\) += 64", r"read\(\d+, .*, 64\) += 64"]),
        (
            "tcp",
            [r"sendto\(\d+, .*, 64, 0, NULL, 0\) += 64", r"recvfrom\(\d+, .*, 64, 0, NULL, NULL\) += 64"],
        ),
    ],
)
def test_strace_counts_as_many_calls(kind: str, calls: list[str], kinds: Path, tmp_path: Path) -> None:
    log = tmp_path / "strace"
    did = run_json("strace", "-qq", "-o", log, build.binary("calls"), kind, "0.05")
    lines = log.read_text().splitlines()
    for call in calls:
        seen = sum(bool(re.match(call, line)) for line in lines)
        assert seen == did["calls"] // len(calls)


def test_the_demo_answers_every_request(by_subject: dict[str, Truth]) -> None:
    requires(by_subject["multishot_recv"])
    said = subprocess.run([build.binary("demo")], capture_output=True, text=True, timeout=60).stdout
    did = {what: int(count) for count, what in re.findall(r"(\d+) ([a-z ]+)", said)}
    assert did["connections"] == 4
    assert did["requests"] == did["answers"] == did["reads"] == did["log lines"] > 1000
    assert did["errors"] == 0


@pytest.fixture(params=[(), ("--edge",)], ids=["level-triggered", "edge-triggered"])
def server(request: pytest.FixtureRequest, kinds: Path) -> Iterator[Server]:
    """The epoll server; the fixture ends it."""
    command = [build.binary("epoll"), *request.param]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Server(process, edge=bool(request.param))
        finally:
            process.kill()


class Server:
    """The epoll server, and how to talk to it."""

    def __init__(self, process: subprocess.Popen[str], *, edge: bool) -> None:
        assert process.stdout is not None
        self.process, self.edge = process, edge
        self.first = json.loads(process.stdout.readline())

    def connect(self) -> socket.socket:
        host, port = self.first["listening"].split(":")
        return socket.create_connection((host, int(port)), timeout=10)

    def ask(self, text: str) -> str:
        """Everything that is answered until the server closes the connection."""
        with self.connect() as connection:
            connection.sendall(text.encode())
            return b"".join(iter(lambda: connection.recv(65536), b"")).decode()

    def truth(self) -> Truth:
        """Ends it with SIGTERM."""
        self.process.terminate()
        said, _ = self.process.communicate(timeout=30)
        parsed: Truth = json.loads(said)
        return parsed


GET = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
LAST = "GET / HTTP/1.1\r\nconnection: te, CLOSE\r\n\r\n"
OK = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 14\r\n\r\nHello, world!\n"


@pytest.mark.parametrize(
    ("request_text", "status", "body"),
    [
        (LAST, "200 OK", "Hello, world!\n"),
        ("GET / HTTP/1.0\r\n\r\n", "200 OK", "Hello, world!\n"),
        ("HEAD / HTTP/1.1\r\nConnection: close\r\n\r\n", "200 OK", ""),
        ("GET / HTTP/1.1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", "200 OK", "Hello, world!\n"),
        ("POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\n", "405 Method Not Allowed", ""),
        ("GET / HTTP/1.1\r\nContent-Length: 3\r\n\r\n", "413 Content Too Large", ""),
        ("GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", "413 Content Too Large", ""),
        ("nonsense\r\n\r\n", "400 Bad Request", ""),
        ("GET / HTTP/1.1\r\nnonsense\r\n\r\n", "400 Bad Request", ""),
        ("GET /" + "x" * (8192 - 5), "431 Request Header Fields Too Large", ""),
    ],
)
def test_the_epoll_server_speaks_http(server: Server, request_text: str, status: str, body: str) -> None:
    head, _, answered = server.ask(request_text).partition("\r\n\r\n")
    lines = head.split("\r\n")
    assert lines[0] == f"HTTP/1.1 {status}"
    assert "Connection: close" in lines
    assert answered == body
    if not request_text.startswith("HEAD"):
        assert f"Content-Length: {len(body)}" in lines


def test_the_epoll_server_answers_a_pipeline_larger_than_its_memory(server: Server) -> None:
    """Requests cut at every place, and answers the client is slow to take."""
    count = 20_000
    text = (GET * (count - 1) + LAST).encode()
    with server.connect() as connection:
        sender = threading.Thread(target=connection.sendall, args=(text,))
        sender.start()
        answered = b"".join(iter(lambda: connection.recv(65536), b"")).decode()
        sender.join()
    last = OK.replace("14\r\n", "14\r\nConnection: close\r\n")
    assert answered == OK * (count - 1) + last
    did = server.truth()
    assert (did["connections"], did["closed"], did["requests"]) == (1, 1, count)
    assert (did["bytes_received"], did["bytes_sent"]) == (len(text), len(answered))


def test_the_epoll_server_counts_its_calls(server: Server) -> None:
    """Three connections at once, one request after the other; one is left open to the end."""
    clients = [server.connect() for _ in range(3)]
    for _ in range(5):
        for client in clients:
            client.sendall(GET.encode())
            assert client.recv(65536).decode() == OK
    for client in clients[:2]:
        client.close()
    # The answer shows that it has seen what happened before.
    assert server.ask(LAST).startswith("HTTP/1.1 200")
    did = server.truth()
    clients[2].close()
    calls, failed = did["calls"], did["failed"]
    assert (did["connections"], did["closed"], did["requests"]) == (4, 4, 16)
    assert (calls["sendto"], failed["sendto"]) == (16, 0)
    assert (calls["epoll_ctl"], calls["close"]) == (4, 4)
    assert (did["bytes_received"], did["bytes_sent"]) == (
        15 * len(GET) + len(LAST),
        16 * len(OK) + len("Connection: close\r\n"),
    )
    if server.edge:
        # Each round of receiving and accepting goes on until there is no more.
        assert (calls["accept4"] - failed["accept4"], failed["accept4"] > 0) == (4, True)
        assert failed["recvfrom"] >= 15
    else:
        assert (calls["accept4"], failed["accept4"]) == (4, 0)
        assert (calls["recvfrom"], failed["recvfrom"]) == (16 + 2, 0)
        assert did["readiness"] == calls["accept4"] + calls["recvfrom"] + 1


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_strace_sees_the_calls_that_the_epoll_server_counts(kinds: Path, tmp_path: Path) -> None:
    log = tmp_path / "strace"
    command = ["strace", "-qq", "-o", log, build.binary("epoll")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        server = Server(process, edge=False)
        for _ in range(20):
            server.ask(GET + LAST)
        os.kill(server.first["pid"], signal.SIGTERM)
        said, _ = process.communicate(timeout=30)
    _, _, since = log.read_text().partition("listening")
    seen = Counter(line.partition("(")[0] for line in since.splitlines()[1:])
    del seen["write"], seen["exit_group"], seen["+++ exited with 0 +++"]
    assert seen == json.loads(said)["calls"]


def test_every_subject_runs_once_in_the_listed_order(kinds: Path, truth: Truth) -> None:
    listed = subprocess.run([kinds, "--list"], capture_output=True, text=True, check=True).stdout.split()
    assert [subject["subject"] for subject in truth["subjects"]] == listed
    assert len(set(listed)) == len(listed)


def test_a_subject_says_why_it_is_not_supported(truth: Truth) -> None:
    for subject in truth["subjects"]:
        assert subject["supported"] == (subject["why"] == ""), subject


def test_the_books_of_every_subject_balance(truth: Truth) -> None:
    for subject in [*truth["subjects"], truth["total"]]:
        operations = subject["operations"].values()
        for count in COUNTS:
            assert subject[count] == sum(operation[count] for operation in operations), subject
        posted = subject["completions"] + subject["notifications"] + subject["messages"]
        assert subject["cqe_total"] == posted, subject
        assert subject["submitted"] == subject["ended"] + subject["silent"] + subject["abandoned"], subject
        for operation in operations:
            assert operation["errors"] <= operation["completions"], subject


def test_stated_paths_cover_every_operation(truth: Truth) -> None:
    stated = [
        operation
        for subject in truth["subjects"]
        for operation in subject["operations"].values()
        if "inline" in operation
    ]
    for operation in stated:
        assert operation["inline"] + operation["poll"] + operation["io_wq"] == operation["ended"]
    if any(subject["supported"] for subject in truth["subjects"]):
        assert all(any(operation[path] for operation in stated) for path in ("inline", "poll", "io_wq"))


def test_the_total_is_the_sum_of_the_subjects(truth: Truth) -> None:
    for count in (*COUNTS, "rings", "cqe_total", "messages", "silent", "abandoned"):
        assert truth["total"][count] == sum(subject[count] for subject in truth["subjects"])


def test_two_runs_give_the_same_truth(kinds: Path, truth: Truth) -> None:
    """But for process and thread ids, and a timer that may fire once more before its cancellation."""

    def comparable(run: Truth) -> list[Truth]:
        varying = {"sq_thread", "by_process"}
        return [
            {key: value for key, value in subject.items() if key not in varying}
            for subject in run["subjects"]
            if subject["subject"] != "multishot_timeout"
        ]

    assert comparable(run_json(kinds)) == comparable(truth)


def test_multishot_operations_are_counted_as_their_operations(by_subject: dict[str, Truth]) -> None:
    for name in ("accept", "recv", "poll", "timeout", "read"):
        subject = by_subject[f"multishot_{name}"]
        if not subject["supported"]:
            continue
        completions: Counter[str] = Counter()
        for series in subject["multishot"]:
            completions[series["operation"]] += series["completions"]
        for operation, count in completions.items():
            assert subject["operations"][operation]["completions"] == count


def test_a_hundred_thousand_operations_are_in_flight_at_once(by_subject: dict[str, Truth]) -> None:
    subject = by_subject["in_flight"]
    requires(subject)
    assert subject["max_in_flight"] == subject["submitted"] == subject["completions"] == 100_000


def test_eight_rings_in_four_processes(by_subject: dict[str, Truth]) -> None:
    subject = by_subject["many_rings"]
    requires(subject)
    assert (subject["rings"], subject["processes"]) == (8, 4)
    assert sum(process["cqe_total"] for process in subject["by_process"]) == subject["cqe_total"]


def test_it_waits_for_a_line_when_asked_to_pause(kinds: Path) -> None:
    with subprocess.Popen(
        [kinds, "--pause", "nop"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline()) == {"ready": process.pid}
        rest, _ = process.communicate("\n", timeout=30)
    assert json.loads(rest)["pid"] == process.pid


def test_an_unknown_subject_is_bad_usage(kinds: Path) -> None:
    completed = subprocess.run([kinds, "nop", "nonsense"], capture_output=True, text=True)
    assert (completed.returncode, completed.stdout) == (2, "")
    assert "nonsense" in completed.stderr


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
@pytest.mark.parametrize("name", ["nop", "links", "rejected", "overflow", "many_rings"])
def test_strace_sees_the_same_batches(
    kinds: Path, by_subject: dict[str, Truth], name: str, tmp_path: Path
) -> None:
    """An io_uring_enter that consumed SQEs returns how many: that many calls, that many SQEs."""
    requires(by_subject[name])
    log = tmp_path / "strace"
    command = ["strace", "-f", "-qq", "-e", "trace=io_uring_enter", "-o", log, kinds, name]
    traced = subprocess.run(command, capture_output=True, text=True, timeout=60)
    if "PTRACE" in traced.stderr or "ptrace" in traced.stderr:
        pytest.skip(f"strace may not trace here: {traced.stderr.strip()}")
    returned = [
        int(line.rpartition(" = ")[2].split()[0]) for line in log.read_text().splitlines() if " = " in line
    ]
    consumed = [count for count in returned if count > 0]
    subject = json.loads(traced.stdout)["subjects"][0]
    assert (len(consumed), sum(consumed)) == (subject["batches"], subject["submitted"])


BPFTRACE_PROGRAM = """
tracepoint:io_uring:io_uring_create /comm == "COMM"/ {
    $created = nsecs; @ring[args->ctx] = $created; @created[$created] = 1;
}
tracepoint:io_uring:io_uring_submit_req /@ring[args->ctx]/ {
    @submitted[@ring[args->ctx], args->opcode] = count();
}
tracepoint:io_uring:io_uring_req_failed /@ring[args->ctx]/ {
    @rejected[@ring[args->ctx], args->opcode] = count();
}
tracepoint:io_uring:io_uring_complete /@ring[args->ctx]/ {
    @completed[@ring[args->ctx], 0] = count();
}
tracepoint:io_uring:io_uring_cqe_overflow /@ring[args->ctx]/ {
    @overflowed[@ring[args->ctx], 0] = count();
}
tracepoint:io_uring:io_uring_poll_arm /@ring[args->ctx]/ {
    @poll[@ring[args->ctx], args->opcode] = count();
}
tracepoint:io_uring:io_uring_queue_async_work /@ring[args->ctx]/ {
    @io_wq[@ring[args->ctx], args->opcode] = count();
}
"""

Observed = dict[str, Counter[int]]
"""One subject as bpftrace saw it: name of the map → opcode → count."""


def observe_with_bpftrace(kinds: Path, folder: Path) -> tuple[Truth, list[Observed]]:
    """One run of all subjects and what bpftrace counted during each of them.

    A ring is known by when it was created; subjects run one after the other and say how
    many rings they made, which tells whose ring it was. The program runs under a name of
    its own, so that other users of io_uring on this machine do not count.
    """
    program = folder / f"kinds{os.getpid()}"
    shutil.copy2(kinds, program)
    script = folder / "count.bt"
    script.write_text(BPFTRACE_PROGRAM.replace("COMM", program.name))
    # bpftrace does not end by itself when its script fails: timeout(1) kills it and its child.
    command = ["timeout", "-k", "1", "90", "bpftrace", "-f", "json", "-c", str(program), str(script)]
    output = subprocess.run(command, capture_output=True, text=True, timeout=100).stdout
    lines = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    truth = next(line for line in lines if "subjects" in line)
    maps = {
        name: counts for line in lines if line.get("type") == "map" for name, counts in line["data"].items()
    }
    created = sorted(maps["@created"], key=int)
    assert len(created) == truth["total"]["rings"]
    observed = []
    for subject in truth["subjects"]:
        rings, created = created[: subject["rings"]], created[subject["rings"] :]
        seen: Observed = {}
        for name in ("submitted", "rejected", "completed", "overflowed", "poll", "io_wq"):
            seen[name] = Counter()
            for key, count in maps.get(f"@{name}", {}).items():
                ring, opcode = key.split(",")
                if ring in rings:
                    seen[name][int(opcode)] += count
        observed.append(seen)
    return truth, observed


@pytest.mark.bpf
@pytest.mark.skipif(shutil.which("bpftrace") is None, reason="bpftrace is not installed")
def test_bpftrace_counts_the_same(kinds: Path, tmp_path: Path) -> None:
    truth, observed = observe_with_bpftrace(kinds, tmp_path)
    for subject, seen in zip(truth["subjects"], observed, strict=True):
        name = subject["subject"]
        operations = subject["operations"].values()
        expected = Counter({operation["opcode"]: operation["submitted"] for operation in operations})
        assert seen["submitted"] + seen["rejected"] == expected, name
        assert seen["rejected"].total() == subject.get("rejected", 0), name
        overflows = seen["overflowed"].total()
        if "overflows" in subject:
            assert overflows == subject["overflows"], name
        # Older kernels trace a CQE that overflows twice: as completion and as overflow.
        # Cancelled by the exit of its process, an operation completes when bpftrace may have left.
        posted = {seen["completed"].total(), seen["completed"].total() + overflows}
        allowed = range(subject["cqe_total"], subject["cqe_total"] + subject["abandoned"] + 1)
        assert posted & set(allowed), name
        for operation in operations:
            if "poll" in operation:
                paths = (seen["poll"][operation["opcode"]], seen["io_wq"][operation["opcode"]])
                assert paths == (operation["poll"], operation["io_wq"]), (name, operation)

"""Independent observers agree with what `kinds` counts.

strace, which sees only system calls, must agree on the batches, and bpftrace, which counts
the kernel's tracepoints, on everything else: submissions by opcode, completions, overflows
and paths, ring by ring.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from tests.targets.truth import Truth, requires


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

"""The books of `kinds`, which counts what it submits and reaps, balance."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from pathlib import Path

from tests.targets.truth import COUNTS, Truth, requires, run_json


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

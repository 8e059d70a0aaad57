"""fio, which counts and times its own operations, and we agree.

fio's times enclose ours. It takes its start time before it hands a request to the
kernel and its end time after it reaped the completion; we take ours inside the kernel,
between these two. So for each request, and hence for every quantile,
ours <= fio's lat (slat + clat). fio's clat starts when io_uring_enter has returned, which
is after our start, and ends shortly after our end, since the kernel posts a completion
in the context of the waiting task: so ours >= clat, but for the time from posting to
fio's reading of the clock.
"""

from __future__ import annotations

import json
import shlex
import shutil
from itertools import product
from pathlib import Path

import pytest

from tests.bpf.processes import (
    URINGTRACE,
    Held,
    Json,
    Process,
    Tracer,
    counts,
    held_shell,
    json_lines,
)
from uringtrace.tracer.recording import open_recording

pytestmark = [
    pytest.mark.bpf,
    pytest.mark.skipif(shutil.which("fio") is None, reason="fio is not installed"),
]

FILE_SIZE = 8 << 20
BLOCK = 4096
OPERATIONS = ("READ", "READ_FIXED", "READV")
FIO_RESOLUTION = 1 / 64
"""Width of fio's histogram buckets, relative to their value (stat.h: FIO_IO_U_PLAT_BITS is 6)."""
REAP_ALLOWANCE_NS = 5_000
"""From posting a completion to fio's reading of the clock: the return from io_uring_enter."""

JOBS = [
    {"iodepth": depth, "direct": direct, "sqthread_poll": polled, "fixedbufs": fixed}
    for depth, direct, polled, fixed in product((1, 32, 256), (0, 1), (0, 1), (0, 1))
]


def fio_command(job: dict[str, int], file: Path, output: Path, *, thread: bool) -> list[str]:
    options = {
        "name": "job",
        "filename": file,
        "size": FILE_SIZE,
        "bs": BLOCK,
        "rw": "randread",
        "ioengine": "io_uring",
        "output-format": "json",
        "output": output,
        **job,
    }
    return [
        "fio",
        *(f"--{name}={value}" for name, value in options.items()),
        *(["--thread"] if thread else []),
    ]


def fio_read(output: Path) -> Json:
    """The part of fio's JSON that speaks of reads."""
    text = output.read_text()
    [job] = json.loads(text[text.index("{") :])["jobs"]
    assert job["error"] == 0
    read: Json = job["read"]
    return read


@pytest.fixture(scope="module")
def fio_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("fio") / "data"
    path.write_bytes(bytes(range(256)) * (FILE_SIZE // 256))
    return path


def job_id(job: dict[str, int]) -> str:
    words = [f"depth {job['iodepth']}", "direct" if job["direct"] else "buffered"]
    words += ["sqpoll"] * job["sqthread_poll"] + ["fixed buffers"] * job["fixedbufs"]
    return " ".join(words)


@pytest.fixture(scope="module")
def reads(fio_file: Path, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, int]]:
    """For each job: how many reads fio counted, and each of our three ways.

    One shell runs all jobs one after the other, every second one as a thread instead of
    a forked process; all three tracers follow that shell. Rings come in the order of jobs.
    """
    folder = tmp_path_factory.mktemp("jobs")
    outputs = [folder / f"{number}.json" for number in range(len(JOBS))]
    lines = [
        shlex.join(map(str, fio_command(job, fio_file, output, thread=number % 2 == 0)))
        for number, (job, output) in enumerate(zip(JOBS, outputs, strict=True))
    ]
    with Held(held_shell(" && ".join(lines)), folder / "target") as target:
        pid = str(target.pid)
        with (
            Tracer(folder / "stat", "stat", "-f", "-p", pid, "--json") as stat,
            Tracer(folder / "log", "log", "-f", "-p", pid, "--json") as log,
            Tracer(folder / "record", "record", "-f", "-p", pid, "-o", folder / "recording") as record,
        ):
            for tracer in (stat, log, record):
                tracer.attached()
            target.go()
            assert target.wait() == 0, target.notices()
            report, lines_seen = stat.report(), log.operations()
            assert record.wait() == 0, record.notices()
    assert (report["lost"], report["untracked"]) == ({}, 0)
    assert set(counts(report)) <= set(OPERATIONS)
    rings = sorted(ring["ring"] for ring in report["rings"] if ring["ring"])
    assert len(rings) == len(JOBS)
    by_stat = {ring["ring"]: ring["completions"] for ring in report["rings"]}
    by_log = dict.fromkeys(rings, 0)
    for line in lines_seen:
        assert line["operation"] in OPERATIONS
        assert line["result"] == BLOCK
        by_log[line["ring"]] += 1
    with open_recording(folder / "recording").query(
        "SELECT ring, count(*) FROM operations WHERE operation LIKE 'READ%' GROUP BY ring"
    ) as result:
        by_recording = dict(result.rows())
    return [
        {
            "fio": fio_read(output)["total_ios"],
            "stat": by_stat[ring],
            "log": by_log[ring],
            "recording": by_recording.get(ring, 0),
        }
        for ring, output in zip(rings, outputs, strict=True)
    ]


@pytest.mark.parametrize("number", range(len(JOBS)), ids=lambda number: job_id(JOBS[number]))
def test_stat_log_and_a_recording_count_as_many_reads_as_fio(
    reads: list[dict[str, int]], number: int
) -> None:
    total = reads[number]["fio"]
    assert total == FILE_SIZE // BLOCK
    assert reads[number] == dict.fromkeys(("fio", "stat", "log", "recording"), total)


@pytest.fixture(scope="module")
def timed(fio_file: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Json, Json]:
    """One read of the device at a time: fio's times, and ours."""
    folder = tmp_path_factory.mktemp("timed")
    command = fio_command({"iodepth": 1, "direct": 1}, fio_file, folder / "fio.json", thread=True)
    command += ["--lat_percentiles=1", "--clat_percentiles=1", "--percentile_list=50:90:99"]
    # With system calls captured, what is done at their exits would be part of fio's times.
    options = ["stat", "--interface", "io_uring", "--json"]
    with Process([*URINGTRACE, *options, "--", *command], folder) as tracer:
        assert tracer.wait() == 0, tracer.notices()
        [report] = [line for line in json_lines(tracer.output()) if line.get("type") == "summary"]
    [operation] = report["operations"]
    assert operation["latency"]["count"] == FILE_SIZE // BLOCK
    return fio_read(folder / "fio.json"), {
        **operation["latency"],
        "resolution": report["quantile_resolution"],
    }


@pytest.mark.parametrize(("ours", "fios"), [("p50_ns", "50"), ("p90_ns", "90"), ("p99_ns", "99")])
def test_no_quantile_is_above_that_of_the_enclosing_times(
    timed: tuple[Json, Json], ours: str, fios: str
) -> None:
    fio, latency = timed
    enclosing = fio["lat_ns"]["percentile"][f"{fios}.000000"]
    assert latency[ours] <= enclosing * (1 + FIO_RESOLUTION) * (1 + latency["resolution"])


@pytest.mark.parametrize(("ours", "fios"), [("p50_ns", "50"), ("p90_ns", "90")])
def test_quantiles_are_not_below_those_of_the_enclosed_times(
    timed: tuple[Json, Json], ours: str, fios: str
) -> None:
    fio, latency = timed
    enclosed = fio["clat_ns"]["percentile"][f"{fios}.000000"]
    lowest = enclosed * (1 - FIO_RESOLUTION) * (1 - latency["resolution"]) - REAP_ALLOWANCE_NS
    assert latency[ours] >= lowest


def test_the_mean_lies_between_the_means_of_both(timed: tuple[Json, Json]) -> None:
    """Means are exact on both sides."""
    fio, latency = timed
    assert fio["clat_ns"]["mean"] - REAP_ALLOWANCE_NS <= latency["mean_ns"] <= fio["lat_ns"]["mean"]
    assert latency["max_ns"] <= fio["lat_ns"]["max"]

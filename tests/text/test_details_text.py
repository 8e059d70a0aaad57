"""The tables of connections, threads and system calls as text."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.connections.scene import CLOSE_WAIT, ESTABLISHED, FIN_WAIT1, Scene, tcp, unix
from tests.fakes import ALL_NAMES, STARTED_NS, FakeSource, call, context, row, rows
from tests.text.conftest import ME, Command
from uringtrace.tracer.connections import Connection
from uringtrace.tracer.connections.summary import ConnectionsSummary
from uringtrace.tracer.record import FIRST_CALL, Kind, Wake
from uringtrace.tracer.replayed_counting import ReplayedCounting
from uringtrace.tracer.source import File, Losses, OpenSocket, Thread, UpperLayer
from uringtrace.tracer.statistics import empty_counters
from uringtrace.tracer.summary import summarise, summary_of
from uringtrace.tracer.threads import ThreadActivity
from uringtrace.ui.text.connections_table import connections_lines, state_word
from uringtrace.ui.text.style import Style
from uringtrace.ui.text.summary_table import summary_lines
from uringtrace.ui.text.threads_table import threads_lines

PLAIN = Style()
PROBES = ("io_uring_complete", "sys_exit", "inet_sock_set_state")
SECOND = 1_000_000_000


def followed(scene: Scene, threads: dict[int, Thread] | None = None) -> ReplayedCounting:
    source = FakeSource(
        [scene.records()],
        context=context(probes=PROBES),
        files=scene.files,
        threads=threads or {},
        open_sockets=scene.open_sockets,
    )
    counting = ReplayedCounting(source, connections=True, threads=True)
    while not counting.wait(3600):
        pass
    return counting


def connections(scene: Scene) -> ConnectionsSummary:
    found = followed(scene).connections()
    assert found is not None
    return found


def scene() -> Scene:
    made = Scene(
        open_sockets=(
            OpenSocket(4242, 3, 1001, tcp("10.0.0.1:80", None, listening=True)),
            OpenSocket(
                4242,
                11,
                90,
                tcp("10.0.0.1:80", "10.0.0.7:1"),
                UpperLayer("tls", "1.3", "AES-GCM-128", "software", "none"),
            ),
        )
    )
    made.accepted(2, at=SECOND)
    made.read(2, 10, at=2 * SECOND)
    made.write(2, 2000, at=2 * SECOND + 3_000_000)
    made.write(2, -32, at=2 * SECOND + 4_000_000)
    made.state(2, ESTABLISHED, FIN_WAIT1, at=3 * SECOND)
    made.accepted(3, at=SECOND, fd=8, remote="10.0.0.9:4001")
    made.read(3, 10, at=4 * SECOND, fd=8)
    made.accepted(4, at=SECOND, fd=9, remote="10.0.0.9:4002")
    made.read(4, 10, at=3 * SECOND, fd=9)
    made.state(4, ESTABLISHED, CLOSE_WAIT, at=5 * SECOND)
    made.socket(5, unix(None, "/run/db.sock"))
    made.io_uring("CONNECT", 5 * SECOND, file=5, fd=2, sqe_flags=1)
    made.io_uring("SENDMSG", 6 * SECOND, file=5, fd=2, sqe_flags=1, kind=Kind.SILENT)
    return made


def test_the_whole_table() -> None:
    report = connections_lines(connections(scene()), PLAIN, verbose=True)
    assert (
        "\n".join(report)
        == """\
PEER          FD     STATE REQUESTS  IN     OUT  FIRST    MAX  IDLE    AGE
10.0.0.9:4002  9 peer left        0 10B      0B      –      – 7.00s  9.00s
      pid 4242 · local 10.0.0.1:80 · accepted from 10.0.0.1:80 · syscall
10.0.0.9:4001  8   waiting        0 10B      0B      –      – 6.00s  9.00s
      pid 4242 · local 10.0.0.1:80 · accepted from 10.0.0.1:80 · syscall
/run/db.sock  d2   waiting        0 ≥0B     ≥0B      –      – 4.00s  5.00s
      pid 4242 · local – · connected · io_uring
10.0.0.7:1    11      open        0  0B      0B      –      –     – ≥10.0s
      pid 4242 · local 10.0.0.1:80 ·
      TLS 1.3 AES-GCM-128, transmit software, receive none
10.0.0.9:4000  7 by target        1 10B 1.95KiB 3.00ms 3.00ms     –  2.00s
      pid 4242 · local 10.0.0.1:80 · accepted from 10.0.0.1:80 · syscall ·
      1 error, last EPIPE

REQUESTS              COUNT    MEAN     P50     P90     P99   P99.9     MAX
answered: first byte      1  3.00ms  2.95ms  2.95ms  2.95ms  2.95ms  3.00ms
answered: last byte       1  3.00ms  2.95ms  2.95ms  2.95ms  2.95ms  3.00ms

connections: 4 opened, 1 from before, 1 closed, 4 open now; 1 request, 3 waiting
  for an answer; at least 30B in, 1.95KiB out"""
    )


def wide(number: int, found: Connection) -> Connection:
    return replace(
        found,
        number=number,
        fd=65_535,
        direct=True,
        began_ns=None,
        remote="[2001:db8:1234:5678:9abc:def0:1234:5678]:54321",
        requests=9_999_999,
        request_first_sum_ns=2**60,
        request_first_max_ns=2**40,
        bytes_in=2**50 - 1,
        bytes_out=2**50 - 1,
        bytes_exact=False,
    )


def test_large_numbers_and_addresses_still_fit_80_columns() -> None:
    summary = connections(scene())
    many = tuple(wide(number, summary.connections[0]) for number in range(100))
    report = connections_lines(replace(summary, connections=many), PLAIN)
    assert max(map(len, report)) <= 80
    assert "… and 60 more" in report
    assert ":54321" in report[1]


@pytest.mark.parametrize(
    ("closed_by", "ended", "word"),
    [
        (None, False, "waiting"),
        ("remote", False, "peer left"),
        ("local", False, "shut down"),
        ("remote", True, "by peer"),
        ("local", True, "by target"),
        ("reset", True, "reset"),
        ("failed", True, "failed"),
        (None, True, "closed"),
    ],
)
def test_words_for_states(closed_by: str | None, ended: bool, word: str) -> None:
    one = connections(scene()).connections[2]
    assert state_word(replace(one, closed_by=closed_by, ended_ns=STARTED_NS if ended else None)) == word


def test_no_connection_and_no_thread_are_said_in_words() -> None:
    assert connections_lines(connections(Scene()), PLAIN) == ["no connection was seen"]
    assert threads_lines([], PLAIN) == ["no thread was seen to do anything"]


def threads() -> tuple[ThreadActivity, ...]:
    made = Scene()
    made.files[9] = File(9, "anon_inode:[eventpoll]", 0, 0)
    for number in range(3):
        made.call("epoll_wait", 4, at=SECOND * (number + 1), took=SECOND // 2, slept=True, wake=Wake.NETWORK)
    made.call("futex", 4, at=SECOND, took=1000, slept=True, wake=Wake.THREAD, waker=7)
    made.call("read", 4, at=SECOND, took=1500, result=-5, woke=8, woke_count=2)
    made.io_uring("NOP", SECOND)
    made.call("epoll_wait", 4, at=9 * SECOND, took=SECOND, file=9, kind=Kind.UNFINISHED)
    made.call("accept4", 4, at=10 * SECOND, kind=Kind.UNFINISHED, submitted_ns=0, tid=5000, tgid=4242)
    found = followed(made, {4243: Thread(4243, 4242, "tokio-runtime-worker")}).threads()
    assert found is not None
    return found


def test_the_table_of_threads() -> None:
    assert (
        "\n".join(threads_lines(threads(), PLAIN))
        == """\
THREAD             NAME   PID  CALLS  IO_URING  ERRORS  SLEPT   AWAKE
4243    tokio-runtime-…  4242      5         1       1  1.50s  1.50µs
      waited in epoll_wait 1.50s (3×), futex 1.00µs (1×) · woken by network 3×,
      thread 7 1× · woke thread 8 2× · in epoll_wait <anon_inode:[eventpoll]>
      for 1.00s
5000                  –  4242      0         0       0    0ns     0ns
      in accept4 for 10.0s, the whole capture"""
    )


def test_many_threads_are_cut() -> None:
    one = threads()[0]
    busy = replace(one, system_calls=10**8, operations=10**8, errors=10**5, slept_ns=10**13, tid=4_194_303)
    report = threads_lines([busy] * 50, PLAIN)
    assert report[-1] == "… and 10 more"
    assert max(map(len, report)) <= 80


def test_system_calls_have_tables_of_their_own() -> None:
    source = FakeSource(
        [
            rows(
                row("READ", result=10, took_ns=10),
                call("read", 3, result=4096, took_ns=10, slept=True),
                call("read", 3, result=-11, took_ns=10),
                call("close", 3, took_ns=10),
            )
        ],
        context=context(probes=PROBES),
    )
    counting = ReplayedCounting(source)
    while not counting.wait(3600):
        pass
    assert (
        "\n".join(summary_lines(summary_of(counting), PLAIN))
        == """\
OPERATION  COUNT    RATE  ERRORS  BYTES  INLINE  POLL  IO-WQ
READ           1  0.10/s       0    10B    100%    0%     0%

LATENCY  MEAN   P50   P90   P99  P99.9   MAX
READ     10ns  10ns  10ns  10ns   10ns  10ns

SYSTEM CALL  COUNT    RATE  ERRORS    BYTES  SLEPT
read             2  0.20/s       1  4.00KiB  50.0%
close            1  0.10/s       0        –     0%

LATENCY  MEAN   P50   P90   P99  P99.9   MAX
read     10ns  10ns  10ns  10ns   10ns  10ns
close    10ns  10ns  10ns  10ns   10ns  10ns

total: 4 operations in 10.0 s, 0.40/s, 1 error, 4.01KiB
strace could have seen 75.0% of 4 operations (3 system calls at 0.30/s, 1
  io_uring at 0.10/s)
lost 0, untracked 0"""
    )


def every_call() -> list[str]:
    counters = empty_counters()
    for opcode in ALL_NAMES:
        if opcode >= FIRST_CALL:
            entry = counters[opcode]
            entry["submitted"] = entry["completions"] = entry["timed"] = entry["slept"] = (
                20_000_000_000 - opcode
            )
            entry["errors"], entry["bytes"] = 123_456, 2**62
            entry["histogram"][300], entry["sum_ns"] = 20_000_000_000, 2**60
    summary = summarise(context(probes=PROBES), counters, [], Losses(), 10**13)
    short, full = summary_lines(summary, PLAIN), summary_lines(summary, PLAIN, every_call=True)
    assert len(full) > 700
    assert max(map(len, full)) <= 80
    return short


def test_rare_calls_are_summed_up_unless_they_are_asked_for() -> None:
    short = every_call()
    assert len(short) < 60
    (rest,) = (line for line in short if line.startswith("…"))
    assert rest.endswith("times (-v shows all)")


def test_stat_with_connections_and_threads_streams(
    streaming: Callable[[FakeSource], None], run: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    made = scene()
    source = FakeSource(
        [made.records()], context=context(probes=PROBES), files=made.files, child_status=7 << 8
    )
    streaming(source)
    assert run("stat", "--connections", "--threads", "-i", "1", ME) == 7
    out, err = capsys.readouterr()
    assert out.index("PEER") < out.index("THREAD") < out.index("SYSTEM CALL")
    assert out.count("PEER") == 1, "intervals show counts only"
    assert source.stopped
    assert err.startswith("uringtrace: counting process")


def test_a_stopped_stream_is_consumed_to_its_end() -> None:
    from uringtrace.tracer.replayed_counting import StreamedCounting

    class Late(FakeSource):
        """Still delivers what was in flight after it was stopped, as a capture does."""

        def records(self):  # type: ignore[no-untyped-def]
            while not self.stopped:
                self.ended_ns += SECOND
                yield made.records(2**61, 2**62)
            yield made.records()

    made = scene()
    counting = StreamedCounting(Late([], files=made.files), connections=True)
    assert not counting.wait(3)
    assert counting.counters()["submitted"].sum() == 0
    counting.stop()
    assert counting.wait(0)
    assert counting.counters()["submitted"].sum() == 10
    found = counting.connections()
    assert found is not None
    assert len(found.connections) == 4
    assert counting.threads() is None


def test_a_recording_shows_its_connections(
    recording: Callable[..., str], run: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    made = scene()
    path = recording(FakeSource([made.records()], context=context(probes=PROBES), files=made.files))
    assert run("stat", "--connections", path) == 0
    out = capsys.readouterr().out
    assert "10.0.0.9:4002" in out
    assert "THREAD" not in out

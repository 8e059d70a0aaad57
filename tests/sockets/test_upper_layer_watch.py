"""Which records make the capture ask for a socket's upper layer, and what it then says."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import pytest

from tests.fakes import ALL_NAMES, call, row, rows
from uringtrace.tracer.record import SQE_FIXED_FILE, Batch, Kind
from uringtrace.tracer.records import only_operations
from uringtrace.tracer.source import File, OpenSocket, Socket, UpperLayer
from uringtrace.tracer.upper_layer_watch import UpperLayerWatch

TCP, TCP_ULP, TLS, TLS_TX, TLS_RX = 6, 31, 282, 1, 2
SOCKET = Socket("inet", "tcp", "127.0.0.1:443", "127.0.0.1:4000")
FILES = {
    1: File(1, "TCP 127.0.0.1:443->127.0.0.1:4000", 8, 500, SOCKET),
    2: File(2, "TCP 127.0.0.1:443->127.0.0.1:4001", 8, 501, SOCKET),
    3: File(3, "/dev/null", 6, 4),
}
SOFTWARE = UpperLayer("tls", "1.3", "AES-GCM-128", "software", "software")


@dataclass
class Kernel:
    """Answers with the sockets it is given, and counts how often it was asked."""

    sockets: Mapping[int, UpperLayer] = field(default_factory=dict)
    asked: list[Collection[int]] = field(default_factory=list)

    def __call__(self, *, pids: Collection[int]) -> Mapping[int, UpperLayer]:
        self.asked.append(pids)
        return self.sockets


def refresh(kernel: Kernel, *batches: Batch) -> tuple[OpenSocket, ...]:
    return UpperLayerWatch(ALL_NAMES, kernel).refresh(only_operations(rows(*batches)), FILES)


def setsockopt(level: int, option: int, **fields: object) -> Batch:
    return call("setsockopt", 9, level, option, 0x7F00, 40, **{"fd": 9, "file": 1, **fields})


def command(level: int, option: int, **fields: object) -> Batch:
    """SOCKET_URING_OP_SETSOCKOPT: struct io_uring_sqe keeps level and optname in addr."""
    return row("URING_CMD", **{"fd": 9, "file": 1, "off": 3, "addr": option << 32 | level, **fields})


@pytest.mark.parametrize("make", [setsockopt, command])
@pytest.mark.parametrize("option", [(TCP, TCP_ULP), (TLS, TLS_TX), (TLS, TLS_RX)])
def test_an_option_that_changes_the_upper_layer_is_followed_by_one_question(make, option) -> None:  # type: ignore[no-untyped-def]
    kernel = Kernel({500: SOFTWARE, 777: SOFTWARE})
    assert refresh(kernel, call("read", 9, file=1), make(*option)) == (
        OpenSocket(4242, 9, 500, SOCKET, SOFTWARE),
    )
    assert kernel.asked == [{4242}]


NOTHING_CHANGED = {
    "another call": call("getsockopt", 9, TLS, TLS_TX, file=1),
    "another level": setsockopt(1, TCP_ULP),
    "another option": setsockopt(TCP, 1),
    "a failure": setsockopt(TLS, TLS_TX, result=-22),
    "a call that did not return": setsockopt(TLS, TLS_TX, kind=Kind.UNFINISHED),
    "a command that failed": command(TLS, TLS_TX, result=-95),
    "another command": command(TLS, TLS_TX, off=2),
    "a command whose arguments were not seen": command(TLS, TLS_TX, has_arguments=False),
    "another level by command": command(1, TCP_ULP),
    "an operation with the same fields": row("SEND", off=3, addr=TLS_TX << 32 | TLS, file=1),
}


@pytest.mark.parametrize("batch", NOTHING_CHANGED.values(), ids=NOTHING_CHANGED.keys())
def test_nothing_is_asked_where_nothing_changed(batch: Batch) -> None:
    kernel = Kernel({500: SOFTWARE})
    assert refresh(kernel, batch) == ()
    assert kernel.asked == []


def test_an_idle_drain_asks_nothing() -> None:
    kernel = Kernel()
    assert refresh(kernel) == ()
    assert kernel.asked == []


def test_the_upper_half_of_off_is_padding() -> None:
    kernel = Kernel({500: SOFTWARE})
    assert len(refresh(kernel, command(TLS, TLS_TX, off=3 | 1 << 40))) == 1


def test_a_command_without_a_completion_counts_as_done() -> None:
    """IOSQE_CQE_SKIP_SUCCESS; the option may also have failed, so without an answer nothing is said."""
    assert len(refresh(Kernel({500: SOFTWARE}), command(TLS, TLS_TX, kind=Kind.SILENT))) == 1
    assert refresh(Kernel(), command(TLS, TLS_TX, kind=Kind.SILENT)) == ()


def test_a_direct_descriptor_is_no_number_of_the_process() -> None:
    (entry,) = refresh(Kernel({500: SOFTWARE}), command(TLS, TLS_TX, sqe_flags=SQE_FIXED_FILE))
    assert entry.fd == -1


def test_one_question_for_all_sockets_and_processes_of_a_drain() -> None:
    kernel = Kernel({500: SOFTWARE, 501: SOFTWARE})
    changes = [setsockopt(TLS, way, file=file, tgid=10 + file) for file in (1, 2) for way in (TLS_TX, TLS_RX)]
    assert [entry.inode for entry in refresh(kernel, *changes)] == [500, 501]
    assert kernel.asked == [{11, 12}]


def test_what_is_no_known_socket_is_left_out() -> None:
    kernel = Kernel({4: SOFTWARE})
    assert refresh(kernel, setsockopt(TLS, TLS_TX, file=3), setsockopt(TLS, TLS_TX, file=99)) == ()


def test_a_socket_that_closed_at_once_is_told_by_name_where_that_is_certain() -> None:
    """An option of TLS succeeds on TLS only; TCP_ULP may have set another layer."""
    (entry,) = refresh(Kernel(), setsockopt(TLS, TLS_TX))
    assert entry.upper_layer == UpperLayer("tls")
    assert refresh(Kernel(), setsockopt(TCP, TCP_ULP)) == ()


def test_a_socket_that_closed_after_an_answer_keeps_it() -> None:
    kernel = Kernel({500: SOFTWARE})
    watch = UpperLayerWatch(ALL_NAMES, kernel)
    change = only_operations(setsockopt(TLS, TLS_RX))
    watch.refresh(change, FILES)
    kernel.sockets = {}
    (entry,) = watch.refresh(change, FILES)
    assert entry.upper_layer == SOFTWARE


def test_a_direction_that_was_set_after_the_last_answer_is_not_told_as_none() -> None:
    kernel = Kernel({500: UpperLayer("tls", "1.3", "AES-GCM-128", "software", "none")})
    watch = UpperLayerWatch(ALL_NAMES, kernel)
    watch.refresh(only_operations(setsockopt(TLS, TLS_TX)), FILES)
    kernel.sockets = {}
    (entry,) = watch.refresh(only_operations(setsockopt(TLS, TLS_RX)), FILES)
    assert entry.upper_layer == UpperLayer("tls", "1.3", "AES-GCM-128", "software", None)


def test_other_architectures_and_kernels_without_the_names_ask_nothing() -> None:
    kernel = Kernel({500: SOFTWARE})
    watch = UpperLayerWatch({}, kernel)
    assert watch.refresh(only_operations(setsockopt(TLS, TLS_TX)), FILES) == ()
    assert kernel.asked == []

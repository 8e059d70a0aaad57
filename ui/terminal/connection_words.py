"""One connection in words, for its row and for what is above its own timeline."""

from __future__ import annotations

from uringtrace.tracer.connections import Connection
from uringtrace.ui.text import numbers
from uringtrace.ui.text.connections_table import state_word
from uringtrace.ui.text.summary_table import counted


def peer(connection: Connection) -> str | None:
    """The other side; of a unix socket without a name there, the name on this side."""
    return connection.remote or (connection.local if connection.protocol == "unix" else None)


def descriptor(connection: Connection) -> str:
    """`7`, or `d7` for an index into a ring's registered files."""
    if connection.fd is None:
        return numbers.UNKNOWN
    return f"{'d' if connection.direct else ''}{connection.fd}"


def tls_words(connection: Connection) -> str:
    """`kTLS 1.3`; the name of another upper layer; empty where none was observed."""
    if connection.upper_layer is None:
        return ""
    name = "kTLS" if connection.upper_layer == "tls" else connection.upper_layer
    return f"{name} {connection.tls_version}" if connection.tls_version else name


def waited_ns(connection: Connection, now_ns: int) -> int | None:
    """How long a request waits for the first byte of its answer already; None when none does."""
    since = connection.request_waiting_ns
    return None if since is None else max(0, now_ns - since)


def connection_lines(connection: Connection, started_ns: int, now_ns: int) -> list[str]:
    """Everything about it but its operations; the first line says what matters now."""
    return [
        _now(connection, now_ns),
        _sides(connection),
        _amounts(connection, started_ns, now_ns),
        *([_requests(connection)] if connection.requests else []),
        *([_upper_layer(connection)] if connection.upper_layer else []),
        *([_errors(connection)] if connection.errors else []),
    ]


def _now(connection: Connection, now_ns: int) -> str:
    waited = waited_ns(connection, now_ns)
    if waited is not None:
        return f"waiting {numbers.duration(waited)} for the first byte of an answer"
    idle = connection.idle_ns(now_ns)
    word = state_word(connection)
    if not connection.is_open and word in ("by peer", "by target"):
        word = f"closed {word}"
    return word if idle is None else f"{word}, idle for {numbers.duration(idle)}"


def _sides(connection: Connection) -> str:
    words = [
        f"{connection.protocol} {connection.local or numbers.UNKNOWN} ↔ "
        f"{connection.remote or numbers.UNKNOWN}",
        f"descriptor {descriptor(connection)} of pid {connection.tgid or numbers.UNKNOWN}",
        connection.role or "role not known",
    ]
    if connection.processes > 1:
        words.append(f"{connection.processes} processes")
    if connection.listener is not None:
        words.append(f"accepted from {connection.listener}")
    return " · ".join(words)


def _amounts(connection: Connection, started_ns: int, now_ns: int) -> str:
    at_least = "" if connection.bytes_exact else "at least "
    before = "at least " if connection.began_ns is None else ""
    words = [
        f"{at_least}{numbers.size(connection.bytes_in)} in",
        f"{at_least}{numbers.size(connection.bytes_out)} out",
        f"{numbers.count(connection.operations_in)} operations in, "
        f"{numbers.count(connection.operations_out)} out",
        f"age {before}{numbers.duration(connection.age_ns(started_ns, now_ns))}",
    ]
    if connection.interfaces:
        words.append(connection.interfaces.replace(" ", " and "))
    return " · ".join(words)


def _requests(connection: Connection) -> str:
    requests = connection.requests or 0
    first_sum = connection.request_first_sum_ns
    mean = first_sum / requests if requests and first_sum is not None else None
    return (
        f"{counted(requests, 'request')} answered · first byte of the answer: "
        f"latest {numbers.duration(connection.request_first_latest_ns)}, "
        f"mean {numbers.duration(mean)}, max {numbers.duration(connection.request_first_max_ns)} · "
        f"last byte: latest {numbers.duration(connection.request_last_latest_ns)}, "
        f"max {numbers.duration(connection.request_last_max_ns)}"
    )


def _upper_layer(connection: Connection) -> str:
    words = [" ".join(part for part in (tls_words(connection), connection.tls_cipher) if part)]
    for way, who in (("transmit", connection.tls_transmit), ("receive", connection.tls_receive)):
        if who is not None:
            words.append(f"{way} {who}")
    return " · ".join(words)


def _errors(connection: Connection) -> str:
    return f"{counted(connection.errors, 'error')}, the last {connection.last_error or numbers.UNKNOWN}"

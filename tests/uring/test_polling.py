"""A port that a killed server's ring still holds is waited for; any other refusal is not."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from uringtrace.errors import UsageError
from uringtrace.targets.catalogue import ARCHITECTURES
from uringtrace.targets.serving import House, Options
from uringtrace.targets.uring import polling

ARCHITECTURE = ARCHITECTURES["uring-sqpoll"]


def test_a_port_that_becomes_free_is_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        monkeypatch.setattr(polling.time, "sleep", lambda seconds: holder.close())
        options = Options(tmp_path, port=port)
        with polling.listen(options, House(ARCHITECTURE, options)) as listener:
            assert listener.getsockname()[1] == port


def test_a_port_that_stays_taken_is_refused_in_the_end(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    clock = iter(range(100))
    monkeypatch.setattr(polling.time, "monotonic", lambda: next(clock))
    monkeypatch.setattr(polling.time, "sleep", lambda seconds: None)
    with socket.create_server(("127.0.0.1", 0)) as holder:
        options = Options(tmp_path, port=holder.getsockname()[1])
        with pytest.raises(UsageError, match="Address already in use"):
            polling.listen(options, House(ARCHITECTURE, options))


def test_an_address_of_another_machine_is_refused_at_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(polling.time, "sleep", lambda seconds: pytest.fail("it waited"))
    options = Options(tmp_path, host="192.0.2.1")
    with pytest.raises(UsageError, match="cannot listen"):
        polling.listen(options, House(ARCHITECTURE, options))

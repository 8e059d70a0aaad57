"""A kTLS server under capture: what its connections are told as, and that no key is told."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from tests.conftest import Run
from tests.vm.conftest import RunInVm
from tests.vm.ktls_server import ANSWER, REQUEST, REQUESTS
from tests.vm.machine import Kernel

SECONDS = 1200


def connections_of(output: str, server: dict[str, list[dict[str, str]]]) -> Iterator[tuple[dict, dict]]:  # type: ignore[type-arg]
    """What the server says of each connection, and what the capture says of it."""
    told = {connection["remote"]: connection for connection in json.loads(output)["connections"]}
    for expected in server["connections"]:
        yield expected, told[expected["peer"]]


@pytest.mark.vm
@pytest.mark.timeout(SECONDS + 60)
def test_connections_show_their_tls_and_nothing_shows_the_keys(
    run_in_vm: RunInVm, kernel: Kernel, run_uringtrace: Run
) -> None:
    """Set by setsockopt(2) and, from Linux 6.7 on, by an io_uring command."""
    _, exchange = run_in_vm("tests/vm/capture_ktls.sh", sys.executable, seconds=SECONDS)
    ways = {"call", "command"} if kernel.version_numbers >= (6, 7) else {"call"}
    replayed = run_uringtrace("stat", "--connections", "--json", str(exchange / "recording"))
    assert replayed.returncode == 0, replayed.stderr
    for name, output in (("stat", (exchange / "stat.output").read_text()), ("record", replayed.stdout)):
        server = json.loads((exchange / f"{name}.server").read_text())
        assert {connection["way"] for connection in server["connections"]} == ways
        for expected, told in connections_of(output, server):
            assert told["upper_layer"] == "tls"
            assert (told["tls_version"], told["tls_cipher"]) == (expected["version"], expected["cipher"])
            assert (told["tls_transmit"], told["tls_receive"]) == ("software", "software")
            assert told["bytes_in"] == REQUESTS * len(REQUEST)
            assert told["bytes_out"] == REQUESTS * len(ANSWER)
    lines = run_uringtrace("log", str(exchange / "recording"))
    assert lines.returncode == 0, lines.stderr
    (exchange / "replayed").write_text(replayed.stdout + lines.stdout)
    for part in (exchange / "recording").rglob("*.parquet"):
        (exchange / f"{part.stem}.values").write_bytes(values_of(part))
    assert "TLS_TX" in (exchange / "log.output").read_text()
    for server_file in exchange.glob("*.server"):
        keys = [bytes.fromhex(key) for key in json.loads(server_file.read_text())["keys"]]
        assert len(keys) == 2 * len(ways)
        assert traces_of(keys, exchange) == []


def values_of(part: Path) -> bytes:
    """Every value of a Parquet file, uncompressed: numbers as 16 bytes, texts as they are."""
    return raw(duckdb.sql(f"FROM read_parquet('{part}')").fetchall())


def raw(value: object) -> bytes:
    if isinstance(value, bytes):
        return value
    if isinstance(value, int):
        return value.to_bytes(16, "little", signed=True)
    if isinstance(value, list | tuple):
        return b"".join(map(raw, value))
    if isinstance(value, dict):
        return raw(list(value.values()))
    return str(value).encode()


def traces_of(keys: list[bytes], directory: Path) -> list[tuple[Path, bytes]]:
    """Files that hold six bytes in a row of a key: as they are, in hexadecimal or escaped."""
    parts = [key[start : start + 6] for key in keys for start in range(len(key) - 5)]
    found = []
    for file in directory.rglob("*"):
        if file.suffix == ".server" or not file.is_file():
            continue
        data = file.read_bytes()
        for part in parts:
            escaped = "".join(f"\\x{byte:02x}" for byte in part).encode()
            if part in data or part.hex().encode() in data or escaped in data:
                found.append((file, part))
    return found


def test_the_search_finds_what_it_is_for(tmp_path: Path) -> None:
    key = bytes(range(100, 130))
    (tmp_path / "raw").write_bytes(b"..." + key[10:16] + b"...")
    (tmp_path / "hexadecimal").write_text(f"key={key[:6].hex()}")
    (tmp_path / "escaped").write_text("\\x64\\x65\\x66\\x67\\x68\\x69")
    (tmp_path / "other").write_bytes(key[10:15])
    part = tmp_path / "numbers.parquet"
    duckdb.sql(f"SELECT {int.from_bytes(key[:8], 'little')}::UBIGINT AS argument").write_parquet(str(part))
    (tmp_path / "values").write_bytes(values_of(part))
    found = {file.name for file, _ in traces_of([key], tmp_path)}
    assert {"raw", "hexadecimal", "escaped", "values"} <= found
    assert "other" not in found

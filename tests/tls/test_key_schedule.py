"""The key schedule gives the values of RFC 8448, and the kernel's structs hold its keys."""

from __future__ import annotations

import struct

import pytest

from tests.tls import vectors
from uringtrace.targets.tls import key_schedule
from uringtrace.targets.tls.key_schedule import AES_128_GCM, AES_256_GCM, CHACHA20_POLY1305, Suite
from uringtrace.targets.tls.ktls import crypto_info


def test_handshake_and_master_secret() -> None:
    secret = key_schedule.handshake_secret(AES_128_GCM, vectors.SHARED)
    assert secret == vectors.HANDSHAKE_SECRET
    assert key_schedule.master_secret(AES_128_GCM, secret) == vectors.MASTER_SECRET


def test_handshake_traffic() -> None:
    secrets = key_schedule.handshake_traffic(AES_128_GCM, vectors.HANDSHAKE_SECRET, vectors.HELLO_HASH)
    assert secrets == key_schedule.TrafficSecrets(vectors.CLIENT_HANDSHAKE, vectors.SERVER_HANDSHAKE)


def test_application_traffic() -> None:
    secrets = key_schedule.application_traffic(AES_128_GCM, vectors.MASTER_SECRET, vectors.FINISHED_HASH)
    assert secrets == key_schedule.TrafficSecrets(vectors.CLIENT_APPLICATION, vectors.SERVER_APPLICATION)


def test_traffic_key() -> None:
    made = key_schedule.traffic_key(AES_128_GCM, vectors.SERVER_HANDSHAKE)
    assert made == key_schedule.TrafficKey(vectors.SERVER_HANDSHAKE_KEY, vectors.SERVER_HANDSHAKE_IV)


def test_verify_data() -> None:
    expected = key_schedule.verify_data(AES_128_GCM, vectors.CLIENT_HANDSHAKE, vectors.FINISHED_HASH)
    assert expected == vectors.CLIENT_VERIFY_DATA


@pytest.mark.parametrize(
    ("suite", "number", "size", "salt"),
    [(AES_128_GCM, 51, 40, 4), (AES_256_GCM, 52, 56, 4), (CHACHA20_POLY1305, 54, 56, 0)],
    ids=lambda value: value.name if isinstance(value, Suite) else str(value),
)
def test_crypto_info_is_the_kernels_struct(suite: Suite, number: int, size: int, salt: int) -> None:
    """The sizes are those of include/uapi/linux/tls.h; salt and vector together are the key's vector."""
    secret = bytes(range(suite.digest_bytes))
    info = crypto_info(suite, secret, sequence=2)
    assert len(info) == size
    assert struct.unpack("=HH", info[:4]) == (0x304, number)
    made = key_schedule.traffic_key(suite, secret)
    vector, key = info[4 : 16 - salt], info[16 - salt : 16 - salt + suite.key_bytes]
    rest = info[16 - salt + suite.key_bytes :]
    assert key == made.key
    assert rest[:salt] + vector == made.iv
    assert rest[salt:] == (2).to_bytes(8, "big")

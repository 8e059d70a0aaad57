"""Which mode is chosen, and what is said to be missing."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from uringtrace.errors import CapabilityError
from uringtrace.targets.https import modes
from uringtrace.targets.https.modes import Found, choose, missing_piece
from uringtrace.targets.tls.key_schedule import AES_128_GCM, SUITES
from uringtrace.targets.tls.ktls import TCP_ULP, TLS_TX

ALL = Found(None, None, (AES_128_GCM,))
OLDER = Found(None, "no setsockopt command", (AES_128_GCM,))
NOTHING = Found("no tls module", "no tls module", ())


@pytest.mark.parametrize(
    ("found", "forced", "name", "missing"),
    [
        (ALL, None, "ktls-ring", None),
        (ALL, "ktls-setsockopt", "ktls-setsockopt", None),
        (ALL, "user-records", "user-records", None),
        (OLDER, None, "ktls-setsockopt", "no setsockopt command"),
        (NOTHING, None, "user-records", "no tls module"),
        (NOTHING, "user-records", "user-records", "no tls module"),
    ],
)
def test_the_best_or_the_forced_mode(
    found: Found, forced: str | None, name: str, missing: str | None
) -> None:
    mode = choose(found, forced)
    assert (mode.name, mode.missing) == (name, missing)
    assert mode.suites == (tuple(SUITES.values()) if name == modes.USER_RECORDS else (AES_128_GCM,))


@pytest.mark.parametrize(
    ("found", "forced"), [(OLDER, "ktls-ring"), (NOTHING, "ktls-ring"), (NOTHING, "ktls-setsockopt")]
)
def test_an_impossible_mode_is_refused_with_what_is_missing(found: Found, forced: str) -> None:
    with pytest.raises(CapabilityError) as refused:
        choose(found, forced)
    assert forced in refused.value.message
    assert (found.no_command or "") in refused.value.message
    assert refused.value.way_out


def test_what_is_missing_is_named_with_the_kernels_words() -> None:
    assert missing_piece(TCP_ULP, OSError(errno.ENOENT, "")) == "no tls module (TCP_ULP: ENOENT)"
    assert "no such cipher" in missing_piece(TLS_TX, OSError(errno.ENOENT, ""))
    assert "setsockopt command" in missing_piece(TCP_ULP, OSError(errno.EOPNOTSUPP, ""))
    assert missing_piece(TLS_TX, OSError(errno.EPERM, "")).endswith("(TLS_TX: EPERM)")


def test_the_probe_finds_what_this_kernel_says_it_has() -> None:
    """Against /proc: where `tls` is no upper layer even after it was asked for, there is no kTLS."""
    found = modes.probe()
    layers = Path("/proc/sys/net/ipv4/tcp_available_ulp").read_text().split()
    assert ("tls" in layers) == (found.no_ktls is None)

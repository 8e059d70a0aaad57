"""Which reference servers run on this machine, and what the others lack.

Everything is tried, nothing is concluded from a version. No server is started for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from uringtrace.errors import CapabilityError
from uringtrace.targets.catalogue import Architecture
from uringtrace.targets.serving import WAY_TO_INSTALL, missing_packages


@dataclass(frozen=True, slots=True)
class Support:
    """What this machine offers one architecture."""

    lacks: str = ""
    """What is missing, in one line; empty where the server runs."""
    way_out: str = ""
    modes: tuple[str, ...] = ()
    """Those that work here, the default first; of a server without modes empty."""
    note: str = ""
    """Why the default mode is no better one."""


def support(architecture: Architecture) -> Support:
    """Whether, and in which modes, this machine runs the server."""
    missing = missing_packages(architecture)
    if missing:
        return Support(f"needs {' and '.join(missing)}", WAY_TO_INSTALL)
    # Only `uring` and a mode of `sendfile` do without a kernel thread that polls.
    refusal = _ring_refusal(polled=architecture.name != "uring") if architecture.io_uring else None
    if refusal is not None:
        return Support(refusal.message, refusal.way_out)
    if architecture.probes_mode:
        return _tls_modes()
    modes = architecture.modes
    if "splice" in modes and _ring_refusal(polled=False) is not None:
        modes = tuple(mode for mode in modes if mode != "splice")
    return Support(modes=modes)


@cache
def _ring_refusal(*, polled: bool) -> CapabilityError | None:
    """Why this machine gives us no ring, `polled` by a kernel thread or not; None where it does."""
    from uringtrace.targets.uring import constants
    from uringtrace.targets.uring.ring import Ring

    try:
        Ring(4, constants.SETUP_SQPOLL if polled else 0).close()
    except CapabilityError as error:
        return error
    return None


@cache
def _tls_modes() -> Support:
    from uringtrace.targets.https import modes

    found = modes.probe()
    best = modes.choose(found, None)
    others = [modes.KTLS_SETSOCKOPT] if found.no_ktls is None else []
    possible = dict.fromkeys((best.name, *others, modes.USER_RECORDS))
    return Support(modes=tuple(possible), note=best.missing or "")

"""One certificate, and both back ends on it."""

from __future__ import annotations

import pytest

from uringtrace.targets.tls.certificate import Certificate, self_signed
from uringtrace.targets.tls.handshake import Handshakes
from uringtrace.targets.tls.minimal_handshake import MinimalHandshakes
from uringtrace.targets.tls.pyopenssl_handshake import PyOpenSslHandshakes


@pytest.fixture(scope="session")
def certificate() -> Certificate:
    return self_signed()


@pytest.fixture(params=["minimal", "pyopenssl"])
def back_end(request: pytest.FixtureRequest, certificate: Certificate) -> Handshakes:
    if request.param == "minimal":
        return MinimalHandshakes(certificate)
    return PyOpenSslHandshakes(certificate)

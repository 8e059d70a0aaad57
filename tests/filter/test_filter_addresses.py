"""Addresses in filters: which are read, which are refused, and that one always fits itself."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uringtrace.tracer.filter.addresses import address_pattern
from uringtrace.tracer.filter.wrong_value import WrongValue


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("localhost", "names are not looked up"),
        ("example.org:80", "names are not looked up"),
        ("10.0.0", "for example: 10.0.0.0/8"),
        ("10.0.0.0/33", "for example"),
        ("10.0.0.1/8", "its network is 10.0.0.0/8"),
        ("010.0.0.1", "for example"),
        ("127.0.0.1:", "ports are numbers"),
        ("127.0.0.1:http", "'http' is not a port"),
        (":0", "from 1 to 65535"),
        (":65536", "from 1 to 65535"),
        (":٣", "from 1 to 65535"),
        (":", "ports are numbers"),
        ("[127.0.0.1]:80", "has no brackets"),
        ("[::1", "for example"),
        ("[]:80", "for example"),
        ("[::1]80", "for example"),
        ("::1:80:x", "for example"),
        ("fe80::1%eth0:80", "for example"),
        ("Unix", "names are not looked up"),
    ],
)
def test_what_is_no_address_is_refused_with_an_example(text: str, said: str) -> None:
    with pytest.raises(WrongValue) as caught:
        address_pattern(text)
    assert said in f"{caught.value.message} {caught.value.way_out}"


HOSTS = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6))


@given(HOSTS, st.integers(1, 65535), HOSTS, st.integers(1, 65535))
def test_an_address_fits_itself_and_no_other(host: object, port: int, other: object, other_port: int) -> None:
    def shown(address: object, number: int) -> str:
        return f"[{address}]:{number}" if ":" in str(address) else f"{address}:{number}"

    assert address_pattern(shown(host, port)).fits(shown(host, port), unix=False)
    assert address_pattern(str(host)).fits(shown(host, port), unix=False)
    assert address_pattern(f":{port}").fits(shown(host, port), unix=False)
    assert address_pattern(shown(host, port)).fits(shown(other, other_port), unix=False) == (
        (host, port) == (other, other_port)
    )


@given(st.text(max_size=30))
def test_any_text_is_an_address_or_refused(text: str) -> None:
    error = pattern = None
    try:
        pattern = address_pattern(text)
    except WrongValue as wrong:
        error = wrong
    if pattern is None:
        assert error is not None
        assert error.message
        assert error.way_out
    else:
        pattern.fits(text, unix=False)


def test_internet_patterns_never_fit_a_unix_socket() -> None:
    assert not address_pattern(":80").fits("/run/a:80", unix=True)
    assert address_pattern("/run/a:80").fits("/run/a:80", unix=True)
    assert not address_pattern("unix").fits("1.2.3.4:5", unix=False)

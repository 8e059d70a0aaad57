"""Load goes to this machine only, whatever name or spelling is used."""

import socket

import pytest

from uringtrace.errors import UsageError
from uringtrace.targets.load import address
from uringtrace.targets.load.address import endpoint


@pytest.mark.parametrize(
    ("url", "full", "host", "where", "path", "tls"),
    [
        ("127.0.0.1:8080", "http://127.0.0.1:8080/", "127.0.0.1:8080", "127.0.0.1:8080", "/", False),
        ("http://127.0.0.1", "http://127.0.0.1/", "127.0.0.1", "127.0.0.1:80", "/", False),
        ("https://127.0.0.1", "https://127.0.0.1/", "127.0.0.1", "127.0.0.1:443", "/", True),
        (
            "http://127.9.9.9:1/a?b=c#d",
            "http://127.9.9.9:1/a?b=c",
            "127.9.9.9:1",
            "127.9.9.9:1",
            "/a?b=c",
            False,
        ),
        ("http://[::1]:8080/x", "http://[::1]:8080/x", "[::1]:8080", "[::1]:8080", "/x", False),
    ],
)
def test_url(url, full, host, where, path, tls):
    place = endpoint(url)
    assert (place.url, place.host, str(place), place.path, place.tls) == (full, host, where, path, tls)


def test_tls_can_be_asked_for_apart():
    place = endpoint("127.0.0.1:8443/x", tls=True)
    assert (place.url, place.tls) == ("https://127.0.0.1:8443/x", True)


@pytest.mark.parametrize("url", ["http://192.0.2.7/", "http://8.8.8.8:80/", "http://[2001:db8::5]/"])
def test_another_machine_is_refused(url):
    with pytest.raises(UsageError, match="not on this machine"):
        endpoint(url)


@pytest.mark.parametrize(
    "url",
    ["ftp://127.0.0.1/", "http://", "http://127.0.0.1:99999/", "http://a b/", "http://me@127.0.0.1/", "/x"],
)
def test_no_such_url(url):
    with pytest.raises(UsageError):
        endpoint(url)


def rows(*addresses):
    """What getaddrinfo returns for these IPv4 addresses."""
    return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, 80)) for each in addresses]


def test_every_address_of_a_name_must_be_here(monkeypatch):
    real = socket.getaddrinfo

    def resolve(name, *arguments, **options):
        if name == "mixed.test":
            return rows("127.0.0.1", "192.0.2.7")
        return real(name, *arguments, **options)

    monkeypatch.setattr(address.socket, "getaddrinfo", resolve)
    with pytest.raises(UsageError, match=r"mixed\.test \(192\.0\.2\.7\) is not on this machine"):
        endpoint("http://mixed.test/")


def test_where_anything_can_be_bound_only_loopback_is_here(monkeypatch):
    """As with net.ipv4.ip_nonlocal_bind, which lets a socket be bound to a foreign address."""
    monkeypatch.setattr(address, "_bindable", lambda family, text: True)
    assert address.is_here(socket.AF_INET, "127.0.0.1")
    assert not address.is_here(socket.AF_INET, "192.0.2.7")
    assert not address.is_here(socket.AF_INET, "10.1.2.3")


def test_an_address_that_can_be_bound_is_here(monkeypatch):
    monkeypatch.setattr(address, "_bindable", lambda family, text: text == "10.1.2.3")
    assert address.is_here(socket.AF_INET, "10.1.2.3")
    assert not address.is_here(socket.AF_INET, "10.1.2.4")

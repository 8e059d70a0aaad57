"""Pseudonyms: the same for the same, different for the different, and nothing of the original in them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import context
from uringtrace.tracer.redaction import RAW_COLUMNS, Pseudonyms
from uringtrace.tracer.source import File, OpenSocket, Socket, Thread

ADDRESS = Socket("inet", "tcp", "10.1.2.3:443", "192.0.2.7:50123")


def test_an_address_keeps_its_form_and_what_names_nothing():
    names = Pseudonyms()
    assert names.address("10.1.2.3:443") == "host-1:port-1"
    assert names.address("[2001:db8::1]:443") == "host-2:port-1"
    assert names.address("[2001:DB8::1]:0") == "host-2:0"
    assert names.address("0.0.0.0:80") == "0.0.0.0:port-2"
    assert names.address("[::]:80") == "[::]:port-2"
    assert names.address("/run/secret.sock") == "unix-1"
    assert names.address("@secret") == "unix-2"
    assert names.address("socket:[12]") == "socket:[12]"
    assert names.address(None) is None


def test_an_address_that_is_part_of_another_is_another():
    names = Pseudonyms()
    assert names.address("1.1.1.1:80") != names.address("1.1.1.1:8080")
    assert names.address("1.1.1.1:80") != names.address("11.1.1.1:80")


@pytest.mark.parametrize(
    ("description", "redacted"),
    [
        ("TCP 10.1.2.3:443->192.0.2.7:50123", "TCP host-1:port-1->host-2:port-2"),
        ("TCP 10.1.2.3:443 listening", "TCP host-1:port-1 listening"),
        ("UDPv6 [fe80::1%eth0]:53", "UDPv6 host-1:port-1"),
        ("protocol 132 10.1.2.3:443", "protocol 132 host-1:port-1"),
        ("TCP 0.0.0.0:0", "TCP 0.0.0.0:0"),
        ("UNIX /run/secret.sock", "UNIX unix-1"),
        ("UNIX socket:[12]->@secret", "UNIX socket:[12]->unix-1"),
        ("pipe:[12]", "pipe:[12]"),
        ("anon_inode:[eventpoll]", "anon_inode:[eventpoll]"),
        ("anon_inode:inotify", "anon_inode:inotify"),
        ("/var/lib/secret.db", "path-1"),
        ("/TCP 10.1.2.3:443", "path-1"),
        ("TCP secret", "TCP unix-1"),
        ("/pipe:[12]", "path-1"),
        ("pipe:[12]\n", "path-1"),
        ("", "path-1"),
    ],
)
def test_a_description(description, redacted):
    assert Pseudonyms().description(description) == redacted


def test_what_belongs_together_still_does():
    names = Pseudonyms()
    file = names.file(File(1, "TCP 10.1.2.3:443->192.0.2.7:50123", 8, 99, ADDRESS))
    opened = names.open_socket(OpenSocket(4242, 7, 99, ADDRESS))
    assert file.socket == opened.socket
    assert file.description == f"TCP {opened.socket.local}->{opened.socket.remote}"
    assert names.path("/etc/x.conf") == names.description("/etc/x.conf")
    assert (file.file, file.inode, opened.fd) == (1, 99, 7)


def test_threads_and_their_own_workers():
    names = Pseudonyms()
    assert names.thread(Thread(5, 4, "secret")).name == "name-1"
    assert names.thread(Thread(6, 4, None)).name is None
    assert names.name("iou-sqp-4242") == "iou-sqp-4242"
    assert names.name("iou-sqp-secret") == "name-2"


def test_the_target_keeps_process_ids_and_loses_its_command_line():
    names = Pseudonyms()
    redacted = names.context(context(target="./serve --key s3cret", command=("./serve", "--key", "s3cret")))
    assert redacted.command == ("argument-1", "argument-2", "argument-3")
    assert redacted.target == "argument-1 argument-2 argument-3"
    for kept in ("process 4242", "processes 1, 2", "process 9 (1 in its pid namespace)", "all processes"):
        assert names.target(kept) == kept
    assert names.target("process 4242; s3cret") == "argument-4"
    assert names.target("all processes", ("all", "processes")) == "argument-5 argument-6"


def test_columns_of_raw_values_are_columns_of_recordings():
    from uringtrace.tracer.recording.columns import COLUMNS
    from uringtrace.tracer.recording.tables import PART_TABLES

    known = {column.name for column in COLUMNS}
    known |= {column.name for table in PART_TABLES for column in table.columns}
    assert set(RAW_COLUMNS) <= known


SECRET = st.text("xyzXYZ", min_size=4)  # letters that no pseudonym and no fixed word has


@given(st.lists(st.one_of(SECRET, SECRET.map("/{0}/{0}".format), SECRET.map("UNIX @{}".format)), min_size=2))
def test_nothing_of_a_text_is_in_its_pseudonym_and_none_share_one(texts):
    names = Pseudonyms()
    for redact in (names.address, names.path, names.name, names.argument, names.description):
        first = [redact(text) for text in texts]
        assert first == [redact(text) for text in texts]
        assert len(set(first)) == len(set(texts))
        assert not any(set("xyzXYZ") & set(pseudonym.removeprefix("UNIX ")) - {"x"} for pseudonym in first)


@given(st.lists(st.ip_addresses(), min_size=1), st.integers(1, 65535))
def test_no_address_is_left(addresses, port):
    names = Pseudonyms()
    for address in addresses:
        text = f"[{address}]:{port}" if address.version == 6 else f"{address}:{port}"
        redacted = names.description(f"TCP {text}->{text} listening")
        assert address.is_unspecified or str(address) not in redacted
        assert redacted.endswith(" listening")

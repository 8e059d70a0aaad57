"""`log` says what each descriptor stands for, as the program itself and /proc know it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.bpf.processes import Held, Json, Tracer, json_lines, wait_for
from tests.bpf.programs import compiled

pytestmark = pytest.mark.bpf


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> tuple[Json, dict[str, Json], dict[str, str]]:
    """What the program knows, our line for each of its operations, and /proc's links."""
    folder = tmp_path_factory.mktemp("described")
    program = compiled("descriptors", folder)
    with (
        Held([program, folder], folder / "target") as target,
        Tracer(folder / "log", "log", "--json", "-p", str(target.pid)) as log,
    ):
        log.attached()
        target.go()
        wait_for(lambda: len(json_lines(target.output())) == 2 or not target.running(), "operations done")
        assert target.running(), target.notices()
        known = json_lines(target.output())[1]
        descriptors = Path(f"/proc/{target.pid}/fd")
        links = {
            name: str((descriptors / str(each["fd"])).readlink())
            for name, each in known.items()
            if name != "fixed"
        }
        target.go()
        assert target.wait() == 0
        by_user_data = {int(line["user_data"], 16): line for line in log.operations()}
    assert sorted(by_user_data) == sorted(each["user_data"] for each in known.values())
    return known, {name: by_user_data[each["user_data"]] for name, each in known.items()}, links


Described = tuple[Json, dict[str, Json], dict[str, str]]


@pytest.mark.parametrize("name", ["file", "device", "event", "pipe"])
def test_files_are_called_as_in_proc(described: Described, name: str) -> None:
    _, lines, links = described
    assert lines[name]["file"] == links[name]


def test_a_registered_file_is_called_as_the_file_it_is(described: Described) -> None:
    _, lines, links = described
    assert (lines["fixed"]["direct"], lines["fixed"]["fd"]) == (True, 0)
    assert lines["fixed"]["file"] == links["file"]
    assert not lines["file"]["direct"]


@pytest.mark.parametrize("name", ["tcp", "tcp accepted", "tcp6", "udp"])
def test_sockets_are_called_by_protocol_and_both_addresses(described: Described, name: str) -> None:
    known, lines, _ = described
    (local, local_port), (remote, remote_port) = known[name]["local"], known[name]["remote"]
    if ":" in local:
        local, remote = f"[{local}]", f"[{remote}]"
    protocol = {"tcp": "TCP", "tcp accepted": "TCP", "tcp6": "TCPv6", "udp": "UDP"}[name]
    assert lines[name]["file"] == f"{protocol} {local}:{local_port}->{remote}:{remote_port}"


def test_unix_sockets_are_called_by_path_or_inode(described: Described) -> None:
    known, lines, links = described
    assert lines["unix bound"]["file"] == f"UNIX {known['unix bound']['path']}"
    assert lines["unix pair"]["file"] == f"UNIX {links['unix pair']}"


def test_each_line_has_the_descriptor_the_program_used(described: Described) -> None:
    known, lines, _ = described
    assert {name: line["fd"] for name, line in lines.items()} == {
        name: each["fd"] for name, each in known.items()
    }


Log = Callable[[str], list[str]]


@pytest.fixture
def log_of(kinds: Path, tmp_path: Path) -> Log:
    """The lines of `log` about one subject's io_uring operations, without the process's own line of JSON."""

    def run(subject: str) -> list[str]:
        with Tracer(tmp_path, "log", "-e", "io_uring", "--", kinds, subject) as log:
            assert log.wait() == 0, log.notices()
            return [line for line in log.output().splitlines() if line.startswith("[pid")]

    return run


def test_a_new_file_in_the_memory_of_a_removed_one_has_its_own_name(log_of: Log) -> None:
    """File systems give the inode number of a removed file to the next one, the kernel its memory."""
    lines = log_of("fixed_files")
    first = next(line for line in lines if "fixed:2<" in line).partition("<")[2].partition(">")[0]
    second = next(line for line in lines if "fixed:1<" in line).partition("<")[2].partition(">")[0]
    assert "/uringtrace-kinds." in first
    assert "/uringtrace-kinds." in second
    assert first != second


def test_lines_tell_how_a_multishot_operation_went_and_ended(log_of: Log) -> None:
    lines = [line for line in log_of("multishot_recv") if "] RECV(" in line]
    numbers = [line.partition(" #")[2].split()[0] for line in lines]
    assert numbers == [*"1234", *"12345", *"12345"]
    ended = [line.partition("ended=")[2].split()[0] for line in lines if "ended=" in line]
    assert ended == ["cancelled", "no-buffers", "end-of-file"]


def test_lines_tell_chain_and_position(log_of: Log) -> None:
    links = [line.rpartition("link=")[2] for line in log_of("links") if "link=" in line]
    lengths = [4, 3, 2, 3, 3, 2]
    expected = [f"{chain}/{place}" for chain, length in enumerate(lengths, 1) for place in range(length)]
    assert sorted(links) == sorted(expected)


def test_lines_name_both_ends_of_a_connection(log_of: Log) -> None:
    """What one end sends to is what the other end receives on."""
    lines = log_of("sockets")
    sent = {line.partition("<TCP ")[2].partition(">,")[0] for line in lines if "] SEND(" in line}
    received = {line.partition("<TCP ")[2].partition(">,")[0] for line in lines if "] RECV(" in line}
    [client], [server] = sent, received
    assert server == "->".join(reversed(client.split("->")))
    [accepting] = [line for line in lines if "] ACCEPT(" in line]
    assert f"<TCP {client.split('->')[1]} listening>" in accepting

"""Keys of any kind are taken out of every line that says what they are, and nothing else is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.strace.corpus_logs import CORPUS
from uringtrace.tracer.strace import Call, lines_of, parse, without_keys
from uringtrace.tracer.strace.forms import without_colours

OUT = "<redacted>"
SECRET = re.compile(r"SECRE|SALT|KEY-|\\x53\\x45")

# As strace 6.1 printed them, but for those of dm-crypt and netlink: after its source.
LINES = {
    'add_key("user", "mine", "SECRET", 14, KEY_SPEC_PROCESS_KEYRING) = 368455126': (
        f'add_key("user", "mine", {OUT}, 14, KEY_SPEC_PROCESS_KEYRING) = 368455126'
    ),
    'add_key("user", "a \\"name", "SEC\\"RET"..., 14, -2) = 5': (
        f'add_key("user", "a \\"name", {OUT}, 14, -2) = 5'
    ),
    'add_key(0x55, 0x66, "SECRET", 14, -2) = 5': f"add_key(0x55, 0x66, {OUT}, 14, -2) = 5",
    'request_key("user", "mine", "SECRET-CALLOUT", -2) = 3': f'request_key("user", "mine", {OUT}, -2) = 3',
    'keyctl(KEYCTL_READ, 368455126, "SECRET", 64) = 14': f"keyctl(KEYCTL_READ, 368455126, {OUT}, 64) = 14",
    'keyctl(KEYCTL_UPDATE, 3, "SECRET", 13) = 0': f"keyctl(KEYCTL_UPDATE, 3, {OUT}, 13) = 0",
    'keyctl(0xb, 0x3, "SECRET", 13) = 0': f"keyctl(0xb, 0x3, {OUT}, 13) = 0",
    'keyctl(KEYCTL_INSTANTIATE_IOV, 3, [{iov_base="SECRET", iov_len=6}], 1, 5) = 0': (
        f"keyctl(KEYCTL_INSTANTIATE_IOV, 3, [{{iov_base={OUT}, iov_len=6}}], 1, 5) = 0"
    ),
    'setsockopt(3<TCP:[1]>, SOL_TCP, TCP_MD5SIG, "\\2\\0SECRET"..., 204) = -1 EINVAL (Invalid argument)': (
        f"setsockopt(3<TCP:[1]>, SOL_TCP, TCP_MD5SIG, {OUT}, 204) = -1 EINVAL (Invalid argument)"
    ),
    'setsockopt(3, SOL_TCP, 0x26 /* TCP_??? */, "SECRET", 184) = 0': (
        f"setsockopt(3, SOL_TCP, 0x26 /* TCP_??? */, {OUT}, 184) = 0"
    ),
    'setsockopt(3, SOL_TCP, TCP_FASTOPEN_KEY, "SECRET", 16) = 0': (
        f"setsockopt(3, SOL_TCP, TCP_FASTOPEN_KEY, {OUT}, 16) = 0"
    ),
    'setsockopt(3, SOL_ALG, ALG_SET_KEY, "SECRET", 16) = 0': (
        f"setsockopt(3, SOL_ALG, ALG_SET_KEY, {OUT}, 16) = 0"
    ),
    'setsockopt(3, SOL_SCTP, SCTP_AUTH_KEY, "SECRET", 16) = 0': (
        f"setsockopt(3, SOL_SCTP, SCTP_AUTH_KEY, {OUT}, 16) = 0"
    ),
    'getrandom("SECRET", 8, GRND_NONBLOCK) = 8': f"getrandom({OUT}, 8, GRND_NONBLOCK) = 8",
    'read(4</dev/urandom<char 1:9>>, "SECRET", 8) = 8': f"read(4</dev/urandom<char 1:9>>, {OUT}, 8) = 8",
    'ioctl(3, DM_TABLE_LOAD, {name="root", data_size=9, {target_type="crypt", string="aes SECRET"}}) = 0': (
        f"ioctl(3, DM_TABLE_LOAD, {{name={OUT}, data_size=9, {{target_type={OUT}, string={OUT}}}}}) = 0"
    ),
    'sendto(3, [{nlmsg_len=60, nlmsg_type=XFRM_MSG_NEWSA, nlmsg_flags=5}, "SECRET"], 60, 0, NULL, 0) = 60': (
        f"sendto(3, [{{nlmsg_len=60, nlmsg_type=XFRM_MSG_NEWSA, nlmsg_flags=5}}, {OUT}], 60, 0, NULL, 0) = 60"
    ),
    'sendmsg(3, {msg_iov=[{iov_base=[{nlmsg_type=wireguard}, "\\1\\1SECRET"], iov_len=60}]}, 0) = 60': (
        f"sendmsg(3, {{msg_iov=[{{iov_base=[{{nlmsg_type=wireguard}}, {OUT}], iov_len=60}}]}}, 0) = 60"
    ),
}
HARMLESS = [
    'keyctl(KEYCTL_DESCRIBE, 3, "user;0;0;3f010000;mine", 64) = 23',
    'setsockopt(3, SOL_TCP, TCP_CONGESTION, "cubic", 5) = 0',
    "setsockopt(3, SOL_TCP, TCP_NODELAY, [1], 4) = 0",
    'setsockopt(3, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3) = 0',
    'read(3</tmp/keyctl>, "SOL_TLS, TLS_TX, not a key", 27) = 27',
    'sendto(3, [{nlmsg_type=RTM_GETLINK}, "data"], 60, 0, NULL, 0) = 60',
    'ioctl(3, DM_LIST_DEVICES, {name="root"}) = 0',
]


@pytest.mark.parametrize(("line", "kept"), LINES.items())
def test_what_is_left_of_a_line(line: str, kept: str) -> None:
    leader = "11  1700000000.000001 "
    assert list(without_keys(["12  getpid() = 12", leader + line])) == ["12  getpid() = 12", leader + kept]
    (call,) = parse([leader + line])
    assert isinstance(call, Call)
    assert call.keys
    assert call.text == kept


@pytest.mark.parametrize("line", HARMLESS)
def test_what_is_no_key_stays(line: str) -> None:
    assert list(without_keys(["12  getpid() = 12", line])) == ["12  getpid() = 12", line]
    (call,) = parse([line])
    assert isinstance(call, Call)
    assert not call.keys


@pytest.mark.parametrize(("line", "kept"), LINES.items())
def test_the_second_half_of_a_call_has_none_either(line: str, kept: str) -> None:
    """Cut where its key begins, as a call that returns one is when another thread's comes between."""
    place = len(kept) - len(kept.partition(OUT)[2]) - len(OUT)
    name = line.partition("(")[0]
    lines = [
        f"11  {line[:place]} <unfinished ...>",
        "12  getpid() = 12",
        f"11  <... {name} resumed>{line[place:]}",
    ]
    written = list(without_keys(lines))
    assert written[:2] == lines[:2]
    assert not SECRET.search(written[2])
    assert written[2].startswith(f"11  <... {name} resumed>{OUT}")
    assert not SECRET.search(repr(list(parse(lines))))


@pytest.mark.parametrize("path", sorted(CORPUS.glob("*.txt")), ids=lambda path: path.stem)
def test_a_log_without_keys_is_the_same_log(path: Path) -> None:
    """As many lines, and what is read of it is what is read of the log itself."""
    lines = list(lines_of(path))
    written = list(without_keys(lines))
    assert len(written) == len(lines)
    assert not SECRET.search("\n".join(written))
    plain = [without_colours(line) for line in lines]
    changed = [number for number, line in enumerate(written) if line not in (lines[number], plain[number])]
    assert len(changed) < 20
    before, after = list(parse(lines)), list(parse(written))
    assert [(type(each), each.lines) for each in before] == [(type(each), each.lines) for each in after]
    for one, other in zip(before, after, strict=True):
        if isinstance(one, Call) and isinstance(other, Call):
            assert (one.name, one.tid, one.result, one.started_ns) == (
                other.name,
                other.tid,
                other.result,
                other.started_ns,
            )

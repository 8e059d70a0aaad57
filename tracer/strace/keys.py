"""Keys that strace prints, taken out of a line before anything of it is kept.

Of two forms. The *value* of a socket option that is a key: all of SOL_TLS (linux/tls.h: iv, key, salt,
rec_seq) and SOL_ALG (linux/if_alg.h), and those of TCP and SCTP that sign segments. Invariant: of such
a value nothing remains but what is on a list here: its version and cipher, a pointer, a small number. So
a form that is not known yet is taken out as well. And the *strings* of calls that carry keys beside what
is none: those of the kernel's keyrings (keyctl(2)), of dm-crypt's tables, of netlink messages that set
keys, and random bytes, of which keys are made. Of these all strings go, from where keys may begin.
"""

from __future__ import annotations

import re

REDACTED = "<redacted>"

_NOTE = r"(?: /\*[^*]*\*/)?"
_LEVELS = "SOL_TLS|0x11a|282|SOL_ALG|0x117|279"
"""Of which every option may be a key."""
_TCP = "SOL_TCP|IPPROTO_TCP|0x6|6"
_TCP_KEYS = r"TCP_MD5SIG(?:_EXT)?|TCP_AO_\w+|TCP_FASTOPEN_KEY|0xe|14|0x20|32|0x21|33|0x2[6-9]|3[89]|4[01]"
_SCTP_KEYS = r"(?:SOL_SCTP|0x84|132)\b" + _NOTE + r", ?(?:optname=)?(?:SCTP_AUTH_KEY|0x17|23)"
_BEFORE_VALUE = re.compile(
    rf"(?:\(|, ?)(?:level=)?(?:"
    rf"(?:{_LEVELS})\b{_NOTE}, ?(?:(?:optname=)?\w+{_NOTE}, ?(?:optval=)?)?"
    rf"|(?:(?:{_TCP})\b{_NOTE}, ?(?:optname=)?(?:{_TCP_KEYS})|{_SCTP_KEYS})\b{_NOTE}, ?(?:optval=)?)"
)
_BEHIND_VALUE = re.compile(
    r"(?:, ?(?:optlen=)?(?:\[?\d{1,6}(?: => \d{1,6})?\]?|0x[0-9a-f]{1,16}|NULL))?"
    r"(?:\) *= (?:\?|-?\d{1,6})(?: E[A-Z0-9_]+)?(?: \([\w ,:'/-]*\))*(?: <[\d.]{1,20}>)?"
    r"| <unfinished \.\.\.>(?:\) *= \?)?"
    r"| <detached \.\.\.>)$"
)
_HARMLESS_VALUE = re.compile(r"|NULL|0x[0-9a-f]{1,16}|\[\d{1,2}\]")
_CIPHER = re.compile(r"\b(?:version|cipher_type)=(?:0x[0-9a-f]{1,4}|[A-Z][A-Z0-9_]*)(?: /\*[\w ?]*\*/)?")

_STRING = r'"(?:[^"\\]|\\.)*"(?:\.\.\.)?'
_NAMED = rf"(?:{_STRING}|NULL|0x[0-9a-f]+), ?"
_KEYCTL_WITHOUT = r"GET_KEYRING_ID|JOIN_SESSION_KEYRING|SEARCH|DESCRIBE|GET_SECURITY|CAPABILITIES"
_BEFORE_STRINGS = re.compile(
    # Type and description of a key are its name; what follows is the key, or what it is made of.
    rf"\b(?:add_key|request_key)\((?:(?:\w+=)?{_NAMED}(?:\w+=)?{_NAMED})?"
    rf"|\bkeyctl\((?!(?:\w+=)?KEYCTL_(?:{_KEYCTL_WITHOUT})\b)"
    r"|\bioctl\(.*?\bDM_TABLE_(?:LOAD|STATUS)\b"
    r"|type=(?:wireguard|nl80211|macsec|tipc)\w*|\bXFRM_MSG_\w+"
    r"|\bgetrandom\(|\bp?read(?:64|v2?)?\(\d+</dev/u?random\b",
    re.DOTALL,
)
_ANY_STRING = re.compile(r'"(?:[^"\\]|\\.)*(?:"(?:\.\.\.)?|\\?$)', re.DOTALL)
_MAY_HAVE = re.compile(
    "sockopt|add_key|request_key|keyctl|DM_TABLE_|type=[wnmt]|XFRM_MSG_|getrandom|/dev/u?random"
)
_OF_CALLS = re.compile("sockopt|add_key|request_key|keyctl|getrandom")


def may_have_keys(text: str) -> bool:
    """Whether there may be keys in the text at all; quick."""
    return _MAY_HAVE.search(text) is not None


def may_return_keys(name: str) -> bool:
    """Whether the rest of a call of this name may have keys, where its beginning is not known."""
    return _OF_CALLS.search(name) is not None


def without_keys(text: str) -> str | None:
    """A call's text without the keys in it; None where it is not about keys."""
    call = text.find("sockopt(")
    if call >= 0 and (value := _BEFORE_VALUE.search(text, call)):
        return without_value(text, value.end())
    if strings := _BEFORE_STRINGS.search(text):
        return text[: strings.end()] + _ANY_STRING.sub(REDACTED, text[strings.end() :])
    return None


def without_value(text: str, start: int) -> str:
    """The text with the value that begins at `start` reduced to what is no secret."""
    behind = _BEHIND_VALUE.search(text, start)
    end = behind.start() if behind else len(text)
    return text[:start] + _reduced(text[start:end]) + text[end:]


def _reduced(value: str) -> str:
    if _HARMLESS_VALUE.fullmatch(value):
        return value
    if value.startswith("{") and (known := _CIPHER.findall(value)):
        return "{" + ", ".join([*known, REDACTED]) + "}"
    return REDACTED


def without_strings(text: str) -> str:
    """The text up to its first quote or escape: what may be the rest of a value that was cut."""
    found = re.search(r'["\\]', text)
    return REDACTED if found else text

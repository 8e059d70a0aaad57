"""TLS keys that strace prints, taken out of a line before anything of it is kept.

strace shows the value of a socket option as the bytes it is, and the options TLS_TX and
TLS_RX of SOL_TLS are keys (linux/tls.h: iv, key, salt, rec_seq). Invariant: of the value of an
option of SOL_TLS nothing remains but what is on a list here: its version and cipher, a pointer,
a small number. So a form that is not known yet is taken out as well.
"""

from __future__ import annotations

import re

REDACTED = "<redacted>"

_LEVEL = r"(?:level=)?(?:SOL_TLS|0x11a|282)\b(?: /\*[^*]*\*/)?, ?"
_BEFORE_VALUE = re.compile(rf"(?:\(|, ?){_LEVEL}(?:(?:optname=)?\w+(?: /\*[^*]*\*/)?, ?(?:optval=)?)?")
_BEHIND_VALUE = re.compile(
    r"(?:, ?(?:optlen=)?(?:\[?\d{1,6}(?: => \d{1,6})?\]?|0x[0-9a-f]{1,16}|NULL))?"
    r"(?:\) *= (?:\?|-?\d{1,6})(?: E[A-Z0-9_]+)?(?: \([\w ,:'/-]*\))*(?: <[\d.]{1,20}>)?"
    r"| <unfinished \.\.\.>(?:\) *= \?)?"
    r"| <detached \.\.\.>)$"
)
_HARMLESS_VALUE = re.compile(r"|NULL|0x[0-9a-f]{1,16}|\[\d{1,2}\]")
_CIPHER = re.compile(r"\b(?:version|cipher_type)=(?:0x[0-9a-f]{1,4}|[A-Z][A-Z0-9_]*)(?: /\*[\w ?]*\*/)?")


def has_socket_option(text: str) -> bool:
    """Whether the text is about a socket option: only then may there be keys in it."""
    return "sockopt" in text


def value_start(text: str) -> int | None:
    """Where the value of an option of SOL_TLS begins; None where the text has no such option."""
    call = text.find("sockopt(")
    matched = _BEFORE_VALUE.search(text, call) if call >= 0 else None
    return matched.end() if matched else None


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

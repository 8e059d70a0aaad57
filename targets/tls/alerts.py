"""Alerts: how one end of TLS tells the other that it is over, and why (RFC 8446, section 6)."""

from __future__ import annotations

from enum import IntEnum


class Alert(IntEnum):
    """Descriptions that are sent or understood here; all but close_notify and user_canceled are fatal."""

    CLOSE_NOTIFY = 0
    UNEXPECTED_MESSAGE = 10
    BAD_RECORD_MAC = 20
    RECORD_OVERFLOW = 22
    HANDSHAKE_FAILURE = 40
    ILLEGAL_PARAMETER = 47
    DECODE_ERROR = 50
    DECRYPT_ERROR = 51
    PROTOCOL_VERSION = 70
    INTERNAL_ERROR = 80
    USER_CANCELED = 90
    MISSING_EXTENSION = 109
    NO_APPLICATION_PROTOCOL = 120


_WARNING, _FATAL = 1, 2


class TlsError(Exception):
    """The connection cannot go on. `alert` is what the peer is to be told.

    None where it is not to be told anything: it sent a fatal alert itself.
    """

    def __init__(self, reason: str, alert: Alert | None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.alert = alert


def alert_body(alert: Alert) -> bytes:
    """What an alert record holds: level and description."""
    return bytes((_WARNING if alert is Alert.CLOSE_NOTIFY else _FATAL, alert))


def is_close_notify(body: bytes) -> bool:
    """Whether an alert record's content is an orderly end.

    False for user_canceled, which announces one. Raises TlsError for a fatal or broken alert.
    """
    if len(body) != 2:
        raise TlsError("an alert of a wrong length", Alert.DECODE_ERROR)
    description = body[1]
    if description in (Alert.CLOSE_NOTIFY, Alert.USER_CANCELED):
        return description == Alert.CLOSE_NOTIFY
    names = {alert.value: alert.name.lower() for alert in Alert}
    raise TlsError(f"the peer sent the alert {names.get(description, description)}", None)

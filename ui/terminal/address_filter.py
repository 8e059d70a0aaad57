"""Which connections a filter leaves: only what it says of addresses can be said of a connection.

`-e` filters choose operations, and a connection is not one. A word that speaks of something
else neither shows nor hides a connection: its truth is unknown, and a connection is hidden
only where the addresses alone make the whole filter false (Kleene's three values).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from uringtrace.tracer.connections import Connection
from uringtrace.tracer.filter import Expression
from uringtrace.tracer.filter.files import fits_any
from uringtrace.tracer.filter.syntax import AddressIs, And, Differs, Not, Or

_UNIX = "unix"
_VERDICTS_KEPT = 100_000


class ConnectionFilter:
    """One filter, which remembers what it said of addresses: twice a second the same ones come again."""

    def __init__(self, expression: Expression) -> None:
        self.expression = expression
        self._speaks = any(isinstance(term, AddressIs) for term in _terms(expression))
        self._verdicts: dict[tuple[str, str | None, str | None], bool] = {}

    def left(self, connections: Sequence[Connection]) -> Sequence[Connection]:
        """Those that are to be shown, in their order."""
        if not self._speaks:
            return connections
        if len(self._verdicts) > _VERDICTS_KEPT:
            self._verdicts.clear()
        return [connection for connection in connections if self._leaves(connection)]

    def _leaves(self, connection: Connection) -> bool:
        addresses = (connection.protocol, connection.remote, connection.local)
        verdict = self._verdicts.get(addresses)
        if verdict is None:
            verdict = self._verdicts[addresses] = _truth(self.expression, connection) is not False
        return verdict


def _truth(expression: Expression, connection: Connection) -> bool | None:
    match expression:
        case And(operands):
            values = [_truth(each, connection) for each in operands]
            return False if False in values else None if None in values else True
        case Or(operands):
            values = [_truth(each, connection) for each in operands]
            return True if True in values else None if None in values else False
        case Not(operand):
            value = _truth(operand, connection)
            return None if value is None else not value
        case Differs(AddressIs() as term):
            known, holds = _address(term, connection)
            return known and not holds
        case AddressIs():
            return all(_address(expression, connection))
        case _:
            return None


def _address(term: AddressIs, connection: Connection) -> tuple[bool, bool]:
    """Whether the connection has such an address, and whether it fits."""
    address = connection.remote if term.word == "peer" else connection.local
    unix = connection.protocol == _UNIX
    # As in the filter of operations: a unix socket without a name fits `unix` and nothing else.
    if address is None and not unix:
        return False, False
    return True, fits_any(term, address or "", unix=unix)


def _terms(expression: Expression) -> Iterator[object]:
    match expression:
        case And(operands) | Or(operands):
            for each in operands:
                yield from _terms(each)
        case Not(operand):
            yield from _terms(operand)
        case Differs(term):
            yield term
        case _:
            yield expression

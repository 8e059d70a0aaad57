"""Connections: what moved over each socket from accept or connect to close, and its requests."""

from uringtrace.tracer.connections.connection import CONNECTION_COLUMNS, Connection, connection_rows
from uringtrace.tracer.connections.request_times import Distribution, RequestTimes
from uringtrace.tracer.connections.tracker import ConnectionTracker

__all__ = [
    "CONNECTION_COLUMNS",
    "Connection",
    "ConnectionTracker",
    "Distribution",
    "RequestTimes",
    "connection_rows",
]

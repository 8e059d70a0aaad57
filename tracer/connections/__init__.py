"""Connections: what moved over each socket from accept or connect to close, and its requests."""

from uringtrace.tracer.connections.connection import CONNECTION_COLUMNS, Connection, connection_rows

__all__ = ["CONNECTION_COLUMNS", "Connection", "connection_rows"]

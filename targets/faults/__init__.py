"""Misbehaving on purpose, apart from the code that behaves."""

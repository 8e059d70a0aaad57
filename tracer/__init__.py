"""Turns kernel records into operations, connections and findings. Knows no screen.

Importing this package loads nothing; bcc is loaded when a capture starts.
"""

"""uringtrace: see what an async server really does on io_uring.

Importing this package loads nothing but the version: the layers below it are
imported by name (`uringtrace.tracer`, `uringtrace.ui`) when they are needed.
"""

__version__ = "0.1.0"

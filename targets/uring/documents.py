"""The files that are offered, known from the start: answering then asks no file system.

What is put into the folder later is not offered; of a file that became shorter the
connection ends early.
"""

from __future__ import annotations

from pathlib import Path

from uringtrace.targets.http.service import Document, Service


class KnownDocuments(Service):
    """The service without a system call for `/file/NAME`: the sizes are looked up once."""

    def __init__(self, documents: Path) -> None:
        super().__init__(documents)
        found = (
            (path.name.encode(), super(KnownDocuments, self)._document(path.name.encode()))
            for path in documents.iterdir()
        )
        self._known = {name: document for name, document in found if document is not None}

    def _document(self, name: bytes) -> Document | None:
        return self._known.get(name)

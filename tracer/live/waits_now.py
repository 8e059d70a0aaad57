"""What the waits among the kept rows were about, worked out as they come.

Every record has to be taken in, since what epoll reported is told by calls before. Where rows come
faster than they can be kept they are not taken in either; what is worked out after such a gap
begins anew, and says nothing that depends on what came before it.
"""

from __future__ import annotations

from collections.abc import Iterable

from uringtrace.tracer.readiness.explain import Explained, Explainer
from uringtrace.tracer.record import is_call
from uringtrace.tracer.records import Records
from uringtrace.tracer.source import Context, FilesAndFacts


class WaitsNow:
    """Follows one capture."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._captured = any(name.startswith("sys_") for name in context.probes)
        """Without system calls nothing waits."""
        self._explainer: Explainer | None = None
        self._seen = False

    def add(self, records: Records, facts: FilesAndFacts) -> Explained | None:
        """Take in the next records. None where no wait can be among what was captured so far."""
        if not self._captured:
            return None
        if self._explainer is None:
            # Until then nothing has waited, and no interest list has changed that a wait could report.
            if not is_call(records.operations).any():
                return None
            self._explainer = Explainer(self._context, () if self._seen else facts.interests)
            self._seen = True
        return self._explainer.add(records, facts.files)

    def leave_out(self) -> None:
        """Records came that are not taken in."""
        self._explainer, self._seen = None, True

    def forget(self, files: Iterable[int]) -> None:
        """Of the files with these numbers nothing comes any more."""
        if self._explainer is not None:
            self._explainer.forget(files)

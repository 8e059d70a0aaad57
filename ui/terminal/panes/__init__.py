"""One pane for each subject: shows a picture, owns no data of the capture."""

from __future__ import annotations

from collections.abc import Mapping

from uringtrace.ui.terminal.pane import PaneWidget


def all_panes() -> Mapping[str, type[PaneWidget]]:
    """Name → the widget of the pane."""
    from uringtrace.ui.terminal.panes.operations import OperationsPane

    return {OperationsPane.pane: OperationsPane}

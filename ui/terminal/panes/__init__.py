"""One pane for each subject: shows a picture, owns no data of the capture."""

from __future__ import annotations

from collections.abc import Mapping

from uringtrace.ui.terminal.pane import PaneWidget


def all_panes() -> Mapping[str, type[PaneWidget]]:
    """Name → the widget of the pane."""
    from uringtrace.ui.terminal.panes.connections import ConnectionsPane
    from uringtrace.ui.terminal.panes.findings import FindingsPane
    from uringtrace.ui.terminal.panes.log import LogPane
    from uringtrace.ui.terminal.panes.operations import OperationsPane
    from uringtrace.ui.terminal.panes.rings import RingsPane
    from uringtrace.ui.terminal.panes.threads import ThreadsPane
    from uringtrace.ui.terminal.panes.timeline import TimelinePane

    panes: tuple[type[PaneWidget], ...] = (
        OperationsPane,
        ConnectionsPane,
        RingsPane,
        ThreadsPane,
        TimelinePane,
        LogPane,
        FindingsPane,
    )
    return {pane.pane: pane for pane in panes}

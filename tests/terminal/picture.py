"""`python -m tests.terminal.picture FILE` draws docs/terminal.svg: the shipped recording, near its end."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from uringtrace.tracer.live.playback_feed import PlaybackFeed
from uringtrace.tracer.recording import open_recording
from uringtrace.ui.terminal.app import UringtraceApp
from uringtrace.ui.terminal.screen_file import screen_svg

RECORDING = Path(__file__).parents[2] / "targets/demo/recording"
SIZE = (110, 24)
_SHARE = 0.8
_STEP_SECONDS = 0.05
_SETTLED_SECONDS = 0.7
"""Longer than from one picture to the next."""


async def draw(file: Path) -> None:
    recording = open_recording(RECORDING)
    feed = PlaybackFeed(recording, playing=False)
    start_ns, end_ns = recording.context.started_ns, recording.ended_ns
    moment_ns = start_ns + round(_SHARE * (end_ns - start_ns))
    app = UringtraceApp(feed)
    async with app.run_test(size=SIZE) as pilot:
        feed.controls.seek(moment_ns)
        while app.shown is None or app.shown.at_ns < moment_ns or app.shown.judged is None:
            await pilot.pause(_STEP_SECONDS)
        drawn = ""
        # A table takes its width when it has been laid out.
        while (newest := screen_svg(app)) != drawn:
            drawn = newest
            await pilot.pause(_SETTLED_SECONDS)
        file.write_text(drawn, encoding="utf-8")
        await pilot.press("q")


if __name__ == "__main__":
    asyncio.run(draw(Path(sys.argv[1])))

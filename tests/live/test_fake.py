"""The feed for tests of screens keeps what a feed promises."""

from __future__ import annotations

from threading import Thread

from tests.fakes import STARTED_NS, FakeSource
from uringtrace.tracer.live.fake import FakeControls, FakeFeed, FakeRecorder
from uringtrace.tracer.live.feed import Feed
from uringtrace.tracer.live.model import LiveModel
from uringtrace.tracer.live.picture import Picture


def picture(at_ns: int = STARTED_NS) -> Picture:
    facts = FakeSource([])
    return LiveModel(facts.context).picture(facts, at_ns)


def test_it_posts_its_pictures_and_stays_until_it_is_stopped() -> None:
    feed = FakeFeed([picture(), picture(STARTED_NS + 5)], controls=FakeControls(), recorder=FakeRecorder())
    shown: list[Picture] = []
    as_feed: Feed = feed
    thread = Thread(target=as_feed.run, args=(shown.append,))
    thread.start()
    feed.stop()
    thread.join(10)
    assert not thread.is_alive()
    assert tuple(shown) in (feed.pictures, feed.pictures[:1], ())


def test_what_was_asked_is_noted() -> None:
    controls, recorder = FakeControls(), FakeRecorder()
    feed = FakeFeed([picture()], controls=controls, recorder=recorder, stays=False)
    shown: list[Picture] = []
    feed.run(shown.append)
    feed.show(picture(STARTED_NS + 9))
    assert [each.at_ns for each in shown] == [STARTED_NS, STARTED_NS + 9]
    controls.pause()
    controls.seek(7)
    recorder.start()
    recorder.finish()
    assert controls.asked == [("pause", None), ("seek", 7)]
    assert recorder.asked == ["start", "finish"]

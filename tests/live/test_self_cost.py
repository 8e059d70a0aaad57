"""What the tracer costs."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from uringtrace.tracer.live.self_cost import SelfCost, children_ns

SECOND = 1_000_000_000


def test_share_of_a_second_with_children_that_live_at_its_end() -> None:
    own = iter([0, SECOND // 10])
    children = iter([{7: 500}, {7: 500 + SECOND // 5, 8: SECOND // 10}])
    cost = SelfCost(lambda: next(own), lambda excluded: next(children))
    assert cost.share(0) is None
    assert cost.share(SECOND // 2) is None
    assert cost.share(SECOND) == pytest.approx(0.4)
    assert cost.share(SECOND + 1) == pytest.approx(0.4)


def test_a_child_is_found_and_a_launched_target_left_out() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        assert child.stdin is not None
        if not os.path.exists("/proc/self/task/" + str(os.getpid()) + "/children"):  # noqa: PTH110  (a guard)
            pytest.skip("this kernel does not list children")
        assert child.pid in children_ns(())
        assert child.pid not in children_ns((child.pid,))
        child.stdin.close()

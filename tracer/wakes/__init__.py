"""Who woke whom, from the arrival of one request to its answer, with the delay of each step.

`follower` keeps what is needed while records pass, `search` finds the way back from the answer,
`chain` is what is said.
"""

from uringtrace.tracer.wakes.chain import Known, StepKind, WakeChain, WakeStep
from uringtrace.tracer.wakes.follower import WakeFollower
from uringtrace.tracer.wakes.request import RequestName, request_name

__all__ = [
    "Known",
    "RequestName",
    "StepKind",
    "WakeChain",
    "WakeFollower",
    "WakeStep",
    "request_name",
]

"""strace's output, line by line, as records and as numpy batches.

`parse` takes lines and needs neither strace nor a kernel. Every line is in exactly one
record; what is not understood is an `Unparsed` record, and no text raises. Keys that
strace prints are gone before anything is kept. docs/compare.md says what is understood.
"""

from uringtrace.tracer.strace.batches import STRACE_CALL, Tables, batches
from uringtrace.tracer.strace.log_format import LogFormat, recognise
from uringtrace.tracer.strace.log_lines import lines_of
from uringtrace.tracer.strace.parser import parse, without_keys
from uringtrace.tracer.strace.records import (
    Account,
    Call,
    Detail,
    End,
    Ending,
    Notice,
    Record,
    Signal,
    Unparsed,
    account,
)

__all__ = [
    "STRACE_CALL",
    "Account",
    "Call",
    "Detail",
    "End",
    "Ending",
    "LogFormat",
    "Notice",
    "Record",
    "Signal",
    "Tables",
    "Unparsed",
    "account",
    "batches",
    "lines_of",
    "parse",
    "recognise",
    "without_keys",
]

"""The filter language of `-e`: parse once, then evaluate to a mask over each batch.

`parse` and `parse_all` need no kernel; `check_operations` compares operation names
with those of the source; `evaluate` is vectorised. docs/filters.md is the manual.
"""

from uringtrace.tracer.filter.evaluation import evaluate
from uringtrace.tracer.filter.operations import check_operations
from uringtrace.tracer.filter.parser import parse, parse_all
from uringtrace.tracer.filter.syntax import Expression

__all__ = ["Expression", "check_operations", "evaluate", "parse", "parse_all"]

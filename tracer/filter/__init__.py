"""The filter language of `-e`: parse once, then evaluate to a mask over each drain's records.

`parse` and `parse_all` need no kernel; `check_operations` compares operation names
with those of the source; `Condition` is vectorised and keeps what it learns of the
source's files, `evaluate` is it for one drain. docs/filters.md is the manual.
"""

from uringtrace.tracer.filter.evaluation import Condition, evaluate
from uringtrace.tracer.filter.operations import check_operations
from uringtrace.tracer.filter.parser import parse, parse_all
from uringtrace.tracer.filter.syntax import Expression, FileIs

__all__ = ["Condition", "Expression", "FileIs", "check_operations", "evaluate", "parse", "parse_all"]

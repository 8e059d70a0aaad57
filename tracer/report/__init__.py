"""From a recording to a frozen `Report`: everything its pages show, in a bounded size.

All sums are made by DuckDB over the recording's tables, so that memory and the size of the
result do not grow with the number of operations. Knows no figure and no page.
"""

from uringtrace.tracer.report.model import Report
from uringtrace.tracer.report.read import read_report

__all__ = ["Report", "read_report"]

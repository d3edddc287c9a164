"""Run folders in, one self-contained HTML page out; imports no torch."""

from __future__ import annotations

from fullrank.report.page import write_report
from fullrank.report.paper import write_figure, write_gallery
from fullrank.report.run import Run, read_run

__all__ = ["Run", "read_run", "write_figure", "write_gallery", "write_report"]

"""Run folders in, one self-contained HTML page out; imports no torch."""

from __future__ import annotations

from fullrank.report.papers.gallery import write_figure, write_gallery
from fullrank.report.runs.page import write_report
from fullrank.runs.run import Run, read_run

__all__ = ["Run", "read_run", "write_figure", "write_gallery", "write_report"]

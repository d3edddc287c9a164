"""What the numbers about embeddings mean: one judge, and one table of rules in `kinds`."""

from __future__ import annotations

from fullrank.diagnosis.diagnose import diagnose_sketch
from fullrank.diagnosis.judge import Verdict, judge
from fullrank.diagnosis.report import Report

__all__ = ["Report", "Verdict", "diagnose_sketch", "judge"]

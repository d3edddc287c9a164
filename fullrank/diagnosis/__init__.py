"""What the numbers about an embedding mean: one judge, one table of rules in `kinds`."""

from __future__ import annotations

from fullrank.diagnosis.judge import Verdict, judge

__all__ = ["Verdict", "judge"]

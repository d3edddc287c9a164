"""What the numbers about an embedding mean."""

from __future__ import annotations

from fullrank.diagnosis.verdict import Verdict, verdict

__all__ = ["Verdict", "verdict"]

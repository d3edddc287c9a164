"""What a rule found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from fullrank.diagnosis.rule import Advice, Kind, Severity


@dataclass(frozen=True)
class Finding:
    """What a rule found: how bad it is, on which evidence, and what is said beside it.

    severity "note" does not count for the verdict. title: the end of "Collapsed ...". which: the rows, dimensions or
    classes (`which_are`) that the evidence is about, worst first, at most 20. unsure: the interval spans the threshold,
    or the value lies at it. may_fail: it does, and what lies beyond can be a collapse; or it is one for which the
    profile asks for labels.
    """

    rule: str
    kind: Kind | None
    severity: Severity
    sentence: str
    evidence: tuple[str, ...]
    advice: Advice
    title: str = ""
    which: tuple[int, ...] = ()
    which_are: Literal["rows", "dimensions", "classes"] | None = None
    unsure: bool = False
    may_fail: bool = False

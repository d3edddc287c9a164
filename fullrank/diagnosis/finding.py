"""The record of what a rule found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from fullrank.diagnosis.rule import Advice, Kind, Severity


@dataclass(frozen=True)
class Finding:
    """What a rule found: how bad it is, on which evidence, and the advice.

    Attributes:
        severity: "fail", "warn" or "note"; a note does not count for the verdict.
        title: The end of "Collapsed ...".
        which: The rows, dimensions or classes (`which_are`) that the evidence is about, worst first, at most 20.
        unsure: Whether the interval spans the threshold, or the value lies at it.
        may_fail: Whether the interval spans the threshold of a failure too, or the profile needs labels to tell a
            failure.
        excused: Whether what is known of the training made it one grade milder.
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
    excused: bool = False

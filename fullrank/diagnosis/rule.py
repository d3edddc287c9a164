"""What a rule of the doctor is made of: a graded measurement, gates that must be open, and a sentence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["complete", "dimensional", "cluster", "cone", "head-dominated", "duplicates", "hubs", "modality gap"]
Severity = Literal["note", "warn", "fail"]


@dataclass(frozen=True)
class Graded:
    """A measurement that is worse the further `way` it lies: beyond `warn`, and beyond `fail` if it can fail."""

    name: str
    way: Literal["above", "below"]
    warn: float
    fail: float | None = None


@dataclass(frozen=True)
class Gate:
    """A condition on a measurement, without which the evidence beside it counts for nothing."""

    name: str
    way: Literal["above", "below"]
    threshold: float
    or_missing: bool = False


@dataclass(frozen=True)
class Evidence:
    """One sufficient reason for a rule: a graded measurement, and every gate open. `sentence` is filled with values."""

    graded: Graded
    sentence: str
    gates: tuple[Gate, ...] = ()


@dataclass(frozen=True)
class Rule:
    """A kind of trouble, any evidence of which is enough.

    least: rows below which it says nothing. silences: the rules that mean nothing beside this one, when it found at
    least a warning (`from_fail`: only when it failed), with the reason.
    """

    name: str
    kind: Kind | None
    evidence: tuple[Evidence, ...]
    least: int = 2
    silences: tuple[str, ...] = ()
    because: str = ""
    from_fail: bool = False

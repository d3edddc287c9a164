"""What a rule is made of: a graded measurement, gates that must be open, a sentence, and advice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = str  # of collapse, as its file in `kinds` names it
Severity = Literal["note", "warn", "fail"]
Objective = Literal[
    "two-branch", "contrastive", "metric learning", "classification", "recommender", "language model", "cells"
]

SUBJECT = "which_have"  # of a sentence: not a measurement


@dataclass(frozen=True)
class Graded:
    """A measurement that is worse the further it lies in one direction: beyond `warn`, and beyond `fail` if it can
    fail.

    band: share of a threshold within which a number without an interval counts as at it, since other rows or another
    seed could have put it on the other side.
    """

    name: str
    way: Literal["above", "below"]
    warn: float
    fail: float | None = None
    band: float = 0.0


@dataclass(frozen=True)
class Gate:
    """A condition on a measurement, or on what is known of the training, which must hold for what it guards.

    band: share of the threshold within which the gate is ajar, since other rows or another seed could have put the
    number on the other side: then what it guards is unsure.
    """

    name: str
    way: Literal["above", "below"]
    threshold: float
    or_missing: bool = False
    band: float = 0.0


def having(part: str) -> Gate:
    """A gate that is open where a training has a part, as `known.parts_of` says, and where that is not known."""
    return Gate(part, "above", 0.5, or_missing=True)


def lacking(part: str) -> Gate:
    """A gate that is open where a training does not have a part, and where that is not known."""
    return Gate(part, "below", 0.5, or_missing=True)


@dataclass(frozen=True)
class Excuse:
    """A gate that makes a finding one grade milder where it is open, and the sentence that says what it knows."""

    gate: Gate
    sentence: str


@dataclass(frozen=True)
class Evidence:
    """One sufficient reason for a rule: a graded measurement, and every gate open.

    `sentence` is filled with values, and {which_have} with what the graded measurement is about, as the subject of
    a sentence ("dimension 7 has"). `since`: what is known of the training, as its gates ask for it. `doubt`: what else
    causes it, and what would tell; with it the evidence is no more than undetermined.
    """

    graded: Graded
    sentence: str
    gates: tuple[Gate, ...] = ()
    since: str = ""
    doubt: str = ""


@dataclass(frozen=True)
class Cause:
    """A possible cause, and the test that tells it from the others.

    Attributes:
        of: The objectives under which it happens; none for all.
        needs: Gates that must be open for it to be possible.
        proof: Gates that prove it when all are open; a proven cause comes first.
    """

    text: str
    test: str
    of: tuple[Objective, ...] = ()
    needs: tuple[Gate, ...] = ()
    proof: tuple[Gate, ...] = ()


@dataclass(frozen=True)
class Remedy:
    """What to try: in words, and as a command, flags of `fullrank train`, or Python on z (N, D) or views (V, N, D).

    Attributes:
        of: The objectives for which it is of use; none for all.
        needs: Gates that must be open for it to be of use.
    """

    text: str
    code: str
    of: tuple[Objective, ...] = ()
    needs: tuple[Gate, ...] = ()


@dataclass(frozen=True)
class Advice:
    """What to know about a finding.

    Attributes:
        why: What the trouble costs.
        verify: How to see that it has gone.
    """

    why: str
    causes: tuple[Cause, ...]
    remedies: tuple[Remedy, ...]
    verify: str


@dataclass(frozen=True)
class Rule:
    """A kind of trouble, any evidence of which is enough.

    Attributes:
        title: The end of "Collapsed ..." where it fails.
        least: Number of rows below which it says nothing.
        most: The worst that it says under any profile that does not name it.
        silences: The rules that mean nothing where this one is at least as bad (`from_fail`: only where it failed),
            with the reason.
        excused: What makes a failure a warning, and a warning or a doubt a note.
    """

    name: str
    kind: Kind | None
    evidence: tuple[Evidence, ...]
    advice: Advice
    title: str = ""
    least: int = 2
    most: Severity = "fail"
    silences: tuple[str, ...] = ()
    because: str = ""
    from_fail: bool = False
    excused: tuple[Excuse, ...] = ()

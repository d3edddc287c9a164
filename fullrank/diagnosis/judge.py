"""From measurements to a verdict: every rule of the table under a profile, what silences what, and how sure it is."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from fullrank.diagnosis.advice import ADVICE, Advice
from fullrank.diagnosis.loss_plateau import Training, at_plateau, not_gathered
from fullrank.diagnosis.profiles import Profile, Thresholds
from fullrank.diagnosis.rule import Evidence, Gate, Graded, Kind, Rule, Severity
from fullrank.diagnosis.rules import RULES
from fullrank.diagnosis.verdict import FEWEST_FOR_RANK, SHARE_WARNS
from fullrank.metrics.measure import Measured

Level = Literal["unsure", "note", "warn", "fail"]
_ORDER: dict[Level, int] = {"unsure": 0, "note": 1, "warn": 2, "fail": 3}
_FEWEST = 4
_TOO_MANY = 100  # times as many rows as there are: then the value is at the threshold, and more rows are no advice


@dataclass(frozen=True)
class Finding:
    """What a rule found: how bad it is, on which evidence, and the words of `advice`.

    severity "note" does not count for the verdict. unsure: the interval spans the threshold. may_fail: it does, and
    what lies beyond can be a collapse.
    """

    rule: str
    kind: Kind | None
    severity: Severity
    sentence: str
    evidence: tuple[str, ...]
    advice: Advice
    unsure: bool = False
    may_fail: bool = False


@dataclass(frozen=True)
class Diagnosis:
    """The verdict with its kind, the sentence that says it, what was found and what was left out and why."""

    verdict: Literal["collapsed", "degraded", "healthy", "undetermined"]
    kind: Kind | None
    sentence: str
    findings: tuple[Finding, ...]
    silenced: tuple[tuple[str, str], ...]


def examine(
    found: Mapping[str, Measured], profile: Profile, *, n: int, dims: int, training: Training | None = None
) -> Diagnosis:
    """Judge the measurements of n samples in `dims` dimensions; the worst finding gives the verdict and its kind.

    A threshold is passed when the whole 95 % interval is beyond it; an interval that spans the threshold of a warning
    is "undetermined", unless something else was found, and a note where no more than a warning can come of it (a
    cone, hubs). Fewer than 4 samples are undetermined, fewer than 32 unless they are a point.
    """
    of_loss = _of_loss(training)
    if n < _FEWEST:
        few = f"Undetermined: {n} samples are too few; pass {_FEWEST} or more."
        return Diagnosis("undetermined", None, few, tuple(of_loss), ())
    heard, silenced = _heard([_apply(rule, found, profile, n) for rule in RULES if n >= rule.least])
    findings = of_loss + heard
    findings.sort(key=lambda finding: -_ORDER[finding.severity])  # stable: then in the order of the table
    verdict, kind, sentence = _verdict(findings, found, profile, n, dims)
    return Diagnosis(verdict, kind, sentence, tuple(findings), tuple(silenced))


def _apply(rule: Rule, found: Mapping[str, Measured], profile: Profile, n: int) -> Finding | None:
    """The worst evidence for a rule, as bad as the profile lets it be."""
    worst: tuple[Level, Evidence] | None = None
    for evidence in rule.evidence:
        if evidence.graded.name not in found or not all(_open(gate, found) for gate in evidence.gates):
            continue
        own = profile.thresholds.get((rule.name, evidence.graded.name))
        level = grade(found[evidence.graded.name], evidence.graded, own)
        if level is not None and (worst is None or _ORDER[level] > _ORDER[worst[0]]):
            worst = level, evidence
    if worst is None:
        return None
    level, evidence = worst
    values = {name: one.value for name, one in found.items()}
    sentence = evidence.sentence.format(**values)
    names = (evidence.graded.name, *(gate.name for gate in evidence.gates))
    most = profile.most.get(rule.name, "fail")
    if level == "unsure":
        own = profile.thresholds.get((rule.name, evidence.graded.name))
        warn, fail = own or (evidence.graded.warn, evidence.graded.fail)
        more = _more_rows(found[evidence.graded.name], warn, n)
        may_fail = most == "fail" and fail is not None
        advice = ADVICE[rule.name]
        return Finding(rule.name, rule.kind, "note", f"{sentence}; {more}", names, advice, True, may_fail)
    severity: Severity = most if _ORDER[level] > _ORDER[most] else level
    return Finding(rule.name, rule.kind, severity, sentence, names, ADVICE[rule.name])


def grade(measured: Measured, graded: Graded, thresholds: Thresholds | None = None) -> Level | None:
    """Which threshold a measurement is surely beyond; "unsure" if its interval spans that of the warning.

    >>> rank = Measured("rank_share", 0.2, low=0.15, high=0.3)
    >>> grade(rank, Graded("rank_share", "below", 0.25, 0.1)), grade(rank, Graded("rank_share", "below", 0.5, 0.4))
    ('unsure', 'fail')
    """
    warn, fail = thresholds or (graded.warn, graded.fail)
    low = measured.value if measured.low is None else measured.low
    high = measured.value if measured.high is None else measured.high
    sure, possible = (low, high) if graded.way == "above" else (high, low)
    if fail is not None and _beyond(sure, fail, graded.way):
        return "fail"
    if _beyond(sure, warn, graded.way):
        return "warn"
    return "unsure" if _beyond(possible, warn, graded.way) else None


def _beyond(value: float, threshold: float, way: Literal["above", "below"]) -> bool:
    return value > threshold if way == "above" else value < threshold


def _open(gate: Gate, found: Mapping[str, Measured]) -> bool:
    if gate.name not in found:
        return gate.or_missing
    return _beyond(found[gate.name].value, gate.threshold, gate.way)


def _more_rows(measured: Measured, threshold: float, n: int) -> str:
    """How many rows would shrink the interval to the distance from the threshold."""
    half = ((measured.high or 0.0) - (measured.low or 0.0)) / 2
    distance = abs(measured.value - threshold)
    interval = f"the interval {measured.low:.3g} to {measured.high:.3g} spans the threshold {threshold:g}"
    if half > distance * math.sqrt(_TOO_MANY):
        return f"{interval}: undetermined, it lies at the threshold"
    return f"{interval}: undetermined, needs N >= {_rounded(n * (half / distance) ** 2)}"


def _rounded(n: float) -> int:
    """Up to two digits."""
    unit = int(10 ** max(math.floor(math.log10(max(n, 1))) - 1, 0))
    return math.ceil(n / unit - 1e-9) * unit


def _heard(findings: list[Finding | None]) -> tuple[list[Finding], list[tuple[str, str]]]:
    """The findings that no other explains, and the others with the reason, in the order of the table."""
    by_name = {finding.rule: finding for finding in findings if finding is not None}
    silenced: dict[str, str] = {}
    for rule in RULES:
        finding = by_name.get(rule.name)
        if finding is None or rule.name in silenced or finding.unsure:
            continue
        if rule.from_fail and finding.severity != "fail":
            continue
        for name in rule.silences:  # a warning explains no failure away
            if name in by_name and (finding.severity == "fail" or by_name[name].severity != "fail"):
                silenced.setdefault(name, rule.because)
    return [finding for name, finding in by_name.items() if name not in silenced], [*silenced.items()]


def _of_loss(training: Training | None) -> list[Finding]:
    if training is None:
        return []
    local = not_gathered(training)
    if local is not None:
        return [Finding("negatives not gathered", None, "warn", local, ("loss",), ADVICE["negatives not gathered"])]
    plateau = at_plateau(training)
    return (
        [] if plateau is None else [Finding("loss plateau", None, "warn", plateau, ("loss",), ADVICE["loss plateau"])]
    )


_TITLES: dict[Kind | None, str] = {
    "complete": "to a point",
    "dimensional": "to few dimensions",
    "cluster": "to a few points",
    "head-dominated": "to a few directions that outweigh the rest",
    "duplicates": "to copies",
}


def _verdict(
    findings: list[Finding], found: Mapping[str, Measured], profile: Profile, n: int, dims: int
) -> tuple[Literal["collapsed", "degraded", "healthy", "undetermined"], Kind | None, str]:
    worst = findings[0] if findings else None
    if worst is not None and worst.severity == "fail":
        return "collapsed", worst.kind, f"Collapsed {_TITLES.get(worst.kind, '')}: {worst.sentence}."
    if worst is not None and worst.severity == "warn":
        return "degraded", worst.kind, f"Degraded ({worst.kind or worst.rule}): {worst.sentence}."
    if n < FEWEST_FOR_RANK:
        few = f"{n} samples are too few to judge the rank; pass {FEWEST_FOR_RANK} or more"
        return "undetermined", None, f"Undetermined: not collapsed to a point, but {few}."
    unsure = next((finding for finding in findings if finding.may_fail), None)
    if unsure is not None:
        return "undetermined", None, f"Undetermined ({unsure.kind or unsure.rule}): {unsure.sentence}."
    spread, rank = found["relative_spread"].value, found["effective_rank"].value
    measured = f"the spread around the mean is {spread:.0%} of the norm, the effective rank {rank:.1f} of {dims}"
    if profile.most.get("dimensional collapse", "fail") != "note" and _hidden(found, n, dims):
        few = f"with {n} samples a rank above {n // 2} cannot be told from a lower one"
        return "undetermined", None, f"Undetermined: {measured}, but {few}; needs N >= {math.ceil(dims / 2)}."
    return "healthy", None, f"No collapse found: {measured}."


def _hidden(found: Mapping[str, Measured], n: int, dims: int) -> bool:
    """Could a cut-off hide behind the number of rows? Centered RankMe can only be too low, and so proves a rank."""
    if n > dims:
        return False
    participation = found["participation_ratio"]
    least = participation.value if participation.low is None else participation.low
    return max(found["rankme_centered"].value, least) < SHARE_WARNS * dims

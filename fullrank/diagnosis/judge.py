"""From measurements to a verdict: every rule of `kinds` under a profile, what explains what, and how sure it is."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from fullrank.diagnosis.advise import advice_for, of_loss
from fullrank.diagnosis.finding import Finding
from fullrank.diagnosis.grade import (
    Level,
    askable,
    excludes,
    grade,
    is_ajar,
    is_open,
    more_rows,
    needs,
    say,
    say_unsure,
)
from fullrank.diagnosis.kinds import RULES
from fullrank.diagnosis.kinds.dimensional import LEARNS, SHARE_WARNS
from fullrank.diagnosis.known import NOTHING, Known
from fullrank.diagnosis.profiles import UNTOLD, Profile
from fullrank.diagnosis.rule import Evidence, Excuse, Kind, Rule, Severity
from fullrank.metrics.measure import RECORDS, Measured, measured_row

State = Literal["collapsed", "degraded", "healthy", "undetermined", "early"]
ORDER: dict[Level, int] = {"unsure": 0, "note": 1, "warn": 2, "fail": 3}
MILDER: dict[Level, Level] = {"fail": "warn", "warn": "note", "note": "note", "unsure": "note"}
FEWEST = 4  # rows from which there is a verdict at all
FEWEST_FOR_RANK = 32  # rows from which the unbiased participation ratio is usable


@dataclass(frozen=True)
class Verdict:
    """The state with its kind, the sentence that says it, and its evidence.

    Attributes:
        silenced: Rules that found something which another finding explains, with the reason.
        unasked: Rules whose measurements were not made, with their names.
    """

    state: State
    kind: Kind | None
    sentence: str
    findings: tuple[Finding, ...] = ()
    silenced: tuple[tuple[str, str], ...] = ()
    unasked: tuple[tuple[str, tuple[str, ...]], ...] = ()


def judge(found: Mapping[str, Measured], profile: Profile, *, n: int, dims: int, known: Known = NOTHING) -> Verdict:
    """Judge any measurements of n samples in `dims` dimensions; the worst finding gives the state and its kind.

    A threshold is passed when the whole 95 % interval is beyond it; an interval that spans the threshold of a warning
    is "undetermined", unless something else was found, and a note where no more than a warning can come of it (a
    cone, hubs). Fewer than 4 samples are undetermined, fewer than 32 unless they are a point. A training that is too
    young to be judged is "early", unless its embeddings have fallen to a point since it began.

    >>> from fullrank.diagnosis.profiles import PROFILES
    >>> point = {"relative_spread": Measured("relative_spread", 0.002), "mean_cosine": Measured("mean_cosine", 1.0)}
    >>> judge(point, PROFILES["generic"], n=500, dims=32).sentence
    'Collapsed to a point: the spread around the mean is 0.20% of the norm and the mean cosine 1.000.'
    """
    if known.objective is None:
        known = replace(known, objective=profile.objective)
    known = replace(known, numbers={**known.numbers, "dims": float(dims)})
    said = of_loss(known, found)
    if n < FEWEST:
        few = f"Undetermined: {n} {'sample is' if n == 1 else 'samples are'} too few; pass {FEWEST} or more."
        return Verdict("undetermined", None, few, tuple(said))
    if any(not math.isfinite(one.value) for one in found.values() if one.name == "relative_spread"):
        return Verdict("undetermined", None, "Undetermined: some of the numbers are not finite.", tuple(said))
    applied = {rule.name: _apply(rule, found, profile, n, known) for rule in RULES if n >= rule.least}
    active, silenced = _active([one for one in applied.values() if one is not None], profile)
    findings = sorted(said + active, key=lambda finding: -ORDER[finding.severity])  # stable: then in the order of RULES
    unasked = tuple(
        (rule.name, needs(rule, found)) for rule in RULES if not any(askable(one, found) for one in rule.evidence)
    )
    state, kind, sentence = _state(findings, found, profile, n, dims, known)
    return Verdict(state, kind, sentence, tuple(findings), tuple(silenced), unasked)


def judge_row(row: Mapping[str, float], profile: Profile, *, known: Known = NOTHING) -> Verdict:
    """Judge a monitor row, which holds "n" and "dims" in addition to its numbers.

    >>> from fullrank.diagnosis.profiles import PROFILES
    >>> judge_row({"relative_spread": 0.002, "mean_cosine": 1.0, "n": 500, "dims": 32}, PROFILES["generic"]).kind
    'complete'
    """
    return judge(measured_row(row), profile, n=int(row["n"]), dims=int(row["dims"]), known=known)


@dataclass(frozen=True)
class _Answer:
    """The answer of one piece of evidence: how bad, what is said where it is unsure, and whether more than a warning
    can come of it; sure: whether no number of rows would change it.
    """

    level: Level
    evidence: Evidence
    doubt: str = ""
    may_fail: bool = False
    sure: bool = True


def _badness(answer: _Answer) -> tuple[int, bool]:
    """The order of answers; of those that are unsure, what more rows do not tell counts first."""
    return ORDER[answer.level], answer.sure


def _apply(rule: Rule, found: Mapping[str, Measured], profile: Profile, n: int, known: Known) -> Finding | None:
    """The worst evidence for a rule, as bad as the profile lets it be."""
    answers = [_answer(rule, evidence, found, profile, n, known) for evidence in rule.evidence]
    worst = max((one for one in answers if one is not None), key=_badness, default=None)
    if worst is None:
        return None
    level, evidence = worst.level, worst.evidence
    since = evidence.since.format(**known.numbers)
    sentence = f"{say(evidence, found)}; {since}" if since else say(evidence, found)
    excused = all(is_open(gate, found, known) for gate in profile.shown.get(rule.name, ()))
    most = profile.most.get(rule.name, rule.most) if excused else rule.most
    excuse = _excuse(rule.excused, found, known)
    gates = (gate.name for gate in evidence.gates if gate.name in found and not excludes(gate))
    names = tuple(dict.fromkeys((evidence.graded.name, *gates)))
    known_rows = [found[name] for name in names if found[name].which] if most != "note" else []
    named = known_rows[0] if known_rows else found[evidence.graded.name]
    if excuse:
        level = MILDER[level]
        sentence = f"{sentence}; {excuse}"
    if level == "unsure":
        severity: Severity = "note"
        sentence = worst.doubt
    else:
        severity = most if ORDER[level] > ORDER[most] else level
    untold = profile.labels_tell and most == "note" and level == rule.most and "classes" not in found
    if untold:
        sentence = f"{sentence}; {UNTOLD}"
    return Finding(
        *(rule.name, rule.kind, severity, sentence, names, advice_for(rule.advice, found, known), rule.title),
        which=named.which,
        which_are=RECORDS[named.name].which_are if named.which else None,
        unsure=level == "unsure",
        may_fail=untold or (worst.may_fail and most == "fail" and not excuse),
        excused=bool(excuse) and worst.level == "fail" and most == "fail",
    )


def _excuse(excuses: tuple[Excuse, ...], found: Mapping[str, Measured], known: Known) -> str:
    """What is known of the training that makes a finding milder, if anything."""
    opened = (one for one in excuses if is_open(one.gate, found, known))
    return next((one.sentence.format(**known.numbers) for one in opened), "")


def _answer(
    rule: Rule, evidence: Evidence, found: Mapping[str, Measured], profile: Profile, n: int, known: Known
) -> _Answer | None:
    """The answer of evidence whose measurements are there; unsure where its number, or one of a gate, is at its
    threshold.
    """
    if not askable(evidence, found) or not all(is_open(gate, found, known) for gate in evidence.gates):
        return None
    graded, measured = evidence.graded, found[evidence.graded.name]
    warn, fail = profile.thresholds.get((rule.name, graded.name)) or (graded.warn, graded.fail)
    level = grade(measured, graded, (warn, fail))
    if level in ("warn", "fail") and evidence.doubt:
        return _Answer("unsure", evidence, f"{say(evidence, found)}; {evidence.doubt}", may_fail=True)
    ajar = next((gate for gate in evidence.gates if is_ajar(gate, found)), None)
    if level == "unsure":
        told = say_unsure(evidence, found, warn)
        may_fail = fail is not None or evidence.doubt != ""
        return _Answer(level, evidence, f"{told}; {more_rows(measured, warn, n)}", may_fail, sure=False)
    if level is not None and ajar is not None:
        told = f"{say(evidence, found)}; {more_rows(found[ajar.name], ajar.threshold, n)}"
        return _Answer("unsure", evidence, told, level == "fail", sure=False)
    return None if level is None else _Answer(level, evidence)


def _active(findings: list[Finding], profile: Profile) -> tuple[list[Finding], list[tuple[str, str]]]:
    """The findings that no other explains, and the suppressed ones with the reason, in the order of the rules."""
    by_name = {finding.rule: finding for finding in findings}
    silenced: dict[str, str] = {}
    for at, rule in enumerate(RULES):
        finding = by_name.get(rule.name)
        if finding is None or rule.name in silenced or finding.unsure:
            continue
        if rule.from_fail and finding.severity != "fail":
            continue
        # A warning explains no failure away, unless it was one before it was excused; and what a profile made a note of
        # explains no warning, and nothing that may be more than a note.
        reach: Severity = "warn" if finding.severity == "note" and rule.name not in profile.most else finding.severity
        reach = "fail" if finding.excused and finding.severity == "warn" else reach
        named = [one.name for one in RULES[at + 1 :]] if rule.silences == ("every other",) else rule.silences
        for name in named:
            if name in by_name and _strength(by_name[name]) <= max(ORDER[reach], _strength(finding)):
                silenced.setdefault(name, rule.because)
    return [finding for name, finding in by_name.items() if name not in silenced], [*silenced.items()]


def _strength(finding: Finding) -> float:
    """How bad a finding is, one that may fail between a note and a warning."""
    return max(ORDER[finding.severity], 1.5 if finding.may_fail else 0.0)


def _state(
    findings: list[Finding], found: Mapping[str, Measured], profile: Profile, n: int, dims: int, known: Known
) -> tuple[State, Kind | None, str]:
    worst = findings[0] if findings and findings[0].severity != "note" else None
    early = known.young or (known.rising if worst is not None and worst.kind == "dimensional" else None)
    if early is not None and not (worst is not None and worst.severity == "fail" and _fell(worst, known)):
        looks = f" So far: {worst.sentence}." if worst is not None else ""
        return "early", worst.kind if worst is not None else None, f"Too early to judge ({early}).{looks}"
    if worst is not None and worst.severity == "fail":
        title = f" {worst.title}" if worst.title else ""
        return "collapsed", worst.kind, f"Collapsed{title}: {worst.sentence}."
    if worst is not None:
        return "degraded", worst.kind, f"Degraded ({worst.kind or worst.rule}): {worst.sentence}."
    if n < FEWEST_FOR_RANK:
        few = f"{n} samples are too few to judge the rank; pass {FEWEST_FOR_RANK} or more"
        return "undetermined", None, f"Undetermined: not collapsed to a point, but {few}."
    unsure = next((finding for finding in findings if finding.may_fail), None)
    if unsure is not None:
        return "undetermined", None, f"Undetermined ({unsure.kind or unsure.rule}): {unsure.sentence}."
    measured = _healthy(found, dims)
    if profile.most.get("dimensional collapse", "fail") != "note" and _hidden(found, n, dims):
        learns = _excuse(LEARNS, found, known)
        if learns:
            return "healthy", None, f"No collapse found: {measured}; {learns}."
        few = f"with {n} samples a rank above {n // 2} cannot be told from a lower one"
        enough = math.ceil(dims / 2) if 2 * n < dims else dims + 1  # where a high rank can show, or any rank must
        return "undetermined", None, f"Undetermined: {measured}, but {few}: pass at least {enough}."
    return "healthy", None, f"No collapse found: {measured}."


def _fell(worst: Finding, known: Known) -> bool:
    """Whether a young training fell to a point since it began, or is still at one after 100 steps (ours)."""
    stays = known.numbers.get("steps", 0.0) >= 100
    return worst.kind != "dimensional" and (stays or known.numbers.get("spread_since_start", 1.0) < 0.5)


def _healthy(found: Mapping[str, Measured], dims: int) -> str:
    """The two most decisive numbers, as far as they are there."""
    parts = []
    if "relative_spread" in found:
        parts.append(f"the spread around the mean is {found['relative_spread'].value:.0%} of the norm")
    if "effective_rank" in found:
        parts.append(f"the effective rank {found['effective_rank'].value:.1f} of {dims}")
    return ", ".join(parts) or "no measurement is beyond its threshold"


def _hidden(found: Mapping[str, Measured], n: int, dims: int) -> bool:
    """Whether a cut-off could hide behind the number of rows. Centered RankMe can only be too low, and so proves a
    rank.
    """
    if n > dims or "participation_ratio" not in found:
        return False
    participation, centered = found["participation_ratio"], found.get("rankme_centered")
    least = participation.value if participation.low is None else participation.low
    return max(0.0 if centered is None else centered.value, least) < SHARE_WARNS * dims

"""Every set judged under its own profile and under `generic`, and how often that is wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fullrank.diagnosis.judge import judge
from fullrank.diagnosis.profiles import find_profile
from fullrank.metrics.measure import Measured

from .measuring import measured
from .sets import Set
from .source import seed_of

CALLED = ("degraded", "collapsed")


@dataclass(frozen=True)
class Answer:
    """What was said of a set under a profile."""

    set: Set
    profile: str
    state: str
    kind: str | None
    sentence: str
    deciding: str  # the rule, and the numbers that it was decided by
    named: tuple[str | None, ...] = ()  # the kinds of all findings

    @property
    def false_alarm(self) -> bool:
        """Called, though it must not be."""
        return self.set.duty == "harmless" and self.state in CALLED

    @property
    def missed(self) -> bool:
        """Healthy, though it must be called; undetermined is not a miss, and is counted by itself. Or not named."""
        if self.set.duty == "name":
            return not set(self.named) & set(self.set.kinds)
        return self.set.duty == "must" and self.state not in (*CALLED, "undetermined")


def judged(folder: Path, sets: Iterable[Set], *, again: bool) -> list[Answer]:
    """Two answers for each set, or one where its profile is generic; sets as they are come first, the others mixed."""
    answers = []
    for number, one in enumerate(sorted(sets, key=lambda one: (one.grade != "", seed_of(one.name)))):
        found = measured(folder, one, again=again)
        if number % 50 == 0:
            print(f"{number}: {one.name}", flush=True)
        answers += [_answer(one, found, profile) for profile in dict.fromkeys((one.profile, "generic"))]
    return answers


def _answer(one: Set, found: dict[str, Measured], profile: str) -> Answer:
    seen = judge(found, find_profile(profile), n=one.n, dims=one.dims)
    deciding = ""
    if seen.findings:
        first = seen.findings[0]
        numbers = [_number(found[name]) for name in first.evidence if name in found]
        deciding = f"{first.rule} ({first.severity}): {', '.join(numbers)}"
    named = tuple(finding.kind for finding in seen.findings)
    return Answer(one, profile, seen.state, seen.kind, seen.sentence, deciding, named)


def _number(one: Measured) -> str:
    interval = "" if one.low is None or one.high is None else f" [{one.low:.3g}, {one.high:.3g}]"
    return f"{one.name} {one.value:.3g}{interval}"


@dataclass(frozen=True)
class Rates:
    """How often answers are wrong, of how many; kinds are counted of ruined sets that were called."""

    harmless: int
    false_alarms: int
    harmless_undetermined: int
    ruined: int
    missed: int
    ruined_undetermined: int
    kind_known: int
    kind_right: int


def rates(answers: Iterable[Answer], *, half: str | None = None) -> Rates:
    """Over answers of one half or both."""
    mine = [one for one in answers if half in (None, one.set.half)]
    harmless = [one for one in mine if one.set.duty == "harmless"]
    ruined = [one for one in mine if one.set.duty in ("must", "name")]
    named = [one for one in ruined if one.set.duty == "must" and one.state in CALLED and one.set.kinds]
    return Rates(
        harmless=len(harmless),
        false_alarms=sum(one.false_alarm for one in harmless),
        harmless_undetermined=sum(one.state == "undetermined" for one in harmless),
        ruined=len(ruined),
        missed=sum(one.missed for one in ruined),
        ruined_undetermined=sum(one.set.duty == "must" and one.state == "undetermined" for one in ruined),
        kind_known=len(named),
        kind_right=sum(one.kind in one.set.kinds for one in named),
    )


def to_json(answers: Iterable[Answer]) -> list[dict[str, Any]]:
    """One small record for each answer."""
    left_out = ("file", "labels", "kinds", "n", "dims", "name")
    return [
        {
            **{name: value for name, value in asdict(one.set).items() if name not in left_out},
            "size": f"{one.set.n} x {one.set.dims}",
            "labels": one.set.labels is not None,
            "judged": one.profile,
            "state": one.state,
            "kind": one.kind,
            "deciding": one.deciding,
        }
        for one in answers
    ]


def by_ruin(answers: Iterable[Answer], *, half: str | None = None) -> dict[tuple[str, str, str], Counter[str]]:
    """States under the own profile, by ruin, grade and duty."""
    found: dict[tuple[str, str, str], Counter[str]] = {}
    for one in answers:
        if one.profile == one.set.profile and half in (None, one.set.half):
            found.setdefault((one.set.ruin, one.set.grade, one.set.duty), Counter())[one.state] += 1
    return found

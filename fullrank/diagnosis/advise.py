"""What a report says beside a finding, as far as it fits what is known: possible causes, and remedies that apply."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from fullrank.diagnosis.finding import Finding
from fullrank.diagnosis.grade import is_open
from fullrank.diagnosis.kinds import loss as words
from fullrank.diagnosis.known import Known
from fullrank.diagnosis.loss_plateau import at_plateau, not_gathered
from fullrank.diagnosis.rule import Advice, Cause, Gate, Remedy, Severity
from fullrank.metrics.measure import Measured


def advice_for(advice: Advice, found: Mapping[str, Measured], known: Known) -> Advice:
    """The advice without excluded causes and idle remedies, proven causes first."""

    def pass_all(gates: tuple[Gate, ...]) -> bool:
        return all(is_open(gate, found, known) for gate in gates)

    causes = [cause for cause in advice.causes if _fits(cause, known) and pass_all(cause.needs)]
    causes.sort(key=lambda cause: not (cause.proof and pass_all(cause.proof)))
    useful = (one for one in advice.remedies if pass_all(one.needs))
    remedies = [remedy for remedy in useful if _fits(remedy, known) and _applies(remedy, known)]
    remedies.sort(key=lambda remedy: known.trained_by is None and bool(remedy.of))  # what is of any training first
    return replace(advice, causes=tuple(causes), remedies=tuple(remedies))


def _fits(item: Cause | Remedy, known: Known) -> bool:
    return known.trained_by is None or not item.of or known.trained_by in item.of


def _applies(remedy: Remedy, known: Known) -> bool:
    """Whether a remedy applies: flags and recipes of `fullrank train` are of use for its runs only."""
    return known.of_run or not remedy.code.startswith(("--", "fullrank train"))


def of_loss(known: Known, found: Mapping[str, Measured]) -> list[Finding]:
    """What the loss alone says."""

    def finding(rule: str, severity: Severity, said: str, advice: Advice, title: str = "") -> list[Finding]:
        return [Finding(rule, None, severity, said, ("loss",), advice_for(advice, found, known), title)]

    if known.loss is None:
        return []
    plateau = at_plateau(known.loss)
    if plateau is None:
        local = not_gathered(known.loss)
        return [] if local is None else finding("negatives not gathered", "warn", local, words.NOT_GATHERED)
    if not math.isfinite(known.loss.value):
        return finding("diverged loss", "fail", plateau, words.DIVERGED, "to a loss that is not a number")
    return finding("loss plateau", "warn", plateau, words.PLATEAU)

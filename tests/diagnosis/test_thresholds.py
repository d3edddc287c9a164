"""A number exactly at a threshold that rules share belongs to one of them: nothing falls between two rules."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from torch import Tensor

import fullrank
from fullrank.diagnosis.grade import grade, is_ajar, is_open
from fullrank.diagnosis.kinds import RULES
from fullrank.diagnosis.known import NOTHING, Known
from fullrank.diagnosis.profiles import PROFILES
from fullrank.diagnosis.rule import Gate, Graded
from fullrank.metrics.measure import RECORDS, Measured
from tests.metrics.clouds import gaussian


def gates() -> Iterator[Gate]:
    for rule in RULES:
        yield from (gate for evidence in rule.evidence for gate in evidence.gates)
        yield from (excuse.gate for excuse in rule.excused)
        for cause in rule.advice.causes:
            yield from (*cause.needs, *cause.proof)
        yield from (gate for remedy in rule.advice.remedies for gate in remedy.needs)
    yield from (gate for profile in PROFILES.values() for some in profile.shown.values() for gate in some)


GATES = {*gates()}
GRADED = {evidence.graded for rule in RULES for evidence in rule.evidence}
SHARED = sorted({(one.name, one.threshold) for one in GATES})


def opened(gate: Gate) -> bool:
    """Whether a gate is open for a number that is exactly at its threshold."""
    if gate.name in RECORDS:
        found = {gate.name: Measured(gate.name, gate.threshold)}
        return is_open(gate, found, NOTHING) and not is_ajar(gate, found)
    return is_open(gate, {}, Known(numbers={gate.name: gate.threshold}))


@pytest.mark.parametrize(("name", "threshold"), SHARED)
def test_a_shared_threshold_belongs_to_one_side(name: str, threshold: float) -> None:
    assert opened(Gate(name, "above", threshold)) != opened(Gate(name, "below", threshold))


@pytest.mark.parametrize("graded", sorted(GRADED, key=str))
def test_where_no_grade_is_given_the_gates_of_the_other_rule_are_open(graded: Graded) -> None:
    at = Graded(graded.name, graded.way, graded.warn)
    others = [one for one in GATES if (one.name, one.threshold) == (at.name, at.warn) and one.way != at.way]
    assert grade(Measured(at.name, at.warn), at) is None
    assert all(opened(gate) for gate in others)


def zeros(rows: int) -> Tensor:
    z = gaussian(400, 16)
    z[:rows] = 0
    return z


def one_vector(rows: int) -> Tensor:
    z = gaussian(400, 16)
    z[:rows] = z[0].clone()
    return z


def dead(dims: int) -> Tensor:
    z = gaussian(800, 64).clamp_min(0)
    z[:, :dims] = 0
    return z


@pytest.mark.parametrize(
    ("z", "verdict", "rule", "severity"),
    [
        (gaussian(200, 16).repeat_interleave(4, 0), "collapsed", "duplicate rows", "fail"),
        (gaussian(200, 16).repeat_interleave(5, 0), "healthy", "codes", "note"),
        (gaussian(15, 16).repeat_interleave(20, 0), "collapsed", "duplicate rows", "fail"),
        (zeros(100), "healthy", "some rows of zeros", "note"),
        (zeros(101), "degraded", "rows of zeros", "warn"),
        (one_vector(100), "healthy", "one vector for some rows", "note"),
        (dead(16), "healthy", "dimensions that a ReLU left dead", "note"),
        (dead(17), "degraded", "dead dimensions", "warn"),
    ],
)
def test_embeddings_at_a_threshold_are_spoken_of(z: Tensor, verdict: str, rule: str, severity: str) -> None:
    report = fullrank.diagnose(z.float())
    assert (report.verdict, {one.rule: one.severity for one in report.findings}.get(rule)) == (verdict, severity)


def test_few_values_are_either_a_codebook_or_copies() -> None:
    rules = [{one.rule for one in fullrank.diagnose(gaussian(k, 8).repeat(30, 1)).findings} for k in (15, 16)]
    assert ["duplicate rows" in some for some in rules] == [True, False]
    assert ["codes" in some for some in rules] == [False, True]

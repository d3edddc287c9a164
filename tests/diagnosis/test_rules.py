"""The doctor's table is whole: every name is measured, every rule has its words, and what the words name exists."""

from __future__ import annotations

import re

import pytest

from fullrank import losses, recipes
from fullrank.diagnosis.advice import ADVICE
from fullrank.diagnosis.profiles import PROFILES, Profile
from fullrank.diagnosis.rule import Gate, Rule
from fullrank.diagnosis.rules import RULES
from fullrank.diagnosis.verdict import (
    COSINE_FAILS,
    COSINE_WARNS,
    DECAY_FAILS,
    DECAY_WARNS,
    HEAD_HEAVY,
    SHARE_FAILS,
    SHARE_WARNS,
    SPREAD_FAILS,
    SPREAD_WARNS,
)
from fullrank.metrics.names import NAMES

BY_NAME = {rule.name: rule for rule in RULES}
RULE = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)


@RULE
def test_evidence_is_measured_and_said(rule: Rule) -> None:
    assert rule.evidence
    for evidence in rule.evidence:
        named = {evidence.graded.name, *(gate.name for gate in evidence.gates)}
        said = {name for name, _ in re.findall(r"{(\w+)(:[^}]*)?}", evidence.sentence)}
        assert named | said <= set(NAMES)
        assert said
        evidence.sentence.format(**dict.fromkeys(said, 0.5))


@RULE
def test_to_fail_is_worse_than_to_warn(rule: Rule) -> None:
    for evidence in rule.evidence:
        graded = evidence.graded
        if graded.fail is not None:
            assert graded.fail >= graded.warn if graded.way == "above" else graded.fail <= graded.warn
        own = NAMES[graded.name].direction
        assert own in ("none", "low" if graded.way == "above" else "high")


@RULE
def test_every_rule_has_its_words(rule: Rule) -> None:
    advice = ADVICE[rule.name]
    assert advice.why.endswith(".")
    assert advice.verify.endswith(".")
    assert advice.causes
    assert advice.remedies
    assert bool(rule.silences) == bool(rule.because)


def test_no_words_without_a_rule() -> None:
    assert set(ADVICE) == set(BY_NAME) | {"loss plateau", "negatives not gathered"}


@RULE
def test_a_rule_silences_only_rules_that_come_after_it(rule: Rule) -> None:
    names = list(BY_NAME)
    assert set(rule.silences) <= set(names)
    assert [name for name in rule.silences if names.index(name) <= names.index(rule.name)] == []


def test_complete_collapse_silences_every_other_kind() -> None:
    kinds = {rule.name for rule in RULES if rule.kind not in (None, "complete")}
    assert kinds <= set(BY_NAME["complete collapse"].silences)


def test_the_thresholds_are_those_of_the_training_monitor() -> None:
    point, flat = BY_NAME["complete collapse"].evidence[0].graded, BY_NAME["dimensional collapse"].evidence
    assert (point.warn, point.fail) == (SPREAD_WARNS, SPREAD_FAILS)
    assert (flat[0].graded.warn, flat[0].graded.fail) == (SHARE_WARNS, SHARE_FAILS)
    assert (flat[1].graded.warn, flat[1].graded.fail) == (DECAY_WARNS, DECAY_FAILS)
    assert Gate("head_weight", "below", HEAD_HEAVY, or_missing=True) in flat[1].gates
    monitored = PROFILES["non-contrastive"].thresholds["complete collapse", "mean_cosine"]
    assert monitored == (COSINE_WARNS, COSINE_FAILS)


@pytest.mark.parametrize("profile", PROFILES.values(), ids=lambda profile: profile.name)
def test_a_profile_names_what_exists_and_lets_no_baseline_thing_fail(profile: Profile) -> None:
    assert set(profile.most) <= set(BY_NAME)
    for name, measured in profile.thresholds:
        assert measured in {evidence.graded.name for evidence in BY_NAME[name].evidence}
    for rule in RULES:
        if rule.kind in ("cone", "hubs", "modality gap"):
            assert profile.most[rule.name] != "fail"


def test_the_code_of_remedies_names_losses_and_recipes_that_exist() -> None:
    codes = [code for advice in ADVICE.values() for _, code in advice.remedies]
    used = {name for code in codes for name in re.findall(r"fullrank\.losses\.(\w+)", code)}
    assert {"w2", "vicreg", "uniformity", "koleo"} <= used
    assert used <= set(losses.__all__)
    trained = {name for code in codes for name in re.findall(r"fullrank train (\w+)", code)}
    assert {"byol", "vicreg", "simclr"} <= trained
    assert trained <= set(recipes.names())

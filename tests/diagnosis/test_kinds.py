"""The kinds of collapse are whole: every name is measured, every rule has its words, and what is advised runs."""

from __future__ import annotations

import math
import re
import shlex
from typing import Any

import pytest
import torch

import fullrank
from fullrank.cli import main
from fullrank.diagnosis.kinds import RULES, loss
from fullrank.diagnosis.profiles import PROFILES, Profile
from fullrank.diagnosis.rule import SUBJECT, Remedy, Rule
from fullrank.metrics.measure import RECORDS

BY_NAME = {rule.name: rule for rule in RULES}
RULE = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)


@RULE
def test_evidence_is_measured_and_said(rule: Rule) -> None:
    assert rule.evidence
    for evidence in rule.evidence:
        named = {evidence.graded.name, *(gate.name for gate in evidence.gates)}
        said = {name for name, _ in re.findall(r"{(\w+)(:[^}]*)?}", evidence.sentence)}
        assert named | (said - {SUBJECT}) <= {*RECORDS, "rank_since_start", "dims"}
        assert said
        assert SUBJECT not in said or RECORDS[evidence.graded.name].which_are is not None
        evidence.sentence.format(**dict.fromkeys(said, 0.5))


@RULE
def test_to_fail_is_worse_than_to_warn(rule: Rule) -> None:
    for evidence in rule.evidence:
        graded = evidence.graded
        if graded.fail is not None:
            assert graded.fail >= graded.warn if graded.way == "above" else graded.fail <= graded.warn
        own = RECORDS[graded.name].direction
        assert own in ("none", "low" if graded.way == "above" else "high")


@RULE
def test_every_rule_has_its_words(rule: Rule) -> None:
    assert rule.advice.why.endswith(".")
    assert rule.advice.verify.endswith(".")
    assert rule.advice.causes
    assert rule.advice.remedies
    assert bool(rule.silences) == bool(rule.because)
    fails = any(one.graded.fail is not None for one in rule.evidence) and rule.most == "fail"
    assert bool(rule.title) == fails, "what can fail is the end of 'Collapsed ...'"


@RULE
def test_a_rule_silences_only_rules_that_come_after_it(rule: Rule) -> None:
    names = list(BY_NAME)
    silenced = [] if rule.silences == ("every other",) else rule.silences
    assert set(silenced) <= set(names)
    assert [name for name in silenced if names.index(name) <= names.index(rule.name)] == []


@pytest.mark.parametrize("profile", PROFILES.values(), ids=lambda profile: profile.name)
def test_a_profile_names_what_exists_and_lets_no_baseline_thing_fail(profile: Profile) -> None:
    assert set(profile.most) <= set(BY_NAME)
    for name, measured in profile.thresholds:
        assert measured in {evidence.graded.name for evidence in BY_NAME[name].evidence}
    for rule in RULES:
        if rule.kind in ("cone", "hubs", "modality gap"):
            assert profile.most.get(rule.name, rule.most) != "fail"


REMEDIES = [(rule.name, remedy) for rule in RULES for remedy in rule.advice.remedies]
REMEDIES += [(name, one) for name in ("PLATEAU", "DIVERGED", "NOT_GATHERED") for one in getattr(loss, name).remedies]


@pytest.mark.parametrize(("name", "remedy"), REMEDIES, ids=[f"{name}: {one.text}" for name, one in REMEDIES])
def test_every_remedy_runs_as_it_is_printed(name: str, remedy: Remedy) -> None:
    if remedy.code.startswith("fullrank "):
        words = remedy.code.split(" --like RUN")  # which is read before anything is parsed
        assert len(words) == 2, "it trains on the images of the run"
        parses(shlex.split("".join(words))[1:])
    elif remedy.code.startswith("--"):
        parses(["train", "simclr", *shlex.split(remedy.code)])
    else:
        exec(remedy.code, workplace())


def test_standardized_dimensions_are_finite_where_some_are_constant() -> None:
    z = torch.randn(100, 8, generator=torch.Generator().manual_seed(0))
    z[:, 2], z[:, 5], z[:, 6] = 0.1, 0.0, 60 * z[:, 6]
    for name, remedy in REMEDIES:
        if remedy.text == "standardize the dimensions":
            names = {"z": z}
            exec(remedy.code, names)
            assert names["z"].shape == (100, 6), name
            assert torch.allclose(names["z"].std(0), torch.ones(6)), name


def parses(command: list[str]) -> None:
    """A command is understood up to its help, which is asked for last."""
    with pytest.raises(SystemExit) as ended:
        main([*command, "--help"])
    assert ended.value.code == 0


def workplace() -> dict[str, Any]:
    """The names that a remedy may use: embeddings z (N, D), views (V, N, D), and what a training loop has."""
    generator = torch.Generator().manual_seed(0)
    views = torch.randn(2, 64, 16, generator=generator)
    model = torch.nn.Linear(16, 16)
    return {
        **{"fullrank": fullrank, "torch": torch, "math": math, "views": views, "z": views[0].clone()},
        **{"loss": torch.tensor(0.0), "model": model, "optimizer": torch.optim.SGD(model.parameters(), 0.1)},
        **{"labels": torch.arange(64) % 4, "group": torch.arange(64) % 2, "logit_scale": torch.tensor(5.0)},
    }

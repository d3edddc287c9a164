"""Advice on a run names no part that its recipe does not have: every recipe, every rule, against the built network."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pytest
from torch import nn

from fullrank.diagnosis.advise import advice_for
from fullrank.diagnosis.kinds import RULES
from fullrank.diagnosis.known import Known, parts_of
from fullrank.diagnosis.loss_plateau import CONTRASTIVE
from fullrank.diagnosis.rule import Advice
from fullrank.diagnosis.training import profile_of
from fullrank.methods import Method
from fullrank.nn import Prototypes, encoder
from fullrank.recipes import Recipe, load, names
from fullrank.recipes import settings as settings_of

CHANGED: dict[str, tuple[dict[str, object], ...]] = {  # where a setting adds or takes a part
    "intl": ({"teacher": 0.996},),
    "directclr": ({"head": "none"}, {"head": "linear"}, {"head": "mlp"}),
    "simclr": ({"projector": (64,)},),
}
RUNS = [(name, settings) for name in names() for settings in ({}, *CHANGED.get(name, ()))]
RUN = pytest.mark.parametrize(("name", "settings"), RUNS, ids=[f"{name} {settings or ''}" for name, settings in RUNS])


def has(method: Method, recipe: Recipe) -> Mapping[str, bool]:
    """What a built method has, by the words that name it."""
    head = getattr(method, "projector", None)
    layers = [one for one in head.modules() if isinstance(one, nn.Linear)] if isinstance(head, nn.Module) else []
    teacher = getattr(method, "teacher", None) is not None
    predictor = isinstance(getattr(method, "predictor", None), nn.Module)
    prototypes = any(isinstance(one, Prototypes) for one in method.modules()) or hasattr(recipe, "prototypes")
    return {
        "teacher": teacher,
        "predictor": predictor,
        "stop-gradient|the target": teacher or predictor,
        "prototypes": prototypes,
        "linear projector": len(layers) == 1,
        "projector": bool(layers),
        "negatives": recipe.family == "contrastive",
        "temperature": getattr(recipe, "temperature", None) is not None,
    }


def texts(advice: Advice) -> list[str]:
    causes = [f"{one.text}; {one.test}" for one in advice.causes]
    return causes + [one.text for one in advice.remedies]


@RUN
def test_no_advice_names_a_part_that_the_recipe_does_not_have(name: str, settings: dict[str, object]) -> None:
    recipe = load(name)(**settings)  # type: ignore[arg-type]
    method = recipe.build(encoder("tiny", channels=1, image_size=16))
    parts = parts_of(name, settings_of(recipe))
    known = Known(profile_of(name).objective, of_run=True, numbers=parts | {"backbone_healthy": 1.0})
    for words, there in has(method, recipe).items():
        named = [
            text
            for rule in RULES
            if rule.kind != "modality gap"  # of two encoders, which no recipe trains
            for text in texts(advice_for(rule.advice, {}, known))
            if re.search(rf"\b({words})\b", text)
        ]
        assert there or not named, words


def test_what_a_recipe_has_is_named() -> None:
    def causes(name: str, kind: str) -> str:
        known = Known(profile_of(name).objective, of_run=True, numbers=parts_of(name, settings_of(load(name)())))
        advice = [advice_for(rule.advice, {}, known) for rule in RULES if rule.kind == kind]
        return " ".join(one.text for found in advice for one in found.causes)

    assert "teacher" in causes("byol", "complete")
    assert "predictor" in causes("simsiam", "complete")
    assert "prototypes" in causes("swav", "cluster")
    assert "temperature" in causes("moco", "dimensional")


@pytest.mark.parametrize(("weight", "first"), [(0.0, "nothing in the objective"), (0.5, "the learning rate")])
def test_an_objective_that_only_pulls_is_told_so_first_unless_a_regularizer_keeps_apart(
    weight: float, first: str
) -> None:
    settings = {**settings_of(load("invariance")()), "w2": weight}
    known = Known("two-branch", of_run=True, numbers=parts_of("invariance", settings))
    assert advice_for(RULES[0].advice, {}, known).causes[0].text.startswith(first)


@pytest.mark.parametrize(("weight", "told"), [(0.0, True), (0.5, False)])
def test_an_objective_of_ones_own_is_told_that_it_may_only_pull(weight: float, told: bool) -> None:
    settings = {**settings_of(load("invariance")()), "w2": weight}
    known = Known("two-branch", of_run=True, numbers=parts_of("./mine.py", settings))
    for one in (known, Known("two-branch", numbers={"keeps_apart": 0.0} if told else {"keeps_apart": 1.0})):
        causes = [cause.text for cause in advice_for(RULES[0].advice, {}, one).causes]
        assert ("nothing in the objective keeps embeddings apart" in causes) == told


def test_the_recipes_with_negatives_are_those_of_the_contrastive_family() -> None:
    family = {name for name in names() if load(name).family == "contrastive"}
    assert family == {name for name in names() if name in CONTRASTIVE}

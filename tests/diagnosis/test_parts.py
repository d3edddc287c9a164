"""Advice on a run names no part that its recipe does not have: every recipe, every rule, against the built network."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import nn

import fullrank
from fullrank.diagnosis.advise import advice_for
from fullrank.diagnosis.kinds import RULES
from fullrank.diagnosis.known import Known, parts_of
from fullrank.diagnosis.loss_plateau import CONTRASTIVE, parts_of_loss
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


def test_no_contrastive_run_is_told_to_contrast() -> None:
    for name in filter(CONTRASTIVE.__contains__, names()):
        known = Known(profile_of(name).objective, of_run=True, numbers=parts_of(name, settings_of(load(name)())))
        codes = [one.code for rule in RULES for one in advice_for(rule.advice, {}, known).remedies]
        assert not any("train simclr" in code for code in codes), name


SAME = {"spectral": "spectral_transformation", "lejepa": "sigreg", "emp_ssl": "coding_rate", "directclr": "infonce"}
"""Recipes whose loss has another name than they have; the other loss of `intl` has a teacher."""
NAMED: list[tuple[str, str, dict[str, object]]] = [
    (name, SAME.get(name, name), {}) for name in names() if name not in ("invariance", "align_uniform")
]
NAMED += [("invariance", "alignment", {}), ("intl", "intl_with_teacher", {"teacher": 0.996})]


@pytest.mark.parametrize(("name", "loss", "settings"), NAMED, ids=[loss for _, loss, _ in NAMED])
def test_the_name_of_a_loss_tells_the_parts_that_its_recipe_has(
    name: str, loss: str, settings: dict[str, object]
) -> None:
    told = parts_of_loss(loss)
    has = parts_of(name, settings_of(load(name)(**settings)))  # type: ignore[arg-type]
    assert told == {part: has[part] for part in told}


@pytest.mark.parametrize(
    ("loss", "settings", "named"),
    [
        (("vicreg", 24.75), {}, ""),
        (("barlow_twins", 32.0), {}, "variance term"),
        (("swav", 5.704), {"prototypes": 300}, "variance term"),
        (("triplet", 0.2), {"margin": 0.2}, "negatives|variance term"),
        (("simsiam", -1.0), {}, "stop-gradient|predictor|variance term"),
        (("alignment", 0.0), {}, "nothing in the objective|stop-gradient|predictor|teacher|variance term"),
        (("infonce", 5.545), {"batch_size": 256}, "negatives|temperature|variance term"),
    ],
)
def test_no_advice_contradicts_the_loss_that_was_named(
    loss: tuple[str, float], settings: dict[str, Any], named: str
) -> None:
    z = 1 + 1e-4 * torch.randn(100, 32, generator=torch.Generator().manual_seed(0))
    findings = fullrank.diagnose(z, loss=loss, **settings).findings
    assert [one.rule for one in findings] == ["complete collapse", "loss plateau"]
    words = "nothing in the objective|stop-gradient|predictor|teacher|negatives|temperature|variance term"
    said = {found for one in findings for text in texts(one.advice) for found in re.findall(words, text)}
    assert said == {*named.split("|")} - {""}


def test_vicreg_is_not_told_to_be_vicreg() -> None:
    for name in ("vicreg", "vibcreg"):
        known = Known("two-branch", of_run=True, numbers=parts_of(name, settings_of(load(name)())))
        codes = [one.code for rule in RULES for one in advice_for(rule.advice, {}, known).remedies]
        assert not any("losses.vicreg" in code for code in codes), name

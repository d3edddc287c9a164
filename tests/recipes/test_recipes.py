from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import FrozenInstanceError, fields
from pathlib import Path
from typing import get_args

import pytest
import torch
from torch import Tensor, nn

from fullrank import recipes
from fullrank.cli import main
from fullrank.engine import RunOptions
from fullrank.errors import UserError
from fullrank.losses import (
    Terms,
    alignment,
    barlow_twins,
    coding_rate,
    cw_rgp,
    dcl,
    frossl,
    intl,
    matrix_ssl,
    mec,
    mmcr,
    nt_xent,
    sigreg,
    spectral_contrastive,
    spectral_transformation,
    ssl_hsic,
    uniformity,
    vibcreg,
    vicreg,
    visreg,
    vne,
    w_mse,
    zero_cl,
)
from fullrank.methods import TeacherStudent
from fullrank.nn import encoder
from fullrank.recipes import Recipe
from fullrank.stats import power

PACKAGE = Path(recipes.__file__).parents[1]
RESULTS = PACKAGE.parent / "docs" / "results" / "fashion-mnist"
LOSS = {
    "invariance": lambda z: alignment(z),
    "simclr": lambda z: nt_xent(z, temperature=0.2),
    "vicreg": lambda z: vicreg(z),
    "barlow_twins": lambda z: barlow_twins(z),
    "intl": lambda z: intl(z),
    "dcl": lambda z: dcl(z, temperature=0.2),
    "w_mse": lambda z: w_mse(z, size=128),
    "emp_ssl": lambda z: coding_rate(z),
    "cw_rgp": lambda z: cw_rgp(z, size=64),
    "mmcr": lambda z: mmcr(z),
    "frossl": lambda z: frossl(z),
    "mec": lambda z: mec(z),
    "vne": lambda z: vne(z),
    "zero_cl": lambda z: zero_cl(z),
    "lejepa": lambda z: sigreg(z, slices=256),
    "visreg": lambda z: visreg(z, regularization=0.6, slices=256),
    "matrix_ssl": lambda z: matrix_ssl(z),
    "spectral_contrastive": lambda z: spectral_contrastive(z, mu=10.0),
    "vibcreg": lambda z: vibcreg(z),
    "ssl_hsic": lambda z: ssl_hsic(z, bottleneck=1.0),
    "spectral": lambda z: intl(z, axis="batch", beta=0.0),
    "align_uniform": lambda z: {"loss": alignment(z)["loss"] + uniformity(z)["loss"]},
}


@pytest.mark.parametrize("name", LOSS)
def test_a_recipe_optimizes_its_loss_with_its_weights(name: str) -> None:
    z = torch.randn(2, 16, 8, generator=torch.Generator().manual_seed(0))
    assert torch.equal(recipes.load(name)().objective()(z)["loss"], LOSS[name](z)["loss"])


def test_a_weight_changed_by_a_flag_reaches_the_loss() -> None:
    z = torch.randn(2, 16, 8, generator=torch.Generator().manual_seed(0))
    changed = recipes.load("intl")(axis="batch", iterations=2, beta=0.3)  # type: ignore[call-arg]
    assert torch.equal(changed.objective()(z)["loss"], intl(z, axis="batch", iterations=2, beta=0.3)["loss"])


@pytest.mark.parametrize("name", recipes.names())
def test_a_recipe_has_a_header_with_command_cost_and_result(name: str) -> None:
    header = " ".join(recipes.documentation(name).split())
    assert f"fullrank train {name} --data fashion-mnist" in header
    result = json.loads((RESULTS / f"{name}-4.json").read_text())
    assert f"Cost: {result['seconds']['train'] / 60:.1f} minutes for 4 epochs" in header
    assert f"Result: kNN {result['knn']:.3f}, linear {result['linear']['test']:.3f}," in header


def test_the_header_of_intl_says_what_its_teacher_costs_and_does() -> None:
    header = " ".join(recipes.documentation("intl").split())
    result = json.loads((RESULTS / "intl-teacher-4.json").read_text())
    rank = result["collapse"]["embedding"]["effective_rank"]
    assert f"`--teacher 0.996` takes {result['seconds']['train'] / 60:.1f} minutes" in header
    assert f"kNN {result['knn']:.3f}, linear {result['linear']['test']:.3f}, effective rank {rank:.0f} of" in header


@pytest.mark.parametrize("name", recipes.names())
def test_a_recipe_is_frozen_and_every_field_says_what_it_is(name: str) -> None:
    recipe = recipes.load(name)()
    with pytest.raises(FrozenInstanceError):
        recipe.lr = 1.0  # type: ignore[misc]
    own = [field.name for field in fields(recipe) if field.name not in recipe.records()]
    assert undocumented([field.name for field in fields(recipe.start)], "recipes/_start.py") == []
    assert undocumented(own, f"recipes/{name}.py", "recipes/_recipe.py") == []
    for file, record in recipe.regularizers().items():
        assert undocumented([field.name for field in fields(record)], f"regularizers/{file}.py") == []


def undocumented(flags: list[str], *files: str) -> list[str]:
    """Those of the flags that no line of the files explains below their field."""
    source = "".join((PACKAGE / path).read_text() for path in files)
    below = {flag: source.partition(f"    {flag}: ")[2].partition("\n")[2].lstrip() for flag in flags}
    return [flag for flag, text in below.items() if not text.startswith('"""')]


@pytest.mark.parametrize(
    ("transform", "expected"),
    [
        ("power", lambda z: spectral_transformation(z, g=power(0.45))),
        ("zca", spectral_transformation),
        ("identity", lambda z: spectral_transformation(z, g=torch.ones_like)),
        ("pca", lambda z: spectral_transformation(z, components=True)),
        ("cholesky", w_mse),
    ],
)
def test_the_members_of_the_spectral_family(transform: str, expected: Callable[[Tensor], Terms]) -> None:
    z = torch.randn(2, 16, 8, generator=torch.Generator().manual_seed(0))
    recipe = recipes.load("spectral")(transform=transform)  # type: ignore[call-arg]
    torch.testing.assert_close(recipe.objective()(z)["loss"], expected(z)["loss"])


@pytest.mark.parametrize("transform", ["pca", "cholesky"])
def test_members_of_the_features_only_refuse_the_channel_axis(transform: str) -> None:
    recipe = recipes.load("spectral")(transform=transform, axis="channel")  # type: ignore[call-arg]
    with pytest.raises(UserError, match=f"--transform {transform} acts on the features only: leave out --axis channel"):
        recipe.objective()


@pytest.mark.parametrize("end", [1.0, 0.99])
def test_the_teacher_of_byol_ends_at_the_momentum_that_the_flag_says(end: float) -> None:
    recipe = recipes.load("byol")(projector=(8, 4), predictor=(8,), teacher_end=end)  # type: ignore[call-arg]
    method = recipe.build(encoder("tiny", image_size=16, channels=1))
    assert isinstance(method, TeacherStudent)
    assert method.teacher is not None
    before = [parameter.clone() for parameter in method.teacher.parameters()]
    with torch.no_grad():
        for parameter in (*method.encoder.parameters(), *method.projector.parameters()):
            parameter.add_(1.0)
    method.update(1.0)
    for old, new in zip(before, method.teacher.parameters(), strict=True):
        torch.testing.assert_close(new - old, torch.full_like(new, 1 - end), rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "projector", "predictor", "seen"),
    [  # how both heads end, and how many of three views the teacher sees
        ("byol", "Linear", "Linear", 3),
        ("moco", "Linear", None, 3),
        ("moco_v3", "norm without scale", "norm without scale", 3),
        ("dino", "Linear", "Prototypes", 2),
        ("simdino", "Linear", None, 2),
        ("simsiam", "norm without scale", "Linear", None),
        ("nnclr", "norm", "Linear", None),
    ],
)
def test_heads_end_and_teachers_see_as_their_papers_have_it(
    name: str, projector: str, predictor: str | None, seen: int | None
) -> None:
    method = recipes.load(name)(projector=(8, 4)).build(encoder("tiny", image_size=16, channels=1))
    assert isinstance(method, TeacherStudent)
    assert (_last(method.projector), _last(method.predictor)) == (projector, predictor)
    assert (method.teacher is None) is (seen is None)
    if seen is not None:
        assert len(method([torch.zeros(4, 1, 16, 16)] * 3)["target"]) == seen


def _last(head: nn.Module | None) -> str | None:
    if head is None:
        return None
    last = head[-1] if isinstance(head, nn.Sequential) else head
    if isinstance(last, nn.BatchNorm1d):
        return "norm" if last.affine else "norm without scale"
    return type(last).__name__


def test_settings_survive_a_json_round_trip() -> None:
    recipe = recipes.load("intl")
    settings = {"data": "digits", "data_root": "/data", "projector": [64, 32], "steps": None, "beta": 0.1}
    restored = recipes.from_settings(recipe, settings)
    assert (restored.data_root, restored.projector, restored.steps) == (Path("/data"), (64, 32), None)
    assert recipes.from_settings(RunOptions, {"out": None, "devices": 2}).devices == 2


def test_settings_of_another_version_are_an_error() -> None:
    with pytest.raises(UserError, match="settings that this version does not know \\(color\\)"):
        recipes.from_settings(Recipe, {"color": 1})


def test_a_recipe_without_objective_says_so() -> None:
    with pytest.raises(NotImplementedError, match="Recipe must say its objective"):
        Recipe().objective()


def test_every_recipe_is_listed_once_by_its_family(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recipes"]) == 0
    said = capsys.readouterr().out
    listed = [line.split()[0] for line in said.partition("\nContrastive\n")[2].splitlines() if line.startswith("  ")]
    assert sorted(listed) == recipes.names()
    assert {recipes.load(name).family for name in recipes.names()} == {*get_args(recipes.Family)} - {"your own"}
    assert Recipe.family == "your own"


def test_train_without_arguments_says_how_to_begin(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train"]) == 0
    commands = [line.split("  ")[1] for line in capsys.readouterr().out.splitlines() if line.startswith("  fullrank")]
    assert [line.split()[2] for line in commands] == ["simclr", "simclr", "intl"]

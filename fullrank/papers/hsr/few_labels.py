"""Durrant & Leontidis 2022: what HSR-BYOL's regularizers are worth where few images have labels."""

from __future__ import annotations

from pathlib import Path
from statistics import mean

import torch

from fullrank.data import select
from fullrank.evaluation import ridge_accuracy
from fullrank.papers.kit.experiment import Experiment, Outcome, Settings
from fullrank.papers.kit.judging import by_case, by_seed
from fullrank.papers.kit.parts import POINTS, higher
from fullrank.papers.kit.represented import Labeled, image_sets, represent, saved
from fullrank.papers.kit.training import Job, Size, train_all, usual_size
from fullrank.recipes.byol import BYOL
from fullrank.regularizers.energy import Energy
from fullrank.regularizers.uniformity import Uniformity

_PROJECTOR = (256, 64)
PLAIN, UNIFORM, ENERGY = "BYOL", "BYOL + uniformity", "BYOL + energy"
_FEW, _TENTH = "1 % of the labels (%)", "10 % of the labels (%)"

Values = dict[str, dict[str, list[float]]]


def few_labels(settings: Settings, size: Size | None = None) -> Outcome:
    """A linear probe that learns from 1 % or 10 % of the training images, of a representation that stays."""
    train, test = image_sets(settings)
    runs = train_three(settings, size)
    found: Values = {_FEW: {}, _TENTH: {}}
    for case, folders in runs.items():
        for seed, folder in zip(settings.each_seed, folders, strict=True):
            order = torch.randperm(len(train), generator=torch.Generator().manual_seed(seed))
            known = represent(saved(folder), select(train, order[: len(train) // 10]))
            few, tenth = shares(known, represent(saved(folder), test))
            found[_FEW].setdefault(case, []).append(few)
            found[_TENTH].setdefault(case, []).append(tenth)
    words = "; ".join(f"{case} {mean(found[_FEW][case]):.1f} and {mean(found[_TENTH][case]):.1f}" for case in runs)
    return Outcome(
        measured=f"Accuracy (%) of a linear probe on test images, from 1 % and from 10 % of the labels: {words} "
        f"({settings.averaged}).",
        panels=(
            by_case("linear probe from 1 % of the labels", "test images (%)", found[_FEW]),
            by_case("linear probe from 10 % of the labels", "test images (%)", found[_TENTH]),
        ),
        rows=by_seed("training", found),
    )


def shares(known: Labeled, test: Labeled) -> tuple[float, float]:
    """Accuracy (%) on test from each tenth of the known images, the mean, and from all of them."""
    z, labels = known
    tenths = [ridge_accuracy(z[at::10], labels[at::10], *test) for at in range(10)]
    return 100 * mean(tenths), 100 * ridge_accuracy(z, labels, *test)


def train_three(settings: Settings, size: Size | None) -> dict[str, list[Path]]:
    """BYOL, with Wang & Isola's loss at the weight 1 and with the energy at 10, which are ours: theirs are unknown."""
    recipes = {
        PLAIN: BYOL(projector=_PROJECTOR),
        UNIFORM: BYOL(projector=_PROJECTOR, uniformity=Uniformity(1.0)),
        ENERGY: BYOL(projector=_PROJECTOR, energy=Energy(10.0)),
    }
    jobs = [Job(name, "byol", recipe) for name, recipe in recipes.items()]
    return train_all(settings, jobs, size or usual_size(settings))


FEW_LABELS = Experiment(
    name="hsr/few-labels",
    paper="Durrant & Leontidis 2022, HSR-BYOL",
    title="A linear probe from 1 % and 10 % of the labels",
    claim="A uniformity loss, or the energy of the weights, makes BYOL's representation perform better where few "
    "images have labels.",
    minutes=7.8,
    full="ResNet-18 for 100 epochs at 28 px, with our settings",
    trainings=3,
    run=few_labels,
    caveat="The encoder is not fine-tuned, and the weights of both terms are ours: the authors' could not be read.",
    parts=(
        higher(_FEW, UNIFORM, PLAIN, POINTS, "ours"),
        higher(_FEW, ENERGY, PLAIN, POINTS, "ours"),
        higher(_TENTH, UNIFORM, PLAIN, POINTS, "ours"),
        higher(_TENTH, ENERGY, PLAIN, POINTS, "ours"),
    ),
    data="fashion-mnist",
)

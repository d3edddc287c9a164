"""Ozsoy et al. 2022: CorInfoMax beside other methods, with the same encoder, images, views and steps."""

from __future__ import annotations

from statistics import mean

from fullrank.papers.kit.experiment import Experiment, Outcome, Settings
from fullrank.papers.kit.judging import by_case, by_seed, kept_panel, used
from fullrank.papers.kit.parts import KEPT, Margin, Part, Source, Table
from fullrank.papers.kit.represented import unseen_accuracies
from fullrank.papers.kit.training import Job, Size, numbers, train_all, usual_size
from fullrank.recipes.barlow_twins import BarlowTwins
from fullrank.recipes.corinfomax import CorInfoMaxRecipe
from fullrank.recipes.simclr import SimCLR
from fullrank.recipes.vicreg import VICReg

_WIDTH = 64
_PROJECTOR = (256, _WIDTH)
_OWN, _OTHERS = "CorInfoMax", ("SimCLR", "VICReg", "Barlow Twins")
_KNN, _LINEAR, _RANK = "kNN (%)", "linear (%)", "effective rank"
_BEHIND = 2.0  # points: 5,000 test images tell 80 % to 0.6


def competitive(settings: Settings, size: Size | None = None) -> Outcome:
    """CorInfoMax with its authors' settings for 64 dimensions, and three methods with those of their recipes."""
    jobs = [
        Job(_OWN, "corinfomax", CorInfoMaxRecipe(projector=_PROJECTOR, invariance=250.0)),
        Job("SimCLR", "simclr", SimCLR(projector=_PROJECTOR)),
        Job("VICReg", "vicreg", VICReg(projector=_PROJECTOR)),
        Job("Barlow Twins", "barlow_twins", BarlowTwins(projector=_PROJECTOR)),
    ]
    runs = train_all(settings, jobs, size or usual_size(settings))
    rank, spread = (numbers(runs, "embedding", number) for number in ("effective_rank", "relative_spread"))
    knn, linear = unseen_accuracies(settings, runs)
    words = ", ".join(f"{name} {mean(knn[name]):.1f} and {mean(linear[name]):.1f}" for name in runs)
    return Outcome(
        measured=f"Accuracy (%) of neighbors and of a linear probe: {words} ({settings.averaged}).",
        panels=(
            by_case("kNN accuracy of the representation", "test images (%)", knn),
            by_case("linear accuracy of the representation", "test images (%)", linear),
            by_case("effective rank of the embedding", f"dimensions of {_WIDTH}", rank),
            kept_panel({name: used(rank[name], spread[name], _WIDTH) for name in runs}),
        ),
        rows=by_seed("method", {_KNN: knn, _LINEAR: linear, _RANK: rank, "relative spread": spread}),
    )


_LESS = Margin(0.0, "points", f"{_BEHIND:g} points behind, within which two runs count as level, are the threshold")


def _not_behind(column: str, other: str, source: Source) -> Part:
    return Part(
        says=f"{column}: {_OWN} is less than {_BEHIND:g} points behind {other}, counted from there",
        effect=lambda table: [gain + _BEHIND for gain in table.gain(column, _OWN, over=other)],
        margin=_LESS,
        source=source,
        kind="above",
    )


def _fuller(other: str) -> Part:
    def more(table: Table) -> list[float]:
        own, theirs = (used(table.of(_RANK, case), table.of("relative spread", case), _WIDTH) for case in (_OWN, other))
        return [a - b for a, b in zip(own, theirs, strict=True)]

    says = f"{_OWN} keeps more of its embedding than {other}"
    return Part(says=says, effect=more, margin=KEPT, source="ours")


COMPETITIVE = Experiment(
    name="corinfomax/competitive",
    paper="Ozsoy et al. 2022, the tables of linear accuracy",
    title="CorInfoMax, SimCLR, VICReg and Barlow Twins",
    claim="CorInfoMax is better than other methods or competitive with them.",
    minutes=8.5,
    full="ResNet-18 for 100 epochs at 28 px, with our settings",
    trainings=4,
    run=competitive,
    caveat="One learning rate for all, and weights that were not searched: who is ahead may be who was tuned.",
    parts=(
        _not_behind(_LINEAR, "SimCLR", "abstract"),
        *(_not_behind(_LINEAR, other, "abstract") for other in _OTHERS[1:]),
        *(_not_behind(_KNN, other, "ours") for other in _OTHERS),
        *map(_fuller, _OTHERS),
    ),
    data="fashion-mnist",
)

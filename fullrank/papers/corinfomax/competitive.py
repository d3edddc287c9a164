"""Ozsoy et al. 2022: CorInfoMax beside other methods, with the same encoder, images, views and steps."""

from __future__ import annotations

from fullrank.papers.kit.beside import KNN, LINEAR, PROJECTOR, beside, fuller, not_behind
from fullrank.papers.kit.experiment import Experiment, Outcome, Settings
from fullrank.papers.kit.training import Job, Size
from fullrank.recipes.barlow_twins import BarlowTwins
from fullrank.recipes.corinfomax import CorInfoMaxRecipe
from fullrank.recipes.simclr import SimCLR
from fullrank.recipes.vicreg import VICReg

_OWN, _OTHERS = "CorInfoMax", ("SimCLR", "VICReg", "Barlow Twins")


def competitive(settings: Settings, size: Size | None = None) -> Outcome:
    """CorInfoMax with its authors' weight for 64 dimensions, factor and eps, and three methods as their recipes are.

    The authors train CIFAR-10 without batch norm in the projector, in batches of 512; here all have it, and 256.
    """
    jobs = [
        Job(_OWN, "corinfomax", CorInfoMaxRecipe(projector=PROJECTOR, invariance=250.0)),
        Job("SimCLR", "simclr", SimCLR(projector=PROJECTOR)),
        Job("VICReg", "vicreg", VICReg(projector=PROJECTOR)),
        Job("Barlow Twins", "barlow_twins", BarlowTwins(projector=PROJECTOR)),
    ]
    return beside(settings, jobs, size)


COMPETITIVE = Experiment(
    name="corinfomax/competitive",
    paper="Ozsoy et al. 2022, the abstract",
    title="CorInfoMax, SimCLR, VICReg and Barlow Twins",
    claim="CorInfoMax is better than other methods or competitive with them.",
    minutes=8.5,
    full="ResNet-18 for 100 epochs at 28 px, with our settings",
    trainings=4,
    run=competitive,
    caveat="One learning rate for all, and weights that were not searched: who is ahead may be who was tuned. The "
    "allowance was 2 points at first, which an untrained encoder would nearly keep.",
    parts=(
        not_behind(LINEAR, _OWN, "SimCLR", "abstract"),
        *(not_behind(LINEAR, _OWN, other, "abstract") for other in _OTHERS[1:]),
        *(not_behind(KNN, _OWN, other, "ours") for other in _OTHERS),
        *(fuller(_OWN, other) for other in _OTHERS),
    ),
    data="fashion-mnist",
)

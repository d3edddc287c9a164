"""Fang, Li, Sun & Wang, "Rethinking The Uniformity Metric in Self-Supervised Learning", ICLR 2024: with training."""

from __future__ import annotations

import math
from statistics import mean

from fullrank.papers.experiment import Experiment, Outcome, Settings
from fullrank.papers.judging import by_case, by_seed, differences, judge, level
from fullrank.papers.training import Job, Size, numbers, spectra, train_all, usual_size
from fullrank.recipes.byol import BYOL
from fullrank.recipes.moco import MoCoV2

_WIDTH = 64
_NAMES = {"moco": "MoCo v2", "moco-w2": "MoCo v2 + W2", "byol": "BYOL", "byol-w2": "BYOL + W2"}


def hosts(settings: Settings, size: Size | None = None) -> Outcome:
    """MoCo v2 and BYOL with and without W2, at the paper's weights 1 and 0.2."""
    projector = (256, _WIDTH)
    jobs = [
        Job("moco", "moco", MoCoV2(projector=projector)),
        Job("moco-w2", "moco", MoCoV2(projector=projector, w2=1.0)),
        Job("byol", "byol", BYOL(projector=projector)),
        Job("byol-w2", "byol", BYOL(projector=projector, w2=0.2)),
    ]
    runs = {_NAMES[name]: folders for name, folders in train_all(settings, jobs, size or usual_size(settings)).items()}
    rank, w2, alignment = (
        {name: numbers(folders, "embedding", number) for name, folders in runs.items()}
        for number in ("effective_rank", "w2", "alignment")
    )
    effects, words = [], []
    for host in ("MoCo v2", "BYOL"):
        plus = f"{host} + W2"
        effects += [differences(rank[host], rank[plus]), differences(w2[plus], w2[host])]
        effects += [differences(alignment[host], alignment[plus])]
        words.append(
            f"{host}: effective rank {mean(rank[host]):.1f} to {mean(rank[plus]):.1f} of {_WIDTH}, "
            f"W2 {mean(w2[host]):.2f} to {mean(w2[plus]):.2f}, alignment loss {mean(alignment[host]):.2f} to "
            f"{mean(alignment[plus]):.2f}"
        )
    samples = numbers(runs["BYOL"], "embedding", "n")[0]
    floor = level(f"about uniform, {samples:.0f} samples", math.sqrt(_WIDTH / samples) / 2, (0, 3))
    return Outcome(
        verdict=judge(effects),
        measured="; ".join(words) + f" ({settings.averaged}).",
        panels=(
            by_case("effective rank of the embedding", "dimensions", rank),
            by_case(
                "W2 uniformity", "distance to uniform (no unit)", w2, level("one point", math.sqrt(2), (0, 3)), floor
            ),
            by_case("alignment loss", "squared distance (no unit)", alignment),
            spectra(runs, "embedding"),
        ),
        rows=by_seed("training", {"effective rank": rank, "W2": w2, "alignment": alignment}),
    )


HOSTS = Experiment(
    name="w2/hosts",
    paper="Fang et al. 2024, table 2 and fig. 7",
    title="W2 as a flag on MoCo v2 and BYOL",
    claim="Adding W2 to MoCo v2 and to BYOL raises the effective rank and lowers W2, and alignment pays for it.",
    minutes=5,
    full="100 epochs of Fashion-MNIST with ResNet-18",
    run=hosts,
    data=("fashion-mnist", "digits"),
)

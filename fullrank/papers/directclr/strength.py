"""DirectCLR (Jing, Vincent, LeCun & Tian, 2022), figure 2, on images: live dimensions by the strength of the views."""

from __future__ import annotations

from functools import partial
from statistics import mean

import torch

from fullrank.losses import nt_xent
from fullrank.metrics import effective_rank
from fullrank.papers.kit.experiment import Experiment, Outcome, Settings
from fullrank.papers.kit.judging import by_case, by_seed
from fullrank.papers.kit.parts import DIMENSION, lower
from fullrank.papers.kit.short import PROJECTOR, in_memory, train
from fullrank.papers.kit.training import Size, usual_size
from fullrank.stats import spectrum

_STRENGTHS = (0.1, 0.5, 1.0)
_LIVE, _RANK = "live dimensions", "effective rank"
_DEAD = 1e-3  # of the largest eigenvalue; the paper's dimensions are counted by eye


def strength(settings: Settings, size: Size | None = None) -> Outcome:
    """SimCLR with weak, middling and strong crops and jitter, and the spectrum of the test images' embeddings."""
    chosen = size or usual_size(settings)
    images, test = in_memory(settings)
    found: dict[str, dict[str, list[float]]] = {_LIVE: {}, _RANK: {}}
    total = len(_STRENGTHS) * settings.seeds
    for done, (at, seed) in enumerate(((at, seed) for at in _STRENGTHS for seed in settings.each_seed), 1):
        networks = train(images, partial(nt_xent, temperature=0.1), chosen, at, seed)
        z = torch.nn.functional.normalize(networks.embeddings(test[:5000]))
        values = spectrum(z)
        found[_LIVE].setdefault(f"{at:g}", []).append(float((values > _DEAD * values[0]).sum()))
        found[_RANK].setdefault(f"{at:g}", []).append(float(effective_rank(z)))
        settings.progress(done / total)
    words = "; ".join(
        f"{at} {mean(values):.1f} and {mean(found[_RANK][at]):.1f}" for at, values in found[_LIVE].items()
    )
    return Outcome(
        measured=f"Live dimensions and effective rank of the embedding, of {PROJECTOR[-1]}, by the strength of the "
        f"views: {words} ({settings.averaged}).",
        panels=(
            by_case("live dimensions of the embedding, by strength", f"dimensions of {PROJECTOR[-1]}", found[_LIVE]),
            by_case("effective rank of the embedding, by strength", f"dimensions of {PROJECTOR[-1]}", found[_RANK]),
        ),
        rows=by_seed("strength", found),
    )


STRENGTH = Experiment(
    name="directclr/augmentation",
    paper="Jing et al. 2022, section 4",
    title="Live dimensions of SimCLR's embedding by the strength of its views",
    claim="The stronger the augmentation, the more dimensions a contrastive embedding loses.",
    minutes=3.5,
    full="ResNet-18 for 100 epochs at 28 px, with our settings",
    trainings=3,
    run=strength,
    caveat="The paper's theory is of one linear layer and noise, and its figure 2 of one SimCLR; here crops and "
    "jitter grow together.",
    parts=(
        lower(_LIVE, "1", "0.1", DIMENSION, "ours"),
        lower(_RANK, "1", "0.1", DIMENSION, "ours"),
        lower(_LIVE, "0.5", "0.1", DIMENSION, "ours"),
        lower(_LIVE, "1", "0.5", DIMENSION, "ours"),
    ),
    data="fashion-mnist",
)

"""Weng et al. 2024: INTL at widths of the embedding far above and below the batch, on the toy task of the powers."""

from __future__ import annotations

from functools import partial
from statistics import mean

from torch import Tensor

from fullrank.losses import Terms, intl
from fullrank.papers.intl.sweep import train_toy
from fullrank.papers.kit.experiment import Experiment, Outcome, Settings
from fullrank.papers.kit.judging import by_number, level
from fullrank.papers.kit.parts import DIMENSION, Part, higher
from fullrank.stats import Axis, newton

WIDTHS = (16, 64, 256, 1024)
_BATCH = 128  # of the toy task
_AXES: dict[str, Axis] = {"samples": "channel", "features": "batch"}
_RANK = "rank of z"


def width(settings: Settings, steps: int = 150) -> Outcome:
    """INTL with its rule's weight, whitening samples or features, for embeddings of 16 to 1,024 dimensions."""
    found: dict[str, dict[int, list[float]]] = {whitened: {} for whitened in _AXES}
    for done, at in enumerate(WIDTHS, 1):
        for whitened, axis in _AXES.items():
            transform = partial(newton, iterations=4, axis=axis)
            loss = partial(_objective, axis=axis)
            found[whitened][at] = [
                train_toy(loss, transform, seed=seed, steps=steps, width=at).ranks[0] for seed in settings.each_seed
            ]
        settings.progress(done / len(WIDTHS))
    words = "; ".join(
        f"whitening {whitened} {', '.join(f'{mean(values):.1f}' for values in by.values())}"
        for whitened, by in found.items()
    )
    return Outcome(
        measured=f"Effective rank of the embedding with {', '.join(map(str, WIDTHS))} dimensions: {words} "
        f"({settings.averaged}, batches of {_BATCH}).",
        panels=(
            by_number(
                "effective rank of the embedding",
                "dimensions of the embedding",
                "dimensions",
                found,
                level(f"the batch, {_BATCH}", _BATCH, WIDTHS),
                log_x=True,
            ),
        ),
        rows=tuple(
            {"whitened": whitened, "width": at, "seed": seed, _RANK: rank}
            for whitened, by in found.items()
            for at, ranks in by.items()
            for seed, rank in enumerate(ranks)
        ),
    )


def _objective(z: Tensor, axis: Axis) -> Terms:
    """INTL; the weight of the rule is 0.01 for 16 features, and is 0.04 for a batch of 128 samples."""
    return intl(z, axis=axis)


def _wider(whitened: str, at: int, than: int) -> Part:
    return higher(_RANK, (whitened, at), (whitened, than), DIMENSION, "ours")


WIDTH = Experiment(
    name="intl/width",
    paper="Weng et al. 2024, the authors' code (samples are whitened, embeddings of 2,048 to 8,192 dimensions)",
    title="Embeddings of 16 to 1,024 dimensions, whitened along samples or features",
    claim="INTL, which whitens samples, uses more dimensions of an embedding that is far wider than the batch.",
    minutes=1.7,
    run=width,
    caveat="A toy task with 20 clusters in 8 dimensions, 150 steps.",
    parts=(
        _wider("samples", 1024, 16),
        _wider("samples", 64, 16),
        _wider("samples", 256, 64),
        _wider("samples", 1024, 256),
        _wider("features", 64, 16),
        _wider("features", 256, 64),
        _wider("features", 1024, 256),
        *(higher(_RANK, ("samples", at), ("features", at), DIMENSION, "ours") for at in WIDTHS),
    ),
)

"""Weng et al., "Modulate Your Spectrum in Self-Supervised Learning", ICLR 2024: powers of the spectrum, on images."""

from __future__ import annotations

from statistics import mean

from fullrank.papers.kit.experiment import Experiment, Outcome, Settings
from fullrank.papers.kit.judging import by_case, by_seed, differences, judge
from fullrank.papers.kit.training import Job, Size, numbers, train_all, usual_size
from fullrank.recipes.spectral import Spectral

_WIDTH = 32  # of the embedding: a quarter of the batch, so that its covariance can be whitened
_POWERS = (0.0, 0.25, 0.5, 0.75)
_BEST = "0.5"


def power_images(settings: Settings, size: Size | None = None) -> Outcome:
    """Trainings that differ in the power p alone, by the effective rank of the embedding as it is."""
    jobs = [
        Job(f"power {power:g}", "spectral", Spectral(projector=(256, _WIDTH), transform="power", power=power))
        for power in _POWERS
    ]
    trained = train_all(settings, jobs, size or usual_size(settings, batch_size=128))
    runs = {f"{power:g}": trained[f"power {power:g}"] for power in _POWERS}
    rank, spread = (numbers(runs, "embedding", number) for number in ("effective_rank", "relative_spread"))
    half = [_WIDTH / 2] * settings.seeds
    effects = [differences(half, rank[_BEST]), *(differences(rank[far], half) for far in ("0", "0.25", "0.75"))]
    words = ", ".join(f"{mean(values):.1f} at {name}" for name, values in rank.items())
    return Outcome(
        verdict=judge(effects),
        measured=f"Effective rank of the embedding, of {_WIDTH}, by the power p: {words} ({settings.averaged}); a "
        "collapse is read as less than half of the dimensions.",
        panels=(
            by_case("effective rank of the embedding, by the power p", "dimensions", rank),
            by_case("relative spread of the embedding", "share of the norm (no unit)", spread),
        ),
        rows=by_seed("power", {"effective rank": rank, "relative spread": spread}),
    )


IMAGES = Experiment(
    name="intl/power-images",
    paper="Weng et al. 2024, the section on spectral transformation",
    title="Powers of the spectrum, on images",
    claim="Transforming the spectrum by l^-p avoids collapse for p near 1/2, and collapses far from it.",
    minutes=3.7,
    full="100 epochs of Fashion-MNIST with ResNet-18",
    run=power_images,
    data="fashion-mnist",
)

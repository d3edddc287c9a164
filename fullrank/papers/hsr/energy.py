"""Durrant & Leontidis, "Hyperspherically Regularized Networks for Self-Supervision", 2022, arXiv:2105.00925."""

from __future__ import annotations

from pathlib import Path
from statistics import mean

import torch
from torch import nn

from fullrank.losses import layer_energy
from fullrank.papers.kit.experiment import Experiment, Outcome, Settings
from fullrank.papers.kit.judging import by_case, by_seed, level
from fullrank.papers.kit.parts import NATS, POINTS, Margin, higher, lower
from fullrank.papers.kit.represented import saved, unseen_accuracies
from fullrank.papers.kit.training import Job, Size, numbers, train_all, usual_size
from fullrank.recipes.byol import BYOL
from fullrank.regularizers.energy import Energy

_WEIGHTS = (0.0, 1.0, 10.0)  # ours: those of the authors are not known to us


def energy(settings: Settings, size: Size | None = None) -> Outcome:
    """BYOL with the hyperspherical energy of its weights at 0, 1 and 10."""
    jobs = [Job(f"weight {weight:g}", "byol", BYOL(projector=(256, 64), energy=Energy(weight))) for weight in _WEIGHTS]
    runs = train_all(settings, jobs, size or usual_size(settings))
    rank, uniformity = (numbers(runs, "backbone", number) for number in ("effective_rank", "uniformity"))
    weights = {name: [encoder_energy(folder) for folder in folders] for name, folders in runs.items()}
    accuracy, linear = unseen_accuracies(settings, runs)
    none = next(iter(runs))
    words = [
        f"{label} {', '.join(f'{mean(values[name]):.{digits}f}' for name in runs)}"
        for label, values, digits in (
            ("energy of the encoder's weights", weights, 3),
            ("uniformity loss of the representation", uniformity, 3),
            ("its kNN accuracy", accuracy, 1),
            ("its effective rank", rank, 1),
        )
    ]
    least = least_energy(runs[none][0])
    bound = level(f"bound, regular simplices: {least:.3f}", least, (0, 2))
    return Outcome(
        measured=f"At weight 0, 1 and 10: {'; '.join(words)} ({settings.averaged}).",
        panels=(
            by_case("energy of the encoder's weights", "sum over layers (no unit)", weights, bound),
            by_case("uniformity of the representation", "log mean Gaussian potential (nats)", uniformity),
            by_case("kNN accuracy of the representation", "test images (%)", accuracy),
            by_case("effective rank of the representation", "dimensions", rank),
        ),
        rows=by_seed(
            "energy",
            {
                "weight energy": weights,
                "uniformity": uniformity,
                "kNN (%)": accuracy,
                "linear (%)": linear,
                "effective rank": rank,
            },
        ),
    )


def encoder_energy(run: Path) -> float:
    """Hyperspherical energy of a trained encoder's layers, summed."""
    with torch.no_grad():
        return float(layer_energy(saved(run).encoder))


def least_energy(run: Path) -> float:
    """A lower bound of that sum: (K - 1) / (2 K) for K rows, by Jensen, and reached where they form a simplex."""
    encoder = saved(run).encoder
    rows = [len(part.weight) for part in encoder.modules() if isinstance(part, nn.Linear | nn.Conv2d)]
    return sum((count - 1) / (2 * count) for count in rows)


_LESS = Margin(0.01, "energy", "a tenth of what the weight 10 takes away")

ENERGY = Experiment(
    name="hsr/energy",
    paper="Durrant & Leontidis 2022, HSR-BYOL",
    title="Hyperspherical energy of the weights of BYOL",
    claim="Minimizing the hyperspherical energy of the weights spreads BYOL's representation more uniformly, and so "
    "makes it perform better.",
    minutes=10,
    full="ResNet-18 for 100 epochs at 28 px, with our settings",
    trainings=3,
    run=energy,
    parts=(
        higher("kNN (%)", "weight 10", "weight 0", POINTS, "abstract"),
        lower("uniformity", "weight 10", "weight 0", NATS, "abstract"),
        lower("weight energy", "weight 10", "weight 0", _LESS, "ours"),
        higher("kNN (%)", "weight 1", "weight 0", POINTS, "abstract"),
        lower("uniformity", "weight 1", "weight 0", NATS, "abstract"),
    ),
    data="fashion-mnist",
)

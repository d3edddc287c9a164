"""Durrant & Leontidis 2022: the energy of the weights against weight decay, and orthogonality at equal energy."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from itertools import chain
from statistics import mean

import torch
from torch import Tensor, nn
from torch.nn import functional

from fullrank.losses import layer_energy
from fullrank.metrics import effective_rank
from fullrank.papers.kit.experiment import Experiment, Outcome, Panel, Series, Settings
from fullrank.papers.kit.parts import DIMENSION, Case, Margin, Part, Table, at_equal, higher, lower
from fullrank.stats import normalize

_INPUT, _WIDTH, _CLUSTERS, _BATCH = 8, 16, 20, 128
_NONE, _ENERGY, _ORTHOGONAL, _DECAY = "none", "energy", "orthogonality", "weight decay"
_WEIGHTS = {_NONE: (0.0,), _ENERGY: (0.01, 0.05, 0.3), _ORTHOGONAL: (0.0003, 0.003, 0.03), _DECAY: (1e-4, 1e-3, 1e-2)}
_SUM, _RANK = "weight energy", "effective rank"


def equal_energy(settings: Settings, steps: int = 300) -> Outcome:
    """BYOL on a toy task of 20 clusters, with three weights each of three terms on the weights of its networks."""
    ways = [(term, weight) for term, weights in _WEIGHTS.items() for weight in weights]
    rows: list[dict[str, str | float]] = []
    for done, (term, weight) in enumerate(ways, 1):
        for at, seed in enumerate(settings.each_seed):
            energy, rank = _train(term, weight, seed, steps)
            rows.append({"term": term, "weight": weight, "seed": at, _SUM: energy, _RANK: rank})
        settings.progress(done / len(ways))
    table = Table(rows)
    words = "; ".join(
        f"{term} {weight:g}: {mean(table.of(_SUM, term, weight)):.3f} and {mean(table.of(_RANK, term, weight)):.1f}"
        for term, weight in ways
    )
    return Outcome(
        measured=f"Energy of the weights and effective rank of the representation: {words} ({settings.averaged}).",
        panels=(_panel(table),),
        rows=tuple(rows),
    )


def _train(term: str, weight: float, seed: int, steps: int) -> tuple[float, float]:
    """The energy of the encoder's weights, and the effective rank of what it makes of fresh samples."""
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        net = nn.Sequential(
            nn.Linear(_INPUT, 64), nn.BatchNorm1d(64), nn.ReLU(),
            nn.Linear(64, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, _WIDTH),
        )  # fmt: skip
        predictor = nn.Sequential(nn.Linear(_WIDTH, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, _WIDTH))
    centers = 3 * torch.randn(_CLUSTERS, _INPUT, generator=generator)
    teacher = copy.deepcopy(net).requires_grad_(False)
    decay = weight if term == _DECAY else 0.0
    weights = chain(net.parameters(), predictor.parameters())
    optimizer = torch.optim.SGD(weights, lr=0.05, momentum=0.9, weight_decay=decay)

    def samples(count: int) -> Tensor:
        chosen = centers[torch.randint(_CLUSTERS, (count,), generator=generator)]
        return chosen + torch.randn(count, _INPUT, generator=generator)

    for _ in range(steps):
        views = samples(_BATCH) + torch.randn(2, _BATCH, _INPUT, generator=generator)
        optimizer.zero_grad()
        predicted = [predictor(net(view)) for view in views]
        targets = [teacher(view) for view in views]
        loss = 4 - 2 * sum(functional.cosine_similarity(predicted[at], targets[1 - at]).mean() for at in (0, 1))
        (loss + _term(term, weight, net)).backward()
        optimizer.step()
        with torch.no_grad():
            for old, new in zip(teacher.parameters(), net.parameters(), strict=True):
                old.lerp_(new, 0.01)
    net.eval()
    with torch.no_grad():
        return float(layer_energy(net)), float(effective_rank(net(samples(1024))))


def _term(term: str, weight: float, net: nn.Sequential) -> Tensor:
    if term == _ENERGY:
        return weight * layer_energy(net)
    if term == _ORTHOGONAL:
        return weight * torch.stack([overlap(part.weight) for part in net if isinstance(part, nn.Linear)]).sum()
    return torch.zeros(())


def overlap(weight: Tensor) -> Tensor:
    """|W Wᵀ - I|² for the rows W scaled to length 1: 0 where they are orthogonal.

    >>> float(overlap(torch.eye(3))), round(float(overlap(torch.ones(2, 3))), 3)
    (0.0, 2.0)
    """
    rows = normalize(weight)
    return (rows @ rows.T - torch.eye(len(rows))).square().sum()


def _panel(table: Table) -> Panel:
    series: list[Series] = []
    for term, weights in _WEIGHTS.items():
        found = [(table.of(_SUM, term, weight), table.of(_RANK, term, weight)) for weight in weights]
        x, y = (tuple(value for pair in found for value in pair[at]) for at in (0, 1))
        series.append(Series(label=term, x=x, y=y, style="points"))
        if len(weights) > 1:
            means = [tuple(mean(pair[at]) for pair in found) for at in (0, 1)]
            series.append(Series(label=term, x=means[0], y=means[1]))
    return Panel(
        title="rank of the representation at the energy of the weights",
        x_label="energy of the encoder's weights, sum over layers (no unit)",
        y_label=f"effective rank, dimensions of {_WIDTH}",
        series=tuple(series),
    )


def _cases(term: str) -> Sequence[Case]:
    return [(term, weight) for weight in _WEIGHTS[term]]


_LESS = Margin(0.01, "energy", "a tenth of what the weight 10 takes away in `hsr/energy`")

EQUAL_ENERGY = Experiment(
    name="hsr/equal-energy",
    paper="Durrant & Leontidis 2022, HSR-BYOL",
    title="Energy of the weights, orthogonality and weight decay, on a toy task",
    claim="What the energy of the weights does for BYOL's representation, weight decay does not, nor orthogonal "
    "weights of the same energy.",
    minutes=0.97,
    run=equal_energy,
    caveat="The weights of all three terms are ours: smaller than in a first trial, in which the energies that "
    "two terms reached had nothing in common. Orthogonality reaches hardly more than one energy, 1.59. "
    "A weight decay of 0.01, the heaviest that was tried, gives more rank than the energy does.",
    parts=(
        Part(
            says="effective rank: higher with the energy than with orthogonality, at equal energy",
            effect=lambda table: at_equal(table, _SUM, _RANK, _cases(_ENERGY), over=_cases(_ORTHOGONAL)),
            margin=DIMENSION,
            source="ours",
        ),
        higher(_RANK, (_ENERGY, 0.3), (_NONE, 0.0), DIMENSION, "ours"),
        higher(_RANK, (_ORTHOGONAL, 0.003), (_NONE, 0.0), DIMENSION, "ours"),
        higher(_RANK, (_ENERGY, 0.3), (_DECAY, 1e-3), DIMENSION, "ours"),
        lower(_SUM, (_ENERGY, 0.3), (_NONE, 0.0), _LESS, "ours"),
        lower(_SUM, (_ORTHOGONAL, 0.003), (_NONE, 0.0), _LESS, "ours"),
        lower(_SUM, (_DECAY, 1e-3), (_NONE, 0.0), _LESS, "ours"),
    ),
)

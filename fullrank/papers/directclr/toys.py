"""The toy tasks of DirectCLR (Jing, Vincent, LeCun & Tian, 2022), figures 3, 5 and 6: layers of 16 x 16.

The theory's loss is eq. 2, squared Euclidean; the authors' scripts use cross-entropy of inner products instead, and
another verdict would follow from it: where the two differ, both are shown. Rates and numbers of steps are ours; with
--full the longer ones, which are the script's for figures 5 and 6. Figure 11 is in directclr_depth.py.
"""

from __future__ import annotations

import torch
from torch import Tensor

from fullrank.papers.directclr.nets import (
    FEATURES,
    Nets,
    decaying_layers,
    embedding_spectrum,
    product,
    train,
    uniform_layers,
)
from fullrank.papers.directclr.theory import (
    aligned_singular_values,
    alignment,
    contrast_matrix,
    flow,
    pair_weights,
)
from fullrank.papers.kit.experiment import Experiment, Outcome, Panel, Series, Settings, Verdict

VARIANCES = (0.1, 0.5, 1.0, 1.5, 2.0, 2.5, 4.0, 8.0)
MOVED = 8  # features that the strong augmentation moves: the last ones
DEAD = 1e-2  # of the largest singular value: below, a dimension counts as vanished. Ours; the paper names none
BATCH = 128
Floats = tuple[float, ...]


def blockwise(variances: tuple[float, ...]) -> Tensor:
    """(K, d): no augmentation of the first features, these variances on the last `MOVED`."""
    moved = torch.zeros(len(variances), FEATURES)
    moved[:, -MOVED:] = torch.tensor(variances)[:, None]
    return moved


def measured_matrix(nets: Nets, variance: Tensor, net: int = 0, batches: int = 32) -> Tensor:
    """X / N (S, d, d) of lemma 2, of a linear net at its present weights: the mean over batches of 128."""
    drawn = torch.randn(2, batches, BATCH, FEATURES, generator=torch.Generator().manual_seed(54321))
    x, noise = drawn.double()
    positive = x + variance[net].sqrt() * noise
    maps = product(nets)[:, net, None]  # (S, 1, d, d)
    weights = [pair_weights(x @ one.mT, positive @ one.mT) for one in maps]
    return torch.stack([contrast_matrix(x, positive, alpha).mean(0) / BATCH for alpha in weights])


def strong_augmentation(settings: Settings) -> Outcome:
    """Figure 3: one layer, the last 8 of 16 features moved with variance k."""
    variance = blockwise(VARIANCES)
    lr, steps = (0.05, 6000) if settings.full else (0.2, 1500)
    start = uniform_layers(settings.seeds, len(VARIANCES))
    trained = train(start, variance, lr=lr, steps=steps, snapshots=50, progress=settings.progress)[-1]
    euclidean = torch.linalg.svdvals(product(trained))  # (S, K, d)
    script = train(start, variance, loss="dot", lr=0.01, steps=steps, batch=BATCH)[-1]
    dot = torch.linalg.svdvals(product(script))
    dead, dead_dot = ((values < DEAD * values[..., :1]).sum(-1) for values in (euclidean, dot))  # (S, K)
    strong, weak = VARIANCES.index(4.0), VARIANCES.index(1.0)
    kept, lost = bool((dead[:, weak] == 0).all()), bool((dead[:, strong] == MOVED).all())
    verdict: Verdict = "holds" if kept and lost else "contradicted" if int(dead.max()) == 0 else "holds in part"
    counts = ", ".join(f"{float(dead[:, k].double().mean()):.3g} at {VARIANCES[k]:g}" for k in range(len(VARIANCES)))
    measured = (
        f"Of 16 singular values of W, vanished by the variance k of the augmentation (data: 1): {counts}. With the "
        f"scripts' loss, {float(dead_dot[:, -1].double().mean()):.3g} vanish at k = {VARIANCES[-1]:g}."
    )
    panels = (
        _spectra("One layer loses what the augmentation moves", euclidean),
        _spectra("With the scripts' loss it only shrinks", dot),
        _ninth(euclidean, dot),
        _against_theorem_1(start, variance, strong),
    )
    rows = _rows_by_k(euclidean, dead, dot, dead_dot)
    return Outcome(verdict=verdict, measured=measured, panels=panels, rows=rows)


def _spectra(title: str, values: Tensor) -> Panel:
    shown = [VARIANCES.index(k) for k in (0.1, 1.0, 2.0, 4.0)]
    x = tuple(float(i) for i in range(1, FEATURES + 1))
    series = [Series(label=f"k = {VARIANCES[k]:g}", x=x, y=_floats(values[:, k].clamp_min(1e-6))) for k in shown]
    y_label = "singular value of W (cut at 1e-6)"
    return Panel(title=title, x_label="rank of the singular value", y_label=y_label, series=tuple(series), log_y=True)


def _ninth(euclidean: Tensor, dot: Tensor) -> Panel:
    lines = []
    for label, values in (("theory's loss", euclidean), ("scripts' loss", dot)):
        ratio = (values[..., FEATURES - MOVED] / values[..., 0]).clamp_min(1e-6)
        lines.append(Series(label=label, x=VARIANCES, y=_floats(ratio)))
    title = "Vanishing needs the theory's loss"
    y_label = "ninth singular value, relative to the first (cut at 1e-6)"
    x_label = "variance k of the augmentation (data: 1)"
    return Panel(title=title, x_label=x_label, y_label=y_label, series=tuple(lines), log_y=True)


def _against_theorem_1(start: Nets, variance: Tensor, net: int) -> Panel:
    """Norms of the clean and the moved columns of W in the first steps, and W(0) exp(X t) with the X of the start."""
    lr, every = 0.005, 10
    taken = train(start, variance, lr=lr, steps=every * 20, snapshots=20)
    matrix = measured_matrix(start, variance, net, batches=256)
    time = tuple(lr * every * i for i in range(len(taken)))
    theory = torch.stack([flow(product(start)[:, net], matrix, t) for t in time])  # (T, S, d, d)
    training = torch.stack([product(nets)[:, net] for nets in taken])
    lines = []
    for label, part in (("clean", slice(0, -MOVED)), ("moved", slice(-MOVED, None))):
        lengths = [tuple(maps[..., part].norm(dim=(-2, -1)).mean(-1).tolist()) for maps in (training, theory)]
        lines.append(Series(label=label, x=time, y=lengths[0]))
        lines.append(Series(label=f"{label}, theorem 1", x=time, y=lengths[1], style="expected"))
    title = f"Theorem 1 fixes X, training does not (k = {VARIANCES[net]:g})"
    y_label = "norm of 8 columns of W"
    return Panel(title=title, x_label="time: step x rate", y_label=y_label, series=tuple(lines), log_y=True)


def _rows_by_k(values: Tensor, dead: Tensor, dot: Tensor, dead_dot: Tensor) -> tuple[dict[str, str | float], ...]:
    rows: list[dict[str, str | float]] = []
    for k, variance in enumerate(VARIANCES):
        row: dict[str, str | float] = {"variance k": variance}
        for name, each, lost in (("theory's loss", values, dead), ("scripts' loss", dot, dead_dot)):
            row[f"{name}: vanished of 16"] = float(lost[:, k].double().mean())
            row[f"{name}: ninth / first"] = float((each[:, k, FEATURES - MOVED] / each[:, k, 0]).mean())
        rows.append(row)
    return tuple(rows)


def implicit_regularization(settings: Settings) -> Outcome:
    """Figures 5 and 6: two linear layers, next to no augmentation; judged by the theory's loss."""
    lr, steps = (0.01, 10_000) if settings.full else (0.02, 5000)
    variance = torch.full((1, FEATURES), 1e-6)
    nets = decaying_layers(settings.seeds, [2], [False])
    taken = train(nets, variance, lr=lr, steps=steps, snapshots=100, progress=settings.progress)
    script = train(nets, variance, loss="dot", lr=lr, steps=steps, snapshots=100, progress=settings.progress)
    values, straight, live = _aligned(taken[-1])
    script_values, script_straight, script_live = _aligned(script[-1])
    least = float(straight[live].min())
    drift = max(float((after - before).norm() / before.norm()) for before, after in _conserved(taken))
    collapsed = bool((live.sum(1) < FEATURES).all())
    verdict: Verdict = "holds" if collapsed and least > 0.9 else "holds in part" if collapsed else "contradicted"
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
    return Outcome(verdict=verdict, measured=measured, panels=panels, rows=rows)


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
        Series(label="alignment |v2 . u1|", x=x, y=_floats(straight), style="points"),
        Series(label="singular value, relative to the first", x=x, y=_floats(values / values[:, :1])),
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
        y = _floats(embedding_spectrum(taken[index])[:, 0])
        lines.append(Series(label=f"step {index * steps // last}", x=x, y=y))
    y_label = "log of the covariance's eigenvalue"
    return Panel(title=title, x_label="rank of the eigenvalue", y_label=y_label, series=tuple(lines))


def _floats(values: Tensor) -> Floats:
    """The mean over seeds (S, K)."""
    return tuple(values.double().mean(0).tolist())


AUGMENTATION = Experiment(
    name="directclr/toy-augmentation",
    paper="Jing, Vincent, LeCun & Tian (2022), section 4.2, figure 3",
    title="Strong augmentation and one linear layer",
    claim="An augmentation that moves some input features more than the data vary makes a linear layer give them no "
    "weight at all.",
    minutes=0.2,
    full="6,000 steps at a learning rate of 0.05",
    run=strong_augmentation,
)

IMPLICIT = Experiment(
    name="directclr/toy-implicit",
    paper="Jing, Vincent, LeCun & Tian (2022), section 5, figures 5 and 6",
    title="Two linear layers and hardly any augmentation",
    claim="Two linear layers align with each other, and their small singular values stay small, so that embeddings "
    "lose dimensions under weak augmentation, too.",
    minutes=0.2,
    full="10,000 steps at a learning rate of 0.01",
    run=implicit_regularization,
)

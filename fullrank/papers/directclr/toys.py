"""The toy task of DirectCLR (Jing, Vincent, LeCun & Tian, 2022), figure 3: layers of 16 x 16.

The theory's loss is eq. 2, squared Euclidean; the authors' scripts use cross-entropy of inner products instead, and
another verdict would follow from it: where the two differ, both are shown. Rates and numbers of steps are ours; with
--full the longer ones, which are the script's for figures 5 and 6. Figure 11 is in depth.py.
"""

from __future__ import annotations

import torch
from torch import Tensor

from fullrank.papers.directclr.nets import (
    FEATURES,
    Nets,
    product,
    train,
    uniform_layers,
)
from fullrank.papers.directclr.theory import (
    contrast_matrix,
    flow,
    pair_weights,
)
from fullrank.papers.kit.experiment import Experiment, Outcome, Panel, Series, Settings
from fullrank.papers.kit.parts import DIMENSION, EXACT, Part

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
    start = uniform_layers(settings.each_seed, len(VARIANCES))
    trained = train(start, variance, lr=lr, steps=steps, snapshots=50, progress=settings.progress)[-1]
    euclidean = torch.linalg.svdvals(product(trained))  # (S, K, d)
    script = train(start, variance, loss="dot", lr=0.01, steps=steps, batch=BATCH)[-1]
    dot = torch.linalg.svdvals(product(script))
    dead, dead_dot = ((values < DEAD * values[..., :1]).sum(-1) for values in (euclidean, dot))  # (S, K)
    strong = VARIANCES.index(4.0)
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
    return Outcome(measured=measured, panels=panels, rows=rows)


def _spectra(title: str, values: Tensor) -> Panel:
    shown = [VARIANCES.index(k) for k in (0.1, 1.0, 2.0, 4.0)]
    x = tuple(float(i) for i in range(1, FEATURES + 1))
    series = [Series(label=f"k = {VARIANCES[k]:g}", x=x, y=floats(values[:, k].clamp_min(1e-6))) for k in shown]
    y_label = "singular value of W (cut at 1e-6)"
    return Panel(title=title, x_label="rank of the singular value", y_label=y_label, series=tuple(series), log_y=True)


def _ninth(euclidean: Tensor, dot: Tensor) -> Panel:
    lines = []
    for label, values in (("theory's loss", euclidean), ("scripts' loss", dot)):
        ratio = (values[..., FEATURES - MOVED] / values[..., 0]).clamp_min(1e-6)
        lines.append(Series(label=label, x=VARIANCES, y=floats(ratio)))
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
        for seed in range(len(values)):
            row: dict[str, str | float] = {"variance k": variance, "seed": seed}
            for name, each, lost in (("theory's loss", values, dead), ("scripts' loss", dot, dead_dot)):
                row[f"{name}: vanished of 16"] = float(lost[seed, k])
                row[f"{name}: ninth / first"] = float(each[seed, k, FEATURES - MOVED] / each[seed, k, 0])
            rows.append(row)
    return tuple(rows)


def floats(values: Tensor) -> Floats:
    """The mean over seeds (S, K)."""
    return tuple(values.double().mean(0).tolist())


_THEORY = "theory's loss: vanished of 16"


AUGMENTATION = Experiment(
    name="directclr/toy-augmentation",
    paper="Jing, Vincent, LeCun & Tian (2022), section 4.2, figure 3",
    title="Strong augmentation and one linear layer",
    claim="An augmentation that moves some input features more than two images differ in them makes a linear layer "
    "give them no weight at all.",
    minutes=0.72,
    full="6,000 steps at a learning rate of 0.05",
    run=strong_augmentation,
    caveat="The values of k are ours: those of the figure could not be read.",
    parts=(
        Part(
            says="at k = 4 more dimensions vanish than at k = 1",
            effect=lambda table: table.gain(_THEORY, 4.0, over=1.0),
            margin=DIMENSION,
            source="paper",
        ),
        Part(
            says=f"at k = 4 all {MOVED} that the augmentation moves vanish",
            effect=lambda table: [lost - MOVED for lost in table.of(_THEORY, 4.0)],
            margin=EXACT,
            source="paper",
            kind="exact",
        ),
        Part(
            says="at k = 1 none vanishes",
            effect=lambda table: [-lost for lost in table.of(_THEORY, 1.0)],
            margin=EXACT,
            source="paper",
            kind="exact",
        ),
        Part(
            says="with the loss of the authors' scripts they vanish at k = 8, too",
            effect=lambda table: table.gain("scripts' loss: vanished of 16", 8.0, over=1.0),
            margin=DIMENSION,
            source="ours",
        ),
    ),
)

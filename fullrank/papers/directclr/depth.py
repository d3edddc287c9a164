"""Figure 11 of DirectCLR (Jing, Vincent, LeCun & Tian, 2022): deeper toy nets lose more dimensions."""

from __future__ import annotations

import torch
from torch import Tensor

from fullrank.papers.directclr.nets import FEATURES, Loss, decaying_layers, embedding_spectrum, train
from fullrank.papers.kit.experiment import Experiment, Outcome, Panel, Series, Settings
from fullrank.papers.kit.judging import judge

LIVE = -4.0  # log variance of an embedding above which a dimension counts as alive. Ours
DEPTHS = ("1", "2", "3", "4")


def live_dimensions(loss: Loss, seeds: int, *, full: bool = False) -> Tensor:
    """Live dimensions (S, 7) of embeddings after training: 1 to 4 linear layers, then 2 to 4 with ReLU between."""
    lr, steps, batch = (0.01, 10_000, 128) if full else (0.05, 2000, 64)
    nets = decaying_layers(seeds, [1, 2, 3, 4, 2, 3, 4], [False] * 4 + [True] * 3)
    trained = train(nets, torch.full((7, FEATURES), 1e-6), loss=loss, lr=lr, steps=steps, batch=batch)[-1]
    return (embedding_spectrum(trained) > LIVE).sum(-1).double()


def depth(settings: Settings) -> Outcome:
    """Figure 11: stacks of layers, linear or with ReLU between, with the scripts' loss and with the theory's."""
    rows: list[dict[str, str | float]] = []
    panels, effects = [], []
    losses: tuple[tuple[Loss, str], ...] = (("dot", "scripts' loss"), ("euclidean", "theory's loss"))
    for done, (loss, name) in enumerate(losses, 1):
        live = live_dimensions(loss, settings.seeds, full=settings.full)
        settings.progress(done / 2)
        mean = live.mean(0).tolist()
        linear, bent = mean[:4], [mean[0], *mean[4:]]  # one layer has nothing between layers
        for nets in ([0, 1, 2, 3], [0, 4, 5, 6]):
            lost = live[:, nets].diff(dim=1).neg().amin(1)  # (S,): the least that one more layer costs
            effects.append(lost.tolist())
        effects.append([0.5 - (FEATURES - float(kept)) for kept in live[:, 0]])
        at = tuple(map(float, range(len(DEPTHS))))
        series = tuple(Series(label=kind, x=at, y=tuple(y)) for kind, y in (("linear", linear), ("ReLU", bent)))
        y_label = f"live dimensions of 16 (log variance above {LIVE:g})"
        title = f"Depth and the {name}"
        panels.append(Panel(title=title, x_label="layers", y_label=y_label, series=series, x_names=DEPTHS))
        for kind, line in (("linear", linear), ("ReLU", bent)):
            counts: dict[str, str | float] = {f"{k} layers": live for k, live in enumerate(line, 1)}
            rows.append({"loss": name, "net": kind, **counts})
    shown = "; ".join(f"{row['net']}, {row['loss']}: {_counts(row)}" for row in rows)
    measured = f"Live dimensions of 16 with 1, 2, 3 and 4 layers, mean over seeds. {shown}."
    return Outcome(verdict=judge(effects), measured=measured, panels=tuple(panels), rows=tuple(rows))


def _counts(row: dict[str, str | float]) -> str:
    return ", ".join(f"{float(row[f'{k} layers']):.3g}" for k in range(1, 5))


DEPTH = Experiment(
    name="directclr/toy-depth",
    paper="Jing, Vincent, LeCun & Tian (2022), appendix C, figure 11",
    title="Depth and nonlinearity",
    claim="The more layers a net has, linear or with ReLU between, the more dimensions its embeddings lose; one layer "
    "loses none.",
    minutes=0.2,
    full="10,000 steps at a learning rate of 0.01",
    run=depth,
)

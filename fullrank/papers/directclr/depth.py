"""Figure 11 of DirectCLR (Jing, Vincent, LeCun & Tian, 2022): deeper toy nets lose more dimensions."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor

from fullrank.papers.directclr.nets import FEATURES, Loss, decaying_layers, embedding_spectrum, train
from fullrank.papers.kit.experiment import Experiment, Outcome, Settings
from fullrank.papers.kit.judging import by_number
from fullrank.papers.kit.parts import DIMENSION, EXACT, Part, Table

LIVE = -4.0  # log variance of an embedding above which a dimension counts as alive. Ours
_OF = {"linear": (0, 1, 2, 3), "ReLU": (0, 4, 5, 6)}  # nets of 1 to 4 layers; one layer has nothing between layers


def live_dimensions(loss: Loss, seeds: Sequence[int], *, full: bool = False) -> Tensor:
    """Live dimensions (S, 7) of embeddings after training: 1 to 4 linear layers, then 2 to 4 with ReLU between."""
    lr, steps, batch = (0.01, 10_000, 128) if full else (0.05, 2000, 64)
    nets = decaying_layers(seeds, [1, 2, 3, 4, 2, 3, 4], [False] * 4 + [True] * 3)
    trained = train(nets, torch.full((7, FEATURES), 1e-6), loss=loss, lr=lr, steps=steps, batch=batch)[-1]
    return (embedding_spectrum(trained) > LIVE).sum(-1).double()


def depth(settings: Settings) -> Outcome:
    """Figure 11: stacks of layers, linear or with ReLU between, with the scripts' loss and with the theory's."""
    rows: list[dict[str, str | float]] = []
    panels, shown = [], []
    losses: tuple[tuple[Loss, str], ...] = (("dot", "scripts' loss"), ("euclidean", "theory's loss"))
    for done, (loss, name) in enumerate(losses, 1):
        live = live_dimensions(loss, settings.each_seed, full=settings.full)
        settings.progress(done / 2)
        mean = live.mean(0).tolist()
        y_label = f"live dimensions of 16 (log variance above {LIVE:g})"
        counted = {
            kind: {layers: live[:, net].tolist() for layers, net in enumerate(nets, 1)} for kind, nets in _OF.items()
        }
        panels.append(by_number(f"Depth and the {name}", "layers", y_label, counted))
        for kind, nets in _OF.items():
            shown.append(f"{kind}, {name}: {', '.join(f'{mean[net]:.3g}' for net in nets)}")
            for seed, kept in enumerate(live[:, nets].tolist()):
                counts: dict[str, str | float] = {f"{k} layers": value for k, value in enumerate(kept, 1)}
                rows.append({"loss": name, "net": kind, "seed": seed, **counts})
    measured = f"Live dimensions of 16 with 1, 2, 3 and 4 layers, mean over seeds. {'; '.join(shown)}."
    return Outcome(measured=measured, panels=tuple(panels), rows=tuple(rows))


def _lost(loss: str, net: str, few: int, many: int) -> Part:
    """The part that a net of more layers has fewer live dimensions."""

    def less(table: Table) -> list[float]:
        counts = (table.of(f"{layers} layers", loss, net) for layers in (few, many))
        return [a - b for a, b in zip(*counts, strict=True)]

    says = f"{loss}, {net}: {many} layers leave fewer live dimensions than {few}"
    return Part(says=says, effect=less, margin=DIMENSION, source="paper")


def _all_kept(loss: str, table: Table) -> list[float]:
    return [kept - FEATURES for kept in table.of("1 layers", loss, "linear")]


_NETS = [(loss, net) for loss in ("scripts' loss", "theory's loss") for net in ("linear", "ReLU")]


DEPTH = Experiment(
    name="directclr/toy-depth",
    paper="Jing, Vincent, LeCun & Tian (2022), appendix C, figure 11",
    title="Depth and nonlinearity",
    claim="The more layers a net has, linear or with ReLU between, the more dimensions its embeddings lose; one layer "
    "loses none.",
    minutes=0.42,
    full="10,000 steps at a learning rate of 0.01",
    run=depth,
    parts=(
        _lost("scripts' loss", "ReLU", 1, 4),
        *(_lost(loss, net, 1, 4) for loss, net in _NETS if (loss, net) != ("scripts' loss", "ReLU")),
        *(_lost(loss, net, few, few + 1) for loss, net in _NETS for few in (1, 2, 3)),
        *(
            Part(
                says=f"{loss}: one layer keeps all {FEATURES} dimensions",
                effect=partial(_all_kept, loss),
                margin=EXACT,
                source="paper",
                kind="exact",
            )
            for loss in ("scripts' loss", "theory's loss")
        ),
    ),
)

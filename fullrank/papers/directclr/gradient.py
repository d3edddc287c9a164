"""Figure 10 of DirectCLR (Jing, Vincent, LeCun & Tian, 2022): why features outside of the loss are trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from statistics import mean

import torch
from torch import Tensor
from torch.nn.functional import relu

from fullrank.losses import infonce
from fullrank.papers.kit.experiment import Experiment, Outcome, Panel, Series, Settings
from fullrank.papers.kit.parts import EXACT, Part, Table
from fullrank.stats import hill, spectrum

FEATURES = 64
PARTS = (4, 8, 16, 32, 64)  # d0
_SAMPLES = 512
_SHOWN = 8
_REACHED = 1e-3  # of the largest singular value of the gradient: above, a direction counts as reached. Ours
_AT_R, _LINEAR, _RELU = "representation r", "hidden layer, linear block", "hidden layer, ReLU block"


def gradients(d0: int, seed: int, samples: int = _SAMPLES) -> dict[str, Tensor]:
    """Gradients (2 N, F) of InfoNCE on r[:, :d0], at r and at the hidden layer h of the last residual block.

    r = h + W2 relu(W1 h), the width of h being that of r; also with a block that has no ReLU. Random weights.
    """
    generator = torch.Generator().manual_seed(seed)
    shared, noise = (torch.randn(views, samples, FEATURES, generator=generator).double() for views in (1, 2))
    first, second = torch.randn(2, FEATURES, FEATURES, generator=generator).double() / FEATURES**0.5
    found: dict[str, Tensor] = {}
    for name, bend in ((_LINEAR, lambda x: x), (_RELU, relu)):
        h = (relu(shared + 0.5 * noise)).requires_grad_()  # two views, as they leave the block before
        r = h + bend(h @ first.T) @ second.T
        at_r, at_h = torch.autograd.grad(infonce(r[..., :d0])["loss"], (r, h))
        found[name] = at_h.flatten(0, 1)
        found.setdefault(_AT_R, at_r.flatten(0, 1))
    return found


def gradient_rank(settings: Settings, samples: int | None = None) -> Outcome:
    """Ranks of the gradient at the representation and before the last block, for several sizes d0 of the part."""
    n = samples or (2048 if settings.full else _SAMPLES)
    values: dict[tuple[str, int], list[Tensor]] = {}
    for done, d0 in enumerate(PARTS, 1):
        for seed in settings.each_seed:
            for name, gradient in gradients(d0, seed, n).items():
                values.setdefault((name, d0), []).append(spectrum(gradient, centered=False).sqrt())
        settings.progress(done / len(PARTS))
    reached = {key: [float((each > _REACHED * each[0]).sum()) for each in seeds] for key, seeds in values.items()}
    small = [d0 for d0 in PARTS if d0 < FEATURES]
    words = [
        f"{name} {', '.join(f'{mean(reached[name, d0]):.0f}' for d0 in small)}" for name in (_AT_R, _LINEAR, _RELU)
    ]
    return Outcome(
        measured=f"Directions of {FEATURES} that the gradient of a loss on d0 = {', '.join(map(str, small))} features "
        f"reaches: {'; '.join(words)} ({settings.averaged}, random weights, no training).",
        panels=(_by_part(reached), _spectra(values)),
        rows=tuple(
            {
                "layer": name,
                "d0": d0,
                "seed": seed,
                "directions": reached[name, d0][seed],
                "effective rank": float(hill(each.square(), 1)),
            }
            for (name, d0), seeds in values.items()
            for seed, each in enumerate(seeds)
        ),
    )


def _by_part(reached: Mapping[tuple[str, int], Sequence[float]]) -> Panel:
    x = tuple(map(float, PARTS))
    lines = [
        Series(label=name, x=x, y=tuple(mean(reached[name, d0]) for d0 in PARTS)) for name in (_AT_R, _LINEAR, _RELU)
    ]
    expected = (
        Series(label="d0, the features in the loss", x=x, y=x, style="expected"),
        Series(label="all features", x=x, y=(FEATURES,) * len(x), style="expected"),
    )
    return Panel(
        title="Directions that the gradient reaches",
        x_label="d0, features in the loss",
        y_label="directions (singular value over 0.1 % of the first)",
        series=(*lines, *expected),
        log_x=True,
    )


def _spectra(values: Mapping[tuple[str, int], Sequence[Tensor]]) -> Panel:
    x = tuple(float(at) for at in range(1, FEATURES + 1))
    series = []
    for name in (_AT_R, _LINEAR, _RELU):
        shares = values[name, _SHOWN][0] / values[name, _SHOWN][0][0]
        series.append(Series(label=name, x=x, y=tuple(shares.clamp_min(1e-9).tolist())))
    return Panel(
        title=f"Singular values of the gradient, d0 = {_SHOWN}",
        x_label="direction, largest first",
        y_label="singular value relative to the first, seed 0 (cut at 1e-9)",
        series=tuple(series),
        log_y=True,
    )


def _full(d0: int, table: Table) -> list[float]:
    return [rank - FEATURES for rank in table.of("directions", _RELU, d0)]


def _low(d0: int, table: Table) -> list[float]:
    return [-abs(rank - d0) for rank in table.of("directions", _AT_R, d0)]


GRADIENT_RANK = Experiment(
    name="directclr/gradient-rank",
    paper="Jing, Vincent, LeCun & Tian (2022), figure 10",
    title="The gradient before the last residual block",
    claim="A loss on a part of the representation has a gradient of low rank there, which becomes full on its way "
    "through the last nonlinear block, so that the rest is trained, too.",
    minutes=0.032,
    full="2,048 samples",
    run=gradient_rank,
    parts=tuple(
        Part(says=f"d0 = {d0}: {says}", effect=partial(effect, d0), margin=EXACT, source="paper", kind="exact")
        for says, effect in (
            (f"before a ReLU block the gradient reaches all {FEATURES} directions", _full),
            ("at the representation it reaches d0 directions", _low),
        )
        for d0 in PARTS[:-1]
    ),
)

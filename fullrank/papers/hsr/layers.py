"""Durrant & Leontidis 2022: the energy of the weights layer by layer, before and after a training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import mean

import torch
from torch import nn

from fullrank.losses import hyperspherical_energy
from fullrank.papers.kit.experiment import Experiment, Outcome, Panel, Series, Settings
from fullrank.papers.kit.judging import by_seed, differences
from fullrank.papers.kit.parts import Margin, Part, lower
from fullrank.papers.kit.represented import saved
from fullrank.papers.kit.training import Job, Size, train_all, usual_size
from fullrank.recipes.byol import BYOL
from fullrank.regularizers.energy import Energy

_PLAIN, _ENERGY = "BYOL", "BYOL + energy"
LAYERS_OF_TINY = ("first layer", "second layer", "third layer")  # of `tiny`
_FRESH = "untrained"
ByCase = dict[str, list[float]]


def layers(settings: Settings, size: Size | None = None) -> Outcome:
    """The energy of the first three layers of the encoder, with fresh weights and trained with and without the term."""
    jobs = [
        Job(_PLAIN, "byol", BYOL(projector=(256, 64))),
        Job(_ENERGY, "byol", BYOL(projector=(256, 64), energy=Energy(10.0))),
    ]
    runs = train_all(settings, jobs, size or replace(usual_size(settings), looks=1))
    found = _found(settings, runs)
    words = "; ".join(
        f"{layer} {mean(found[f'{layer}, {_FRESH}'][_PLAIN]):.4f}, "
        f"{mean(found[layer][_PLAIN]):.4f} and {mean(found[layer][_ENERGY]):.4f}"
        for layer in LAYERS_OF_TINY
    )
    return Outcome(
        measured=f"Energy of the layers with fresh weights, trained, and trained with the energy at the weight 10: "
        f"{words} ({settings.averaged}).",
        panels=tuple(_panel(found, layer) for layer in LAYERS_OF_TINY),
        rows=by_seed("training", found),
    )


def _found(settings: Settings, runs: Mapping[str, Sequence[Path]]) -> dict[str, ByCase]:
    found: dict[str, ByCase] = {}
    for case, folders in runs.items():
        for seed, folder in zip(settings.each_seed, folders, strict=True):
            trained = saved(folder)
            for when, encoder in ((f", {_FRESH}", trained.untrained(seed)), ("", trained)):
                for layer, value in zip(LAYERS_OF_TINY, by_layer(encoder.encoder), strict=False):
                    found.setdefault(layer + when, {}).setdefault(case, []).append(value)
    return found


def by_layer(encoder: nn.Module) -> list[float]:
    """The hyperspherical energy of every layer with weights, in order."""
    parts = [part for part in encoder.modules() if isinstance(part, nn.Linear | nn.Conv2d)]
    with torch.no_grad():
        return [float(hyperspherical_energy(part.weight.flatten(1))) for part in parts]


def _panel(found: Mapping[str, ByCase], layer: str) -> Panel:
    cases = {_FRESH: found[f"{layer}, {_FRESH}"][_PLAIN], **found[layer]}
    at = [(float(index), value) for index, values in enumerate(cases.values()) for value in values]
    seeds = Series(label="seeds", x=tuple(x for x, _ in at), y=tuple(y for _, y in at), style="points")
    means = tuple(mean(values) for values in cases.values())
    line = Series(label="mean", x=tuple(map(float, range(len(cases)))), y=means)
    return Panel(
        title=f"energy of the {layer}",
        x_label="",
        y_label="energy (no unit)",
        series=(seeds, line),
        x_names=tuple(cases),
    )


LESS = Margin(0.002, "energy", "two in a thousand, of the 0.5 or so that random weights have")


def _kept(layer: str) -> Part:
    return Part(
        says=f"{layer}: training without the energy raises it",
        effect=lambda table: differences(table.of(f"{layer}, {_FRESH}", _PLAIN), table.of(layer, _PLAIN)),
        margin=LESS,
        source="ours",
    )


LAYERS = Experiment(
    name="hsr/layers",
    paper="Durrant & Leontidis 2022, HSR-BYOL, the layer-wise energy",
    title="The energy of the weights layer by layer, before and after training",
    claim="Training makes the weights of every layer less diverse, which the layer-wise energy undoes in each of them.",
    minutes=4.2,
    full="ResNet-18 for 100 epochs at 28 px, with our settings",
    trainings=2,
    run=layers,
    caveat="The start and the end of the training, nothing between; of ResNet-18 the first three layers. The energy is "
    "what is minimized: that it is lower says that the term works, not what for.",
    parts=(
        lower(LAYERS_OF_TINY[-1], _ENERGY, _PLAIN, LESS, "abstract"),
        *(lower(layer, _ENERGY, _PLAIN, LESS, "abstract") for layer in LAYERS_OF_TINY[:-1]),
        *map(_kept, LAYERS_OF_TINY),
    ),
    data="fashion-mnist",
)

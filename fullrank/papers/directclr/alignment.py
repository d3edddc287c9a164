"""DirectCLR (Jing, Vincent, LeCun & Tian, 2022), theorem 2, in a real encoder: do adjacent layers align?"""

from __future__ import annotations

from functools import partial
from statistics import mean

import torch
from torch import Tensor, nn

from fullrank.losses import nt_xent
from fullrank.papers.kit.experiment import Experiment, Outcome, Settings
from fullrank.papers.kit.judging import by_number, by_seed, differences, level
from fullrank.papers.kit.parts import Margin, Part
from fullrank.papers.kit.short import Networks, in_memory, train
from fullrank.papers.kit.training import Size, usual_size

_HEAD, _JOINT, _CONVOLUTIONS = "projector", "encoder and projector", "last convolutions"
_PAIRS = (_HEAD, _JOINT, _CONVOLUTIONS)
_SHARE = 0.25  # of the directions between the layers: the leading quarter
_WHENS = (0, 25, 50, 75, 100)  # % of the steps
_TRAINING = "SimCLR"


def alignment(settings: Settings, size: Size | None = None) -> Outcome:
    """SimCLR with `tiny`, and how far what a layer writes is what the next one reads, over the steps."""
    chosen = size or usual_size(settings)
    images, _ = in_memory(settings)
    looks = [round(chosen.steps * when / 100) for when in _WHENS]
    found: dict[str, dict[str, list[float]]] = {column: {_TRAINING: []} for column in _COLUMNS}

    def look(step: int, networks: Networks) -> None:
        for pair, value in overlaps(networks).items():
            for when in (when for when, at in zip(_WHENS, looks, strict=True) if at == step):
                found[_column(pair, when)][_TRAINING].append(value)

    for done, seed in enumerate(settings.each_seed, 1):
        train(images, partial(nt_xent, temperature=0.1), chosen, 0.7, seed, looks=looks, look=look)
        settings.progress(done / settings.seeds)
    curves = {pair: {when: found[_column(pair, when)][_TRAINING] for when in _WHENS} for pair in _PAIRS}
    words = "; ".join(f"{pair} {mean(by[0]):.2f} to {mean(by[100]):.2f}" for pair, by in curves.items())
    return Outcome(
        measured=f"Overlap of the leading quarter of the directions that a layer writes with those that the next one "
        f"reads, from the start to the end: {words} ({settings.averaged}; chance is {_SHARE:g}).",
        panels=(
            by_number(
                "do adjacent layers align?",
                "share of the steps (%)",
                "overlap of the leading directions (1 is aligned)",
                curves,
                level("chance", _SHARE, (0, 100)),
            ),
        ),
        rows=by_seed("training", found),
    )


def _column(pair: str, when: int) -> str:
    return f"{pair}, {when} %"


_COLUMNS = [_column(pair, when) for pair in _PAIRS for when in _WHENS]


def overlaps(networks: Networks) -> dict[str, float]:
    """Of every pair of adjacent layers; a convolution reads and writes channels, as the layer behind it does."""
    linear = [part.weight for part in networks.projector if isinstance(part, nn.Linear)]
    convolutions = [part.weight for part in networks.encoder.modules() if isinstance(part, nn.Conv2d)]
    last, before = convolutions[-1], convolutions[-2]
    channels = linear[0].unflatten(1, (len(last), -1))  # the encoder's features are channels at four positions
    return {
        _HEAD: overlap(linear[0], linear[1]),
        _JOINT: overlap(last.flatten(1), channels.transpose(1, 2).flatten(0, 1)),
        _CONVOLUTIONS: overlap(before.flatten(1), last.movedim(1, -1).flatten(0, -2)),
    }


def overlap(first: Tensor, second: Tensor) -> float:
    """|V2ᵀ U1|² over k, of the k leading directions that `first` (D, *) writes and `second` (*, D) reads: 0 to 1.

    >>> overlap(torch.eye(4), torch.eye(4))
    1.0
    """
    k = max(1, round(_SHARE * len(first)))
    with torch.no_grad():
        written = torch.linalg.svd(first.double(), full_matrices=False).U[:, :k]
        read = torch.linalg.svd(second.double(), full_matrices=False).Vh[:k]
        return float((read @ written).square().sum() / k)


_TWENTIETH = Margin(0.05, "overlap", "a twentieth of the way from no overlap to the same directions")


def _rises(pair: str) -> Part:
    return Part(
        says=f"{pair}: the overlap of adjacent layers rises over the training",
        effect=lambda table: differences(
            table.of(_column(pair, 0), _TRAINING), table.of(_column(pair, 100), _TRAINING)
        ),
        margin=_TWENTIETH,
        source="ours",
    )


ALIGNMENT = Experiment(
    name="directclr/alignment",
    paper="Jing et al. 2022, theorem 2, which is of two linear layers",
    title="Alignment of the layers of a real encoder and projector",
    claim="As two linear layers do in theory, adjacent layers of an encoder and its projector align while they are "
    "trained.",
    minutes=1.3,
    full="ResNet-18 for 100 epochs at 28 px, with our settings",
    trainings=1,
    run=alignment,
    caveat="Batch norm and ReLU stand between the layers, of which the theory has neither. Where ResNet-18 ends in one "
    "mean of all positions, its features are its channels.",
    parts=tuple(map(_rises, _PAIRS)),
    data="fashion-mnist",
)

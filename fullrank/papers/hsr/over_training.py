"""Durrant & Leontidis 2022: the energy of the weights of every layer while BYOL trains, with and without the term."""

from __future__ import annotations

from statistics import mean

from fullrank.papers.hsr.layers import LAYERS_OF_TINY, LESS, by_layer
from fullrank.papers.kit.experiment import Experiment, Outcome, Settings
from fullrank.papers.kit.judging import by_number, by_seed
from fullrank.papers.kit.parts import Part, Table, lower
from fullrank.papers.kit.short import Networks, in_memory, train
from fullrank.papers.kit.training import Size, usual_size
from fullrank.recipes.byol import BYOL
from fullrank.regularizers.energy import Energy

_PLAIN, _ENERGY = "BYOL", "BYOL + energy"
_WHENS = (0, 10, 25, 50, 75, 100)  # % of the steps
_STRENGTH = 0.7  # of the views, as in `directclr/alignment`


def over_training(settings: Settings, size: Size | None = None) -> Outcome:
    """BYOL with and without the energy at the weight 10, and the energy of the first three layers on the way."""
    chosen = size or usual_size(settings)
    images, _ = in_memory(settings)
    recipes = {_PLAIN: BYOL(projector=(256, 64)), _ENERGY: BYOL(projector=(256, 64), energy=Energy(10.0))}
    found: dict[str, dict[str, list[float]]] = {column: {case: [] for case in recipes} for column in _COLUMNS}
    looks = [round(chosen.steps * when / 100) for when in _WHENS]
    total = len(recipes) * settings.seeds
    for done, (case, seed) in enumerate(((case, seed) for seed in settings.each_seed for case in recipes), 1):

        def look(step: int, networks: Networks, case: str = case) -> None:
            energies = dict(zip(LAYERS_OF_TINY, by_layer(networks.encoder), strict=False))
            for when, at in zip(_WHENS, looks, strict=True):
                for layer in LAYERS_OF_TINY if at == step else ():
                    found[_column(layer, when)][case].append(energies[layer])

        train(images, recipes[case], chosen, _STRENGTH, seed, looks=looks, look=look)
        settings.progress(done / total)
    words = "; ".join(
        f"{layer} {' and '.join(_path(found, layer, case) for case in recipes)}" for layer in LAYERS_OF_TINY
    )
    shares = ", ".join(map(str, _WHENS))
    return Outcome(
        measured=f"Energy of the layers at {shares} % of the steps, without and with the energy at the weight 10: "
        f"{words} ({settings.averaged}).",
        panels=tuple(
            by_number(
                f"energy of the {layer} while it trains",
                "share of the steps (%)",
                "energy (no unit)",
                {case: {when: found[_column(layer, when)][case] for when in _WHENS} for case in recipes},
            )
            for layer in LAYERS_OF_TINY
        ),
        rows=by_seed("training", found),
    )


def _column(layer: str, when: int) -> str:
    return f"{layer}, {when} %"


_COLUMNS = [_column(layer, when) for layer in LAYERS_OF_TINY for when in _WHENS]


def _path(found: dict[str, dict[str, list[float]]], layer: str, case: str) -> str:
    return ", ".join(f"{mean(found[_column(layer, when)][case]):.3f}" for when in _WHENS)


def _fall(table: Table, layer: str, case: str) -> list[float]:
    """How much the energy fell from the start to the end, seed by seed."""
    start, end = (table.of(_column(layer, when), case) for when in (0, 100))
    return [a - b for a, b in zip(start, end, strict=True)]


def _throughout(layer: str) -> Part:
    """The part that the energy is lower with the term, mean of the looks after the start."""

    def less(table: Table) -> list[float]:
        drops = [table.drop(_column(layer, when), _ENERGY, below=_PLAIN) for when in _WHENS[1:]]
        return [mean(seed) for seed in zip(*drops, strict=True)]

    says = f"{layer}: lower with {_ENERGY} than with {_PLAIN}, mean of {_WHENS[1]} to {_WHENS[-1]} % of the steps"
    return Part(says=says, effect=less, margin=LESS, source="abstract")


def _rises(layer: str) -> Part:
    says = f"{layer}: the energy rises over the training of {_PLAIN}"
    return Part(says=says, effect=lambda t: [-fall for fall in _fall(t, layer, _PLAIN)], margin=LESS, source="ours")


def _falls(layer: str) -> Part:
    says = f"{layer}: the energy falls over the training of {_ENERGY}"
    return Part(says=says, effect=lambda t: _fall(t, layer, _ENERGY), margin=LESS, source="ours")


OVER_TRAINING = Experiment(
    name="hsr/over-training",
    paper="Durrant & Leontidis 2022, HSR-BYOL, the layer-wise energy",
    title="The energy of the weights layer by layer, over the training",
    claim="The layer-wise energy keeps the weights of every layer more diverse from the start of a training to its "
    "end; without it they become less diverse as BYOL trains.",
    minutes=3,
    full="ResNet-18 for 100 epochs at 28 px, with our settings",
    trainings=2,
    run=over_training,
    caveat="Two views by crops and jitter of brightness and contrast, another schedule than that of `hsr/layers`; of "
    "ResNet-18 the first three layers. In gray the 32 rows of the first layer have 9 dimensions. The energy is what is "
    "minimized: that it is lower says that the term works, not what for.",
    parts=(
        _throughout(LAYERS_OF_TINY[-1]),
        *map(_throughout, LAYERS_OF_TINY[:-1]),
        *(lower(_column(layer, _WHENS[1]), _ENERGY, _PLAIN, LESS, "ours") for layer in LAYERS_OF_TINY),
        *map(_rises, LAYERS_OF_TINY),
        *map(_falls, LAYERS_OF_TINY),
    ),
    data="fashion-mnist",
)

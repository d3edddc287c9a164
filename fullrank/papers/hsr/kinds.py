"""Durrant & Leontidis 2022, HSR-BYOL: the kinds of hyperspherical energy, one change at a time."""

from __future__ import annotations

from dataclasses import replace
from statistics import mean

from fullrank.papers.hsr.energy import encoder_energy, least_energy
from fullrank.papers.kit.experiment import Experiment, Outcome, Settings
from fullrank.papers.kit.judging import by_case, by_seed, differences, level
from fullrank.papers.kit.parts import NATS, lower
from fullrank.papers.kit.represented import unseen_accuracies
from fullrank.papers.kit.training import Job, Size, numbers, train_all, usual_size
from fullrank.recipes.byol import BYOL
from fullrank.regularizers.energy import Energy

_NONE = "none"
_USUAL = Energy(10.0)  # power 2 of the chord, whole space, all trained networks
_KINDS = {
    _NONE: Energy(),
    "usual": _USUAL,
    "power 1": replace(_USUAL, energy_power=1),
    "power 0": replace(_USUAL, energy_power=0),
    "angle": replace(_USUAL, energy_angular=True),
    "half-space": replace(_USUAL, energy_half_space=True),
    "encoder only": replace(_USUAL, energy_on=("encoder",)),
    "heads only": replace(_USUAL, energy_on=("projector", "predictor")),
}


def energy_kinds(settings: Settings, size: Size | None = None) -> Outcome:
    """BYOL without energy, with the usual one at weight 10, and with each choice changed alone.

    Which kind the authors take, and at which weight, is not known to us. The energy that is shown is for all of them
    the usual one, of the encoder.
    """
    jobs = [Job(name, "byol", BYOL(projector=(256, 64), energy=kind)) for name, kind in _KINDS.items()]
    runs = train_all(settings, jobs, size or usual_size(settings))
    weights = {name: [encoder_energy(folder) for folder in folders] for name, folders in runs.items()}
    uniformity, rank = (numbers(runs, "backbone", number) for number in ("uniformity", "effective_rank"))
    accuracy, linear = unseen_accuracies(settings, runs)
    effects = {name: differences(uniformity[name], uniformity[_NONE]) for name in runs if name != _NONE}
    shown = [name for name, effect in effects.items() if min(effect) > 0]
    words = [
        f"{name} {mean(uniformity[name]):.3f}, {mean(rank[name]):.1f}, {mean(accuracy[name]):.1f} %" for name in runs
    ]
    least = least_energy(runs[_NONE][0])
    bound = level(f"bound, regular simplices: {least:.3f}", least, (0, len(runs) - 1))
    return Outcome(
        measured="Uniformity loss, effective rank and kNN accuracy of the representation, by the energy (usual is "
        f"power 2 of the chord, whole space, all networks): {'; '.join(words)} ({settings.averaged}). "
        f"More uniform than with none in every seed: {', '.join(shown) or 'no kind'}.",
        panels=(
            by_case("energy of the encoder's weights", "power 2 of the chord, sum over layers", weights, bound),
            by_case("uniformity of the representation", "log mean Gaussian potential (nats)", uniformity),
            by_case("effective rank of the representation", "dimensions", rank),
            by_case("kNN accuracy of the representation", "test images (%)", accuracy),
        ),
        rows=by_seed(
            "energy",
            {
                "weight energy": weights,
                "uniformity": uniformity,
                "effective rank": rank,
                "kNN (%)": accuracy,
                "linear (%)": linear,
            },
        ),
    )


KINDS = Experiment(
    name="hsr/energy-kinds",
    paper="Durrant & Leontidis 2022, HSR-BYOL",
    title="Kinds of hyperspherical energy, and the networks it acts on",
    claim="Minimizing the hyperspherical energy of the weights, layer by layer, encourages a uniform representation.",
    minutes=19,
    full="ResNet-18 for 100 epochs at 28 px, with our settings",
    trainings=8,
    run=energy_kinds,
    parts=tuple(
        lower("uniformity", kind, _NONE, NATS, "abstract" if kind == "usual" else "ours")
        for kind in _KINDS
        if kind != _NONE
    ),
    data="fashion-mnist",
)

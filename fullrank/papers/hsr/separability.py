"""Durrant & Leontidis 2022: do HSR-BYOL's regularizers make the classes easier to separate, also for a probe?"""

from __future__ import annotations

from statistics import mean

from fullrank.papers.hsr.few_labels import ENERGY, PLAIN, UNIFORM, train_three
from fullrank.papers.hsr.uniformity import APART, LINEAR, RATIO, SHAPE, SILHOUETTE, classes
from fullrank.papers.kit.experiment import Experiment, Outcome, Settings
from fullrank.papers.kit.judging import by_case, by_seed
from fullrank.papers.kit.parts import POINTS, higher
from fullrank.papers.kit.training import Size


def separable(settings: Settings, size: Size | None = None) -> Outcome:
    """A linear probe of the test images, and how far apart their classes lie, with and without either term."""
    found = classes(settings, train_three(settings, size))
    words = "; ".join(
        f"{case} {mean(values):.1f} %, {mean(found[RATIO][case]):.2f} and {mean(found[SILHOUETTE][case]):.3f}"
        for case, values in found[LINEAR].items()
    )
    return Outcome(
        measured="Accuracy of a linear probe, distance between classes over that within, and silhouette: "
        f"{words} ({settings.averaged}).",
        panels=(
            by_case("linear accuracy of the representation", "test images (%)", found[LINEAR]),
            by_case("distance between classes over that within", "ratio of cosine distances", found[RATIO]),
            by_case("silhouette of the classes", "cosine distance, -1 to 1", found[SILHOUETTE]),
        ),
        rows=by_seed("training", found),
    )


SEPARABILITY = Experiment(
    name="hsr/separability",
    paper="Durrant & Leontidis 2022, HSR-BYOL",
    title="Separability of the classes by a linear probe, with and without the energy",
    claim="The energy of the weights, or a uniformity loss, separates the classes in BYOL's representation better.",
    minutes=7.3,
    full="ResNet-18 for 100 epochs at 28 px, with our settings",
    trainings=3,
    run=separable,
    caveat="How the paper measures separability is not known to us, nor its weights: 1 of uniformity and 10 of energy "
    "are ours. With three seeds the headline held by a hundredth of a point, so ten were run.",
    parts=(
        higher(LINEAR, ENERGY, PLAIN, POINTS, "abstract"),
        higher(LINEAR, UNIFORM, PLAIN, POINTS, "abstract"),
        higher(RATIO, ENERGY, PLAIN, APART, "abstract"),
        higher(SILHOUETTE, ENERGY, PLAIN, SHAPE, "abstract"),
        higher(RATIO, UNIFORM, PLAIN, APART, "abstract"),
        higher(SILHOUETTE, UNIFORM, PLAIN, SHAPE, "abstract"),
    ),
    data="fashion-mnist",
)

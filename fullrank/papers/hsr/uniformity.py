"""Durrant & Leontidis 2022, HSR-BYOL: uniformity and classes of SimCLR, BYOL, and BYOL with a uniformity loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean

from fullrank.metrics import MEASUREMENTS, separability
from fullrank.papers.kit.experiment import Experiment, Outcome, Panel, Settings
from fullrank.papers.kit.judging import by_case, by_seed, level
from fullrank.papers.kit.parts import NATS, POINTS, Margin, higher, lower
from fullrank.papers.kit.represented import unseen, unseen_accuracy
from fullrank.papers.kit.training import Job, Size, numbers, train_all, usual_size
from fullrank.recipes.byol import BYOL
from fullrank.recipes.simclr import SimCLR
from fullrank.regularizers.uniformity import Uniformity

_WIDTH = 64
_PROJECTOR = (256, _WIDTH)
_WEIGHTS = (0.1, 1.0, 10.0)  # ours: those of the authors are not known to us
_CONTRASTIVE, _PLAIN, _JUDGED = "SimCLR", "BYOL", "BYOL + 1"
_SPREAD, _EMBEDDING, _ALIGNMENT = "uniformity", "uniformity of the embedding", "alignment"
RATIO, SILHOUETTE, _ACCURACY, LINEAR = "between / within", "silhouette", "kNN (%)", "linear (%)"

Values = Mapping[str, Sequence[float]]


def uniformity(settings: Settings, size: Size | None = None) -> Outcome:
    """SimCLR, BYOL, and BYOL with the uniformity of its embedding as a second loss at three weights.

    Judged at weight 1, chosen before any run: with BYOL's loss, twice the alignment loss, it is of the order of Wang &
    Isola's own balance. 10 is there to see what too much does.
    """
    jobs = [Job(_CONTRASTIVE, "simclr", SimCLR(projector=_PROJECTOR)), Job(_PLAIN, "byol", BYOL(projector=_PROJECTOR))]
    jobs += [Job(f"BYOL + {w:g}", "byol", BYOL(projector=_PROJECTOR, uniformity=Uniformity(w))) for w in _WEIGHTS]
    runs = train_all(settings, jobs, size or usual_size(settings))
    found: dict[str, Values] = {
        column: numbers(runs, space, number)
        for column, space, number in (
            (_SPREAD, "backbone", "uniformity"),
            (_EMBEDDING, "embedding", "uniformity"),
            (_ALIGNMENT, "embedding", "alignment"),
        )
    }
    found |= classes(settings, runs)
    spread, ratio, silhouette, accuracy = (found[name] for name in (_SPREAD, RATIO, SILHOUETTE, _ACCURACY))
    words = "; ".join(
        f"{name} {mean(spread[name]):.2f}, {mean(ratio[name]):.2f}, {mean(silhouette[name]):.3f}, "
        f"{mean(accuracy[name]):.1f} %"
        for name in runs
    )
    return Outcome(
        measured="Uniformity loss of the representation, distance between classes over that within, silhouette and kNN "
        f"accuracy, where BYOL + 1 has the uniformity loss at weight 1: {words} ({settings.averaged}).",
        panels=_panels(found),
        rows=by_seed("training", found),
    )


def classes(settings: Settings, runs: Mapping[str, Sequence[Path]]) -> dict[str, dict[str, list[float]]]:
    """Separability, and kNN and linear accuracy, of the test images: each by case, in the order of the seeds.

    How the paper measures separability is not known to us: ratio and silhouette are `fullrank.metrics.separability`'s.
    """
    found: dict[str, dict[str, list[float]]] = {name: {} for name in (RATIO, SILHOUETTE, _ACCURACY, LINEAR)}
    for case, test, training in unseen(settings, runs):
        apart = separability(*test)
        knn, linear = unseen_accuracy(test, training)
        values = {RATIO: apart["ratio"], SILHOUETTE: apart["silhouette"], _ACCURACY: knn, LINEAR: linear}
        for name, value in values.items():
            found[name].setdefault(case, []).append(float("nan") if value is None else value)
    return found


def _panels(found: Mapping[str, Values]) -> tuple[Panel, ...]:
    (sphere,) = (metric.null(1, _WIDTH) for metric in MEASUREMENTS if metric.name == "uniformity")
    potential = "log mean Gaussian potential (nats)"
    even = level(f"uniform on the sphere: {sphere:.2f}", sphere, (0, len(_WEIGHTS) + 1))
    return (
        by_case("uniformity of the representation", potential, found[_SPREAD]),
        by_case("uniformity of the embedding", potential, found[_EMBEDDING], even),
        by_case("distance between classes over that within", "ratio of cosine distances", found[RATIO]),
        by_case("silhouette of the classes", "cosine distance, -1 to 1", found[SILHOUETTE]),
        by_case("kNN accuracy of the representation", "test images (%)", found[_ACCURACY]),
        by_case("alignment loss of the embedding", "squared distance (no unit)", found[_ALIGNMENT]),
    )


APART = Margin(0.05, "ratio", "a twentieth of the distance within a class")
SHAPE = Margin(0.01, "silhouette", "half a percent of its range, which is 2")

UNIFORMITY = Experiment(
    name="hsr/uniformity",
    paper="Durrant & Leontidis 2022, HSR-BYOL",
    title="Uniformity and class separability: SimCLR, BYOL, and BYOL with a uniformity loss",
    claim="BYOL's representation is spread less uniformly than a contrastive method's; a uniformity loss beside BYOL's "
    "spreads it more uniformly, separates its classes better, and makes it perform better.",
    minutes=16,
    full="ResNet-18 for 100 epochs at 28 px, with our settings",
    trainings=5,
    run=uniformity,
    caveat="The accuracy is that of neighbors; a linear probe gains less, in `hsr/separability`.",
    parts=(
        higher(_ACCURACY, _JUDGED, _PLAIN, POINTS, "abstract"),
        lower(_SPREAD, _CONTRASTIVE, _PLAIN, NATS, "abstract"),
        lower(_SPREAD, _JUDGED, _PLAIN, NATS, "abstract"),
        higher(RATIO, _JUDGED, _PLAIN, APART, "abstract"),
        higher(SILHOUETTE, _JUDGED, _PLAIN, SHAPE, "abstract"),
    ),
    data="fashion-mnist",
)

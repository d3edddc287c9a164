"""Ozsoy et al. 2022: the weight of the pull, the forgetting factor, and the projector without batch norm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import mean

from fullrank.papers.kit.experiment import Experiment, Outcome, Panel, Settings
from fullrank.papers.kit.judging import COLLAPSED, by_case, by_seed, kept_panel, used
from fullrank.papers.kit.parts import BOUND, DIMENSION, KEPT, POINTS, Part, Source, Table, higher, lower
from fullrank.papers.kit.represented import unseen_accuracies
from fullrank.papers.kit.training import Job, Size, numbers, spectra, train_all, usual_size
from fullrank.recipes.corinfomax import CorInfoMaxRecipe

_WIDTH = 32
_PROJECTOR = (256, _WIDTH)
_WEIGHTS = (125.0, 250.0, 500.0, 1000.0)  # for each dimension, the first two are of their commands, the others ours
_MEMORIES = (0.01, 0.1, 0.5, 0.9)  # so here
ByCase = Mapping[str, Sequence[float]]
_RANK = "effective rank"
_THEIRS = ("weight 125", "weight 250", "memory 0.1")


def ablation(settings: Settings, size: Size | None = None) -> Outcome:
    """All weights at the memory 0.01, all memories at the weight 125.

    The log-determinant has a part for each dimension. The authors' weights of the pull are 3.9 for each of theirs (250
    of 64, 500 of 128, 2000 of 512) and once 7.8 (1000 of 128), which for our 32 makes 125 and 250.
    """
    weights = {f"{weight:g}": CorInfoMaxRecipe(projector=_PROJECTOR, invariance=weight) for weight in _WEIGHTS}
    memories = {
        f"{memory:g}": CorInfoMaxRecipe(projector=_PROJECTOR, invariance=_WEIGHTS[0], memory=memory)
        for memory in _MEMORIES
    }
    jobs = [Job(f"weight {name}", "corinfomax", recipe) for name, recipe in weights.items()]
    jobs += [Job(f"memory {name}", "corinfomax", recipe) for name, recipe in memories.items() if name != "0.01"]
    runs = train_all(settings, jobs, size or usual_size(settings))
    runs["memory 0.01"] = runs["weight 125"]
    rank, spread = (numbers(runs, "embedding", number) for number in ("effective_rank", "relative_spread"))
    knn, linear = unseen_accuracies(settings, runs)
    by_weight, by_memory = [f"weight {name}" for name in weights], [f"memory {name}" for name in memories]
    kept = {name: used(rank[name], spread[name], _WIDTH) for name in _THEIRS}
    lost = [name for name, values in kept.items() if min(values) <= COLLAPSED]
    words = [
        f"{what} {', '.join(name.split()[1] for name in names)}: effective rank of the embedding "
        f"{', '.join(f'{mean(rank[name]):.1f}' for name in names)} of {_WIDTH}, kNN accuracy "
        f"{', '.join(f'{mean(knn[name]):.1f}' for name in names)} %"
        for what, names in (("At the weights", by_weight), ("at the forgetting factors", by_memory))
    ]
    return Outcome(
        measured=f"{'; '.join(words)}. Collapsed in a seed, of {', '.join(_THEIRS)}, which are the "
        f"authors' for each dimension: {', '.join(lost) or 'none'} ({settings.averaged}).",
        panels=_panels({"weight": by_weight, "memory": by_memory}, rank, spread, knn),
        rows=by_seed(
            "training", {"effective rank": rank, "relative spread": spread, "kNN (%)": knn, "linear (%)": linear}
        ),
    )


def _panels(cases: Mapping[str, Sequence[str]], rank: ByCase, spread: ByCase, knn: ByCase) -> tuple[Panel, ...]:
    numbered = (
        ("effective rank of the embedding", "dimensions", rank),
        ("spread of the embedding", "relative spread, 0 (one point) to 1", spread),
        ("kNN accuracy of the representation", "% of the test images", knn),
    )
    kept = {name: used(rank[name], spread[name], _WIDTH) for name in rank}
    return (
        *(
            by_case(f"{title}, by {what}", unit, {name: values[name] for name in names})
            for title, unit, values in numbered
            for what, names in cases.items()
        ),
        *(kept_panel({name: kept[name] for name in names}) for names in cases.values()),
    )


_NORM, _NO_NORM, _NEITHER = "log-det, batch norm", "log-det, no norm", "no log-det, no norm"


def no_batch_norm(settings: Settings, size: Size | None = None) -> Outcome:
    """With and without batch norm, at the authors' weight for CIFAR-10; and with a log-determinant that never changes.

    At a forgetting factor of 1 the running covariance stays the identity, so that its log-determinant has no gradient.
    """
    recipe = CorInfoMaxRecipe(projector=_PROJECTOR, invariance=250.0)
    without = replace(recipe, projector_norm="none")
    jobs = [
        Job(_NORM, "corinfomax", recipe),
        Job(_NO_NORM, "corinfomax", without),
        Job(_NEITHER, "corinfomax", replace(without, memory=1.0)),
    ]
    runs = train_all(settings, jobs, size or usual_size(settings))
    rank, spread = (numbers(runs, "embedding", number) for number in ("effective_rank", "relative_spread"))
    knn, linear = unseen_accuracies(settings, runs)
    words = [
        f"{name}: {mean(rank[name]):.1f} of {_WIDTH}, {mean(spread[name]):.2f} and {mean(knn[name]):.1f} %"
        for name in runs
    ]
    return Outcome(
        measured=f"Effective rank and relative spread of the embedding, and kNN accuracy of the representation: "
        f"{'; '.join(words)} ({settings.averaged}).",
        panels=(
            by_case("effective rank of the embedding", "dimensions", rank),
            by_case("spread of the embedding", "relative spread, 0 (one point) to 1", spread),
            kept_panel({name: used(rank[name], spread[name], _WIDTH) for name in rank}),
            by_case("kNN accuracy of the representation", "% of the test images", knn),
            spectra(runs, "embedding"),
        ),
        rows=by_seed(
            "training", {"effective rank": rank, "relative spread": spread, "kNN (%)": knn, "linear (%)": linear}
        ),
    )


def _kept(table: Table, case: str) -> list[float]:
    return used(table.of("effective rank", case), table.of("relative spread", case), _WIDTH)


def _holds(case: str, source: Source) -> Part:
    return Part(
        says=f"{case}: the embedding does not collapse",
        effect=lambda table: [value - COLLAPSED for value in _kept(table, case)],
        margin=BOUND,
        source=source,
        kind="above",
    )


ABLATION = Experiment(
    name="corinfomax/ablation",
    paper="Ozsoy et al. 2022, the authors' commands",
    title="The weight of the pull and the forgetting factor",
    claim="With the weights for each dimension and the forgetting factors that the authors use the embedding does not "
    "collapse; a heavier pull and a longer memory cost rank.",
    minutes=19,
    full="ResNet-18 for 100 epochs at 28 px, with our settings",
    trainings=7,
    run=ablation,
    caveat="The weights became those for each dimension after a first result with the authors' weights as they are.",
    parts=(
        *(_holds(case, "code") for case in _THEIRS),
        *(lower(_RANK, case, "weight 125", DIMENSION, "ours") for case in ("weight 250", "weight 500", "weight 1000")),
        *(lower(_RANK, case, "memory 0.01", DIMENSION, "ours") for case in ("memory 0.1", "memory 0.5", "memory 0.9")),
        lower("kNN (%)", "weight 1000", "weight 125", POINTS, "ours"),
        lower("kNN (%)", "memory 0.9", "memory 0.01", POINTS, "ours"),
    ),
    data="fashion-mnist",
)

NO_BATCH_NORM = Experiment(
    name="corinfomax/no-batch-norm",
    paper="Ozsoy et al. 2022, the authors' projectors for CIFAR and ImageNet-100",
    title="CorInfoMax without batch norm in its projector",
    claim="The projector needs no batch norm: the log-determinant alone keeps the embedding from collapsing.",
    minutes=7.5,
    full="ResNet-18 for 100 epochs at 28 px, with our settings",
    trainings=3,
    run=no_batch_norm,
    caveat="The weight 250 is the authors' of 64 dimensions, on our 32.",
    parts=(
        Part(
            says="without batch norm the log-determinant keeps more of the embedding than nothing does",
            effect=lambda table: [
                more - less for more, less in zip(_kept(table, _NO_NORM), _kept(table, _NEITHER), strict=True)
            ],
            margin=KEPT,
            source="code",
        ),
        _holds(_NO_NORM, "code"),
        Part(
            says=f"{_NEITHER}: the embedding collapses",
            effect=lambda table: [COLLAPSED - value for value in _kept(table, _NEITHER)],
            margin=BOUND,
            source="ours",
            kind="above",
        ),
        higher("kNN (%)", _NO_NORM, _NORM, POINTS, "ours"),
    ),
    data="fashion-mnist",
)

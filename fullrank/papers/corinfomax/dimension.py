"""Ozsoy et al. 2022: the dimension of the embedding, at one weight of the pull for each dimension, or one for all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import mean

from fullrank.papers.kit.experiment import Experiment, Outcome, Settings
from fullrank.papers.kit.judging import by_number, used
from fullrank.papers.kit.parts import DIMENSION, KEPT, LEVEL_POINTS, POINTS, Part, Source, Table, higher
from fullrank.papers.kit.represented import unseen_accuracies
from fullrank.papers.kit.training import Job, Size, numbers, train_all, usual_size
from fullrank.recipes.corinfomax import CorInfoMaxRecipe

_EACH, _ALL = "weight for each dimension", "one weight"
_USUAL = 64  # dimensions, for which the authors' weight is 250; of 128 it is 500, and of 512 it is 2,000
_WIDTHS = {_EACH: (16, 32, _USUAL, 128), _ALL: (16, 32, 128)}  # a batch of 256 has twice the samples of the widest
_KNN, _LINEAR, _RANK, _KEPT = "kNN (%)", "linear (%)", "effective rank", "kept"


def dimension(settings: Settings, size: Size | None = None) -> Outcome:
    """CorInfoMax with embeddings of 16 to 128 dimensions and the weight 250 D / 64, and with the weight 250."""
    recipes = {
        f"{weight} {width}": CorInfoMaxRecipe(projector=(256, width), invariance=_pull(weight, width))
        for weight, widths in _WIDTHS.items()
        for width in widths
    }
    jobs = [Job(name, "corinfomax", recipe) for name, recipe in recipes.items()]
    runs = train_all(settings, jobs, size or usual_size(settings))
    rank, spread = (numbers(runs, "embedding", number) for number in ("effective_rank", "relative_spread"))
    knn, linear = unseen_accuracies(settings, runs)
    kept = {name: used(rank[name], spread[name], int(name.split()[-1])) for name in runs}
    columns = {_KNN: knn, _LINEAR: linear, _RANK: rank, _KEPT: kept}
    words = "; ".join(
        f"{weight}, {', '.join(map(str, widths))} dimensions: effective rank {_listed(rank, weight)}, kNN accuracy "
        f"{_listed(knn, weight)} %, linear {_listed(linear, weight)} %"
        for weight, widths in _WIDTHS.items()
    )
    return Outcome(
        measured=f"With {words} ({settings.averaged}).",
        panels=tuple(
            by_number(
                title,
                "dimensions of the embedding",
                unit,
                {weight: _by_width(columns[column], weight) for weight in _WIDTHS},
                log_x=True,
            )
            for title, unit, column in (
                ("effective rank of the embedding", "dimensions", _RANK),
                ("what the embedding keeps", "effective rank / dimensions x relative spread", _KEPT),
                ("kNN accuracy of the representation", "test images (%)", _KNN),
                ("linear accuracy of the representation", "test images (%)", _LINEAR),
            )
        ),
        rows=tuple(_rows(columns, settings.seeds)),
    )


def _rows(columns: Mapping[str, Mapping[str, Sequence[float]]], seeds: int) -> Iterator[dict[str, str | float]]:
    for weight, widths in _WIDTHS.items():
        for width in widths:
            for seed in range(seeds):
                found = {column: values[f"{weight} {width}"][seed] for column, values in columns.items()}
                yield {"weight": weight, "dimensions": width, "seed": seed, **found}


def _pull(weight: str, width: int) -> float:
    return 250.0 * (width / _USUAL if weight == _EACH else 1)


def _by_width(values: Mapping[str, Sequence[float]], weight: str) -> dict[int, Sequence[float]]:
    return {width: values[f"{weight} {width}"] for width in _WIDTHS[weight]}


def _listed(values: Mapping[str, Sequence[float]], weight: str) -> str:
    return ", ".join(f"{mean(seeds):.1f}" for seeds in _by_width(values, weight).values())


def _level(column: str, width: int, source: Source) -> Part:
    def more(table: Table) -> list[float]:
        return table.gain(column, (_EACH, width), over=(_EACH, _USUAL))

    says = f"{column}: {width} and {_USUAL} dimensions are level with a {_EACH}"
    return Part(says=says, effect=more, margin=LEVEL_POINTS, source=source, kind="level")


DIMENSIONS = Experiment(
    name="corinfomax/dimension",
    paper="Ozsoy et al. 2022, the authors' commands (64, 128 and 512 dimensions, and mostly 3.9 of weight for each)",
    title="The dimension of the embedding, at a fixed weight for each dimension",
    claim="With the authors' weight for each dimension the accuracy does not depend on the dimension of the embedding, "
    "and a wider one uses more dimensions; one weight for all pulls a narrow embedding together.",
    minutes=13,
    full="ResNet-18 for 100 epochs at 28 px, with our settings",
    trainings=7,
    run=dimension,
    parts=(
        _level(_LINEAR, 128, "ours"),
        _level(_KNN, 128, "ours"),
        *(_level(column, 16, "ours") for column in (_LINEAR, _KNN)),
        *(higher(_RANK, (_EACH, 128), (_EACH, width), DIMENSION, "ours") for width in (_USUAL, 16)),
        higher(_KEPT, (_EACH, 16), (_ALL, 16), KEPT, "ours"),
        higher(_KNN, (_EACH, 16), (_ALL, 16), POINTS, "ours"),
        higher(_RANK, (_ALL, 128), (_EACH, 128), DIMENSION, "ours"),
    ),
    data="fashion-mnist",
)

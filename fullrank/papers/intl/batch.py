"""Weng et al., ICLR 2024: INTL from small to large batches, with training."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from statistics import mean

from fullrank.losses import intl_beta
from fullrank.papers.kit.beside import KNN, LINEAR, RANK, not_behind
from fullrank.papers.kit.experiment import Experiment, Outcome, Settings
from fullrank.papers.kit.judging import by_case, by_number, by_seed
from fullrank.papers.kit.parts import LEVEL_POINTS, POINTS, Margin, Part, Table, higher
from fullrank.papers.kit.represented import unseen_accuracies
from fullrank.papers.kit.training import LR, Job, Size, numbers, train_all, usual_size
from fullrank.recipes.intl import INTL

_RULE, _CONSTANT = "the rule's weight", "constant weight"
_LR = LR / 256  # for each image of a batch


def batch_size(
    settings: Settings, size: Size | None = None, batches: Sequence[int] = (32, 64, 128, 256, 512)
) -> Outcome:
    """As many images in small and in large batches, so in many and in few steps, whitening samples.

    The embedding has 1024 dimensions, twice the largest batch. The learning rate grows in proportion to the batch, as
    in the authors' code; their optimizer is SGD, ours AdamW. The constant weight is the rule's at 256.
    """
    weights = {_RULE: {n: intl_beta(n) for n in batches}, _CONSTANT: dict.fromkeys(batches, intl_beta(256))}
    used = {(n, beta) for by in weights.values() for n, beta in by.items()}
    jobs = [Job(_run(n, beta), "intl", _recipe(n, beta), batch_size=n) for n, beta in sorted(used)]
    runs = train_all(settings, jobs, size or replace(usual_size(settings), looks=1))

    def by_batch(values: Mapping[str, list[float]]) -> dict[str, dict[int, list[float]]]:
        return {name: {n: values[_run(n, beta)] for n, beta in by.items()} for name, by in weights.items()}

    accuracy, linear = (by_batch(one) for one in unseen_accuracies(settings, runs))
    rank, spread = (by_batch(numbers(runs, "embedding", number)) for number in ("effective_rank", "relative_spread"))
    vary = {name: [max(seed) - min(seed) for seed in zip(*by.values(), strict=True)] for name, by in accuracy.items()}
    ratio = {name: [max(seed) / min(seed) for seed in zip(*by.values(), strict=True)] for name, by in rank.items()}
    words = (
        f"kNN accuracy varies by {mean(vary[name]):.1f} points, effective rank by a factor of {mean(ratio[name]):.1f}"
        for name in weights
    )
    return Outcome(
        measured=f"From a batch of {batches[0]} to one of {batches[-1]}, {', with a constant weight '.join(words)} "
        f"({settings.averaged}; {LEVEL_POINTS.least:g} points count as level).",
        panels=(
            by_number("kNN accuracy", "batch size, images", "% of the test images", accuracy, log_x=True),
            by_number("effective rank", "batch size, images", "dimensions of 1024", rank, log_x=True),
        ),
        rows=by_seed(
            "training",
            {
                "kNN accuracy (%)": _flat(accuracy),
                "linear (%)": _flat(linear),
                "effective rank": _flat(rank),
                "relative spread": _flat(spread),
            },
        ),
    )


def _run(batch: int, beta: float) -> str:
    return f"batch {batch}, weight {beta:g}"


def _recipe(batch: int, beta: float, lr: float | None = None) -> INTL:
    return INTL(beta=beta, lr=batch * _LR if lr is None else lr, projector=(256, 1024))


def _flat(values: Mapping[str, Mapping[int, Sequence[float]]]) -> dict[str, Sequence[float]]:
    return {f"{name}, batch {n}": seeds for name, by in values.items() for n, seeds in by.items()}


_FACTOR = Margin(0.1, "factor (log10)", "a quarter more or less")


def _ends(table: Table) -> list[int]:
    batches = sorted({int(str(row["training"]).rsplit(" ", 1)[-1]) for row in table.rows})
    return [batches[0], batches[-1]]


def _between(name: str, column: str, table: Table) -> list[float]:
    """A number at the largest batch less that at the smallest."""
    small, large = _ends(table)
    return table.gain(column, f"{name}, batch {large}", over=f"{name}, batch {small}")


def _less_accuracy(table: Table) -> list[float]:
    rule, constant = (_between(name, "kNN accuracy (%)", table) for name in (_RULE, _CONSTANT))
    return [abs(b) - abs(a) for a, b in zip(rule, constant, strict=True)]


def _less_rank(table: Table) -> list[float]:
    def moved(name: str) -> list[float]:
        ends = [table.of("effective rank", f"{name}, batch {n}") for n in _ends(table)]
        return [abs(math.log10(b / a)) for a, b in zip(*ends, strict=True)]

    return [b - a for a, b in zip(moved(_RULE), moved(_CONSTANT), strict=True)]


BATCH_SIZE = Experiment(
    name="intl/batch-size",
    paper="Weng et al. 2024, and the authors' code (the rule for beta)",
    title="The weight of the trace loss from small to large batches",
    claim="With the rule's weight of the trace loss the batch size hardly matters to the accuracy, and less than "
    "with a constant weight to accuracy and rank.",
    minutes=42,
    full="ResNet-18 for 100 epochs at 28 px, with our settings",
    trainings=10,
    run=batch_size,
    caveat="The learning rate grows with the batch under AdamW, where the authors have SGD (`intl/learning-rate`), and "
    "in 150 steps more weight is always better. In gray the largest batch is ahead, in color far behind. The code has "
    "the rule; what it is to do is our reading.",
    parts=(
        Part(
            says="with the rule the accuracy at the largest batch and at the smallest is level",
            effect=partial(_between, _RULE, "kNN accuracy (%)"),
            margin=LEVEL_POINTS,
            source="ours",
            kind="level",
        ),
        Part(
            says="with the rule the accuracy moves less than with a constant weight",
            effect=_less_accuracy,
            margin=POINTS,
            source="ours",
        ),
        Part(
            says="with the rule the rank moves less than with a constant weight",
            effect=_less_rank,
            margin=_FACTOR,
            source="ours",
        ),
    ),
    data="fashion-mnist",
)


_STEPS, _IMAGES, _GROWN = "as many steps", "as many images", "a rate that grew"


def learning_rate(settings: Settings, size: Size | None = None, batches: tuple[int, int] = (32, 512)) -> Outcome:
    """A small and a large batch at one learning rate, with as many images and as many steps; the large also at twice.

    The weight is the rule's, and the embedding has 1024 dimensions, as in `batch_size`.
    """
    jobs = [
        Job(f"{alike}, batch {n}", "intl", _recipe(n, intl_beta(n), LR), batch_size=n, equal_steps=alike == _STEPS)
        for alike in (_IMAGES, _STEPS)
        for n in batches
    ]
    large = max(batches)
    jobs.append(Job(f"{_GROWN}, batch {large}", "intl", _recipe(large, intl_beta(large)), batch_size=large))
    runs = train_all(settings, jobs, size or replace(usual_size(settings), looks=1))
    knn, linear = unseen_accuracies(settings, runs)
    rank = numbers(runs, "embedding", "effective_rank")
    words = ", ".join(f"{name} {mean(values):.1f} % and {mean(rank[name]):.1f}" for name, values in knn.items())
    return Outcome(
        measured=f"kNN accuracy, and effective rank of the embedding, of 1024: {words} ({settings.averaged}).",
        panels=(
            by_case("kNN accuracy", "% of the test images", knn),
            by_case("effective rank of the embedding", "dimensions of 1024", rank),
        ),
        rows=by_seed("training", {KNN: knn, LINEAR: linear, RANK: rank}),
    )


LEARNING_RATE = Experiment(
    name="intl/learning-rate",
    paper="Weng et al. 2024, and the authors' code (the rule for beta)",
    title="A large batch at the learning rate of a small one",
    claim="Where a large batch does worse than a small one although the rule sets the weight of the trace loss, it is "
    "for the learning rate that grows with it: at the rate of 256 images it does better, and is not behind.",
    minutes=23,
    full="ResNet-18 for 100 epochs at 28 px, with our settings",
    trainings=5,
    run=learning_rate,
    caveat="The rate of 256 images is eight times the one that the small batch has in `intl/batch-size`, so what is "
    "behind in the last two parts may be the small batch. A first version had no batch at a rate that grew. In gray "
    "the large batch is not behind, so that nothing is there to explain.",
    parts=(
        higher(KNN, f"{_IMAGES}, batch 512", f"{_GROWN}, batch 512", POINTS, "ours"),
        *(not_behind(KNN, f"{alike}, batch 512", f"{alike}, batch 32", "ours") for alike in (_IMAGES, _STEPS)),
    ),
    data="fashion-mnist",
)

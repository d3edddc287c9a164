"""Linear probes for DirectCLR (Jing, Vincent, LeCun & Tian, 2022): of a representation, or of some of its features."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path

from fullrank.evaluation import ridge_accuracy
from fullrank.metrics import effective_rank
from fullrank.papers.kit.experiment import Settings
from fullrank.papers.kit.represented import Labeled, image_sets, represent, saved

ByCase = dict[str, list[float]]
UNTRAINED = "untrained"


def represented(settings: Settings, runs: Mapping[str, Sequence[Path]]) -> Iterator[tuple[str, int, Labeled, Labeled]]:
    """The name, the seed, and the training and test images' representation of every finished run."""
    train, test = image_sets(settings)
    for name, folders in runs.items():
        for seed, folder in enumerate(folders):
            yield name, seed, represent(saved(folder), train), represent(saved(folder), test)


def untrained(settings: Settings, run: Path, seed: int) -> tuple[Labeled, Labeled]:
    """Training and test images as the run's encoder represents them with fresh weights; its batch norms saw none."""
    encoder = saved(run).untrained(seed)
    train, test = image_sets(settings)
    return represent(encoder, train), represent(encoder, test)


def probe(train: Labeled, test: Labeled, part: slice = slice(None)) -> float:
    """Test accuracy (%) of ridge regression on these features; the paper's probe is logistic."""
    return 100 * ridge_accuracy(train[0][:, part], train[1], test[0][:, part], test[1])


def whole(settings: Settings, runs: Mapping[str, Sequence[Path]]) -> tuple[ByCase, ByCase]:
    """Of the whole representation of the test images, a linear probe's accuracy (%) and the effective rank.

    By name, in the order of the seeds; under "untrained" those of the encoder with fresh weights.
    """
    accuracy: ByCase = {UNTRAINED: [], **{name: [] for name in runs}}
    rank: ByCase = {name: [] for name in accuracy}
    fresh = (
        untrained(settings, folder, seed)
        for seed, folder in zip(settings.each_seed, next(iter(runs.values())), strict=True)
    )
    untouched = ((UNTRAINED, train, test) for train, test in fresh)
    trained = ((name, train, test) for name, _, train, test in represented(settings, runs))
    for name, train, test in chain(untouched, trained):
        accuracy[name].append(probe(train, test))
        rank[name].append(effective_rank(test[0]))
    return accuracy, rank

"""The measurements of labeled rows: neural collapse, the classes of neighbors, and the weakest class."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from fullrank.metrics._pairs import chosen
from fullrank.metrics.cloud import Cloud
from fullrank.metrics.labels import NeuralCollapse, class_ranks, neural_collapse
from fullrank.metrics.record import MOST, Measured, Measurement, Measurements

_FEWEST_OF_CLASS = {"relative_spread": 8, "participation_ratio": 32}  # rows from which a class has one to compare
_FEWEST_OF_MEAN = 8  # rows of a class from which its mean is more than its rows
_NEIGHBORS = 10
_FEWEST_ASKED = 16  # rows that share a class with others, from which a share of their neighbors tells
_ONE_CLASS = 0.99  # by chance: then nearly all rows are of one class, and a gain over chance tells nothing
_WEAK = 0.5  # of the median over classes: those below are named


def _labels(z: Cloud) -> Tensor:
    assert z.labels is not None
    return z.labels


def _neural_collapse(z: Cloud) -> NeuralCollapse:
    """That of the classes of 8 rows or more; NaN where fewer than two are: of classes of one row it is 0 by itself."""
    labels = _labels(z)
    _, which, counts = labels.unique(return_inverse=True, return_counts=True)
    large = counts >= _FEWEST_OF_MEAN
    if int(large.sum()) < 2:
        return NeuralCollapse(math.nan, math.nan, math.nan, None, None)
    if bool(large.all()):
        return neural_collapse(z, labels)
    kept = large[which]
    return neural_collapse(z.rows[kept.to(z.rows.device)], labels[kept])


NC1 = Measurement(
    "nc1",
    lambda z: z.once(_neural_collapse).nc1,
    "NC1, variability within classes",
    "over between classes, pseudo-inverse; of classes of 8 rows or more",
    "labels",
    of="labels",
)
NC2_NORMS = Measurement(
    "nc2_norms",
    lambda z: z.once(_neural_collapse).nc2_norms,
    "NC2, unequal norms of class means",
    "standard deviation over mean",
    "labels",
    of="labels",
)
NC2_ANGLES = Measurement(
    "nc2_angles",
    lambda z: z.once(_neural_collapse).nc2_angles,
    "NC2, distance from a simplex",
    "mean |cosine + 1 / (C - 1)|",
    "labels",
    of="labels",
)


CLASSES = Measurement(
    "classes",
    lambda z: float(len(_labels(z).unique())),
    "classes",
    "different labels in the sample",
    "labels",
    of="labels",
    range=(1.0, math.inf),
)


def _class_directions(found: Measurements, n: int, dims: int) -> Measured | None:
    """The share of the directions that the classes need: k directions of two levels tell 2^k classes apart."""
    if "classes" not in found or "effective_rank" not in found:
        return None
    needed = min(math.log2(found["classes"].value), dims)
    return Measured("class_directions", min(found["effective_rank"].value / needed, 1.0), healthy=1.0)


CLASS_DIRECTIONS = Measurement(
    "class_directions",
    _class_directions,
    "effective rank over the logarithm of the classes",
    "base 2, at most 1",
    "labels",
    of="derived",
    direction="high",
    ideal=1.0,
    range=(0.0, 1.0),
)


def _for_pairs(z: Cloud) -> Cloud:
    """At most 2,048 of the rows, with their labels."""
    kept = chosen(z.n, seed=z.seed)
    return z if len(kept) == z.n else Cloud(z.rows[kept], seed=z.seed, labels=_labels(z)[kept])


def _others_of_class(z: Cloud) -> Tensor:
    """How many other rows (M,) have the label of each row that is asked for its neighbors."""
    _, which, counts = _labels(z.once(_for_pairs)).unique(return_inverse=True, return_counts=True)
    others: Tensor = counts[which] - 1
    return others


def _neighbor_labels(z: Cloud) -> float:
    """Share of the nearest rows, by cosine, that have a row's label: 10, or as many as do; NaN if hardly any can."""
    some = z.once(_for_pairs)
    labels, others = _labels(some), z.once(_others_of_class)
    index = some.nearest(_NEIGHBORS)[1].to(labels.device)
    asked = others.clamp_max(index.shape[1])
    if int((asked > 0).sum()) < _FEWEST_ASKED:
        return math.nan
    same = (labels[index] == labels[:, None]) & (torch.arange(index.shape[1], device=labels.device) < asked[:, None])
    return float((same.sum(1).double() / asked)[asked > 0].mean())


def _by_chance(z: Cloud) -> float:
    others = z.once(_others_of_class)
    return float(others[others > 0].double().mean()) / (len(others) - 1)


NEIGHBOR_LABELS = Measurement(
    "neighbor_labels",
    _neighbor_labels,
    "neighbors of the same class",
    "cosine, k = 10, or the other rows of the class if they are fewer",
    "labels",
    of="labels",
    direction="high",
    ideal=1.0,
    range=(0.0, 1.0),
    beside=_by_chance,
)


def _label_gain(found: Measurements, _n: int, _dims: int) -> Measured | None:
    if "neighbor_labels" not in found:
        return None
    one = found["neighbor_labels"]
    chance = one.null or 0.0
    if chance > _ONE_CLASS:
        return None
    gain = (one.value - chance) / (1 - chance)
    return Measured("label_gain", gain, healthy=1.0, sampled=one.sampled)


LABEL_GAIN = Measurement(
    "label_gain",
    _label_gain,
    "neighbors of the same class (0 chance, 1 all)",
    "their share above chance, over that of all",
    "labels",
    of="derived",
    direction="high",
    ideal=1.0,
    range=(-1.0, 1.0),
)


def _by_class(z: Cloud) -> dict[int, dict[str, float]]:
    return class_ranks(z, _labels(z))


def _relative(z: Cloud, part: str) -> tuple[Tensor, Tensor]:
    """The classes, the weakest first, and their values over the median; none where fewer than two have a value."""
    found = {label: row for label, row in z.once(_by_class).items() if row["n"] >= _FEWEST_OF_CLASS[part]}
    values = torch.tensor([row[part] for row in found.values()])
    median = values.quantile(0.5) if len(values) > 1 else values.new_zeros(())  # of two classes, their mean
    share = values / median if median > 0 else torch.ones_like(values)
    order = share.argsort(stable=True)
    return torch.tensor([*found])[order], share[order]


def _weakest(z: Cloud, part: str) -> float:
    share = _relative(z, part)[1]
    return float(share[0]) if len(share) > 1 else float("nan")


def _weak(z: Cloud, part: str) -> Tensor:
    """The weakest class, and all others below half of the median."""
    classes, share = _relative(z, part)
    return classes[: max(1, min(int((share < _WEAK).sum()), MOST))]


CLASS_RANK = Measurement(
    "class_rank",
    lambda z: _weakest(z, "participation_ratio"),
    "least rank of a class over the median",
    "unbiased participation ratio, of classes of 32 rows or more",
    "labels",
    of="labels",
    direction="high",
    ideal=1.0,
    range=(0.0, 1.0),
    expected=lambda _n, _dims: 1.0,
    which=lambda z: _weak(z, "participation_ratio"),
    which_are="classes",
)
CLASS_SPREAD = Measurement(
    "class_spread",
    lambda z: _weakest(z, "relative_spread"),
    "least spread of a class over the median",
    "relative spread, of classes of 8 rows or more",
    "labels",
    of="labels",
    direction="high",
    ideal=1.0,
    range=(0.0, 1.0),
    expected=lambda _n, _dims: 1.0,
    which=lambda z: _weak(z, "relative_spread"),
    which_are="classes",
)

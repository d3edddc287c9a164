"""Which classes are taken for which: a grid of shares where it can be read, else the pairs that are confused most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fullrank.runs.samples import Array

_MOST = 30  # classes of a grid that can be read
_PAIRS = 20


@dataclass(frozen=True)
class Grid:
    """Shares of each class's images in percent, by row; none where there are too many classes. Pairs in words."""

    classes: Sequence[str]
    rows: Sequence[Sequence[int]]
    pairs: Sequence[str]


def confusion_of(counts: Array, classes: Sequence[str]) -> Grid:
    """From counts (C, C) of images of a class (row) that were taken for a class (column).

    >>> confusion_of(np.array([[3, 1], [0, 4]]), ["cat", "dog"])
    Grid(classes=['cat', 'dog'], rows=[[75, 25], [0, 100]], pairs=['25 % of cat (1 of 4) were taken for dog'])
    """
    totals = counts.sum(1, keepdims=True)
    shares = 100 * counts / np.maximum(totals, 1)
    wrong = counts * (1 - np.eye(len(counts), dtype=counts.dtype))
    order = np.argsort(-wrong, axis=None, kind="stable")[:_PAIRS]
    pairs = [
        f"{shares[a, b]:.0f} % of {classes[a]} ({wrong[a, b]:,} of {totals[a, 0]:,}) were taken for {classes[b]}"
        for a, b in zip(*np.unravel_index(order, wrong.shape), strict=True)
        if wrong[a, b]
    ]
    rows = [[round(float(share)) for share in row] for row in shares] if len(counts) <= _MOST else []
    return Grid([*classes], rows, pairs)

"""Metrics of rows that take few different values, as those of a codebook do."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from fullrank.metrics.cloud import Cloud, Rows, as_cloud
from fullrank.metrics.record import MOST, Measured, Measurement, Measurements

_ENOUGH = 64  # rows; of fewer, any two copies are a large share


def values_taken(z: Cloud) -> tuple[Tensor, Tensor]:
    """Which value each row (N,) takes, and how often each value (K,) occurs."""
    _, taken, counts = z.rows.unique(dim=0, return_inverse=True, return_counts=True)
    return taken, counts


def _uses(z: Cloud) -> Tensor:
    """How often each value occurs (K,)."""
    return z.once(values_taken)[1].double()


def different_rows(z: Rows) -> float:
    """The number of different rows: two rows are the same if they are equal in every value.

    Data has as many different rows as rows, quantized embeddings as many as codes in use. It does not measure collapse.

    Args:
        z: Embeddings (N, D), as rows or a `Cloud`.

    Returns:
        A number from 1 to N.

    >>> import torch
    >>> different_rows(torch.arange(20.0).repeat(5)[:, None])
    20.0
    """
    return float(len(as_cloud(z, 0).once(_uses)))


def code_use(z: Rows) -> float:
    """The perplexity of the values that the rows take, over the number of these values.

    It does not measure a collapse of rows that differ.

    Args:
        z: Embeddings (N, D), as rows or a `Cloud`.

    Returns:
        A number in (0, 1]; high is healthy: 1 if all values are equally frequent, as when all rows differ.

    Blind to: where the values lie, and entries of a codebook that no row takes.

    >>> import torch
    >>> round(code_use(torch.arange(20.0).repeat(5)[:, None]), 6)
    1.0
    """
    counts = as_cloud(z, 0).once(_uses)
    shares = counts / counts.sum()
    return math.exp(-float((shares * shares.log()).sum())) / len(counts)


def lone_rows(z: Rows) -> float:
    """The share of the rows that no other row repeats.

    Data with copies has many such rows, quantized embeddings few. It does not measure collapse.

    Args:
        z: Embeddings (N, D), as rows or a `Cloud`.

    Returns:
        A number in [0, 1].

    >>> import torch
    >>> lone_rows(torch.tensor([[0.0], [0.0], [1.0], [2.0]]))
    0.5
    """
    cloud = as_cloud(z, 0)
    return float((cloud.once(_uses) == 1).sum()) / cloud.n


def commonest_row(z: Rows) -> float:
    """The share of the rows that take the most frequent value; equal means equal in every value.

    Data has few rows of each value, and a default answer for missing inputs has many. It does not measure collapse.

    Args:
        z: Embeddings (N, D), as rows or a `Cloud`.

    Returns:
        A number in (0, 1].

    >>> import torch
    >>> commonest_row(torch.tensor([[0.0], [0.0], [1.0], [2.0]]))
    0.5
    """
    cloud = as_cloud(z, 0)
    return float(cloud.once(_uses).max()) / cloud.n


def _commonest(z: Cloud) -> Tensor:
    """The rows of the most frequent value, if more than one row has it."""
    taken, counts = z.once(values_taken)
    rows = (taken == counts.argmax()).nonzero()[:, 0]
    return rows[:MOST] if len(rows) > 1 else torch.empty(0, dtype=torch.int64)


def _other_copies(found: Measurements, n: int, _dims: int) -> Measured | None:
    if n < _ENOUGH or not {"duplicate_rows", "commonest_row"} <= found.keys() or not found["duplicate_rows"].value:
        return None
    copies = found["duplicate_rows"].value
    others = copies - found["commonest_row"].value + 1 / max(n, 1)
    return Measured("other_copies", min(max(others / copies, 0.0), 1.0))


_OF_ALL = "equal in every value, first view; exact to 2^20 different rows, estimated beyond"

OTHER_COPIES = Measurement(
    *("other_copies", _other_copies, "copies of other rows than the most frequent", "share of all copies", "pairs"),
    of="derived",
    range=(0.0, 1.0),
)

DIFFERENT_ROWS = Measurement(
    *("different_rows", different_rows, "different rows", _OF_ALL, "pairs"),
    of="counts",
    range=(1.0, math.inf),
)

CODE_USE = Measurement(
    *("code_use", code_use, "evenness of equal rows", f"perplexity over different rows; {_OF_ALL}", "pairs"),
    of="counts",
    direction="high",
    ideal=1.0,
    range=(0.0, 1.0),
)

LONE_ROWS = Measurement(
    *("lone_rows", lone_rows, "rows that no other repeats", _OF_ALL, "pairs"),
    of="counts",
    range=(0.0, 1.0),
)

COMMONEST_ROW = Measurement(
    *("commonest_row", commonest_row, "rows of the most frequent value", "equal in every value", "pairs"),
    of="rows",
    range=(0.0, 1.0),
    no_interval="of the sample",
    which=_commonest,
    which_are="rows",
)

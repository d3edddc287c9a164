"""The numbers behind the figures of a report, each with what perfect data of the same size would show."""

from __future__ import annotations

from typing import Any

import torch
from scipy.special import betainc
from torch import Tensor

from fullrank.metrics import isotropic_hill, isotropic_spectrum
from fullrank.metrics._pairs import pair_sample, upper
from fullrank.metrics.cloud import Cloud
from fullrank.metrics.head import principal
from fullrank.metrics.hubs import gaussian_neighbors, occurrences
from fullrank.metrics.measure import cloud_of_pairs
from fullrank.stats import hill, spectrum
from fullrank.stats.sketch import Sketch

_ORDERS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 10.0)
_BINS = 80  # of the cosines from -1 to 1
_POINTS = 1000  # of the projection


def figures(sketch: Sketch, *, labels: Tensor | None = None, seed: int = 0) -> dict[str, dict[str, Any]]:
    """Spectrum, cosines, Hill profile, dimensions, projection and hubness of a sketch, as lists that JSON can hold.

    The spectrum, the profile and the dimensions are of all rows. The others are of at most 2,048 of the sample's first
    view, and the projection of 1,000.

    >>> from fullrank.stats.sketch import sketch
    >>> drawn = figures(sketch([torch.randn(100, 4, generator=torch.Generator().manual_seed(0))]))
    >>> sorted(drawn), len(drawn["spectrum"]["eigenvalue"])
    (['cosines', 'dimensions', 'hill', 'hubness', 'projection', 'spectrum'], 4)
    """
    whole, some = sketch.total, cloud_of_pairs(sketch, seed=seed)
    values = spectrum(whole)[: whole.n]
    n, dims = whole.n, whole.dims
    null = isotropic_spectrum(n, dims) * (float(values.sum()) / dims)
    profile = [float(hill(values, order)) for order in _ORDERS]
    of_sample = None if labels is None else pair_sample(labels[sketch.sample.index], seed=seed)
    return {
        "spectrum": {"index": [*range(1, len(values) + 1)], "eigenvalue": _short(values), "null": _short(null)},
        "cosines": _cosines(some, dims),
        "hill": {"order": [*_ORDERS], "value": profile, "null": [isotropic_hill(n, dims, q) for q in _ORDERS]},
        "dimensions": {"std": _short(whole.variance.clamp_min(0.0).sqrt())},
        "projection": _projection(some.rows * some.scale, of_sample),
        "hubness": _hubness(some.once(occurrences).long(), some.once(gaussian_neighbors).counts.long()),
    }


def _short(x: Tensor) -> list[float]:
    """The numbers, with six digits."""
    return [float(f"{value:.6g}") for value in x.tolist()]


def _cosines(z: Cloud, dims: int) -> dict[str, list[float]]:
    """Density of the cosines of all pairs of rows z (k, K) in `dims` dimensions, and of uniform directions: 80 bins."""
    edges = torch.linspace(-1, 1, _BINS + 1, dtype=torch.float64)
    counts = torch.zeros(_BINS, dtype=torch.float64)
    zero = (z.norms == 0).double() / 2  # such a row has the squared distance 1 to a direction, and the cosine 0
    for start, squares in z.unit_apart:
        cosines = (1 - zero[start : start + len(squares), None] - zero[start:]).sub_(squares, alpha=0.5)
        counts += torch.histc(upper(cosines), _BINS, -1, 1)
    half = (dims - 1) / 2
    below = torch.from_numpy(betainc(half, half, ((edges + 1) / 2).numpy())) if half > 0 else (edges > 0).double()
    density = counts / counts.sum().clamp_min(1) * (_BINS / 2)
    return {"edges": _short(edges), "density": _short(density), "null": _short(below.diff() * (_BINS / 2))}


def _projection(z: Tensor, labels: Tensor | None) -> dict[str, list[float] | list[int] | None]:
    """The first two principal components of at most 1,000 rows."""
    rows = z[:_POINTS] - z.mean(0)
    scores = principal(rows, 2)[0] if min(rows.shape) > 1 else torch.nn.functional.pad(rows[:, :1], (0, 1))
    shown = None if labels is None else [int(label) for label in labels[:_POINTS]]
    return {"x": _short(scores[:, 0]), "y": _short(scores[:, 1]), "label": shown}


def _hubness(found: Tensor, like: Tensor) -> dict[str, list[int]]:
    """How many rows are among the 10 nearest of `count` others, and how many of a Gaussian cloud of the same spectrum
    are.
    """
    most = int(max(found.max(), like.max())) + 1
    rows, null = found.bincount(minlength=most), like.bincount(minlength=most)
    seen = ((rows > 0) | (null > 0)).nonzero()[:, 0]
    return {"count": seen.tolist(), "rows": rows[seen].tolist(), "null": null[seen].tolist()}

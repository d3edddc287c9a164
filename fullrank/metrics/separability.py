"""How far apart the classes lie in the features, by labels."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from fullrank.errors import UserError
from fullrank.metrics._embeddings import as_labels, unit_rows
from fullrank.metrics.cloud import Rows, as_given
from fullrank.stats import normalize

_SAME = 1e-12  # a cosine distance below this is what float32 makes of equal features (their rounding, squared)
_SAMPLE = 4000  # rows of the silhouette: 4000 x 4000 distances in float64 are 128 MB


def separability(z: Rows, labels: Tensor, *, seed: int = 0) -> dict[str, float | None]:
    """How far apart the classes lie: distances between and within classes, their ratio, and the silhouette.

    The paper that reports a class separability (Durrant & Leontidis, 2022) could not be read for its definition: these
    four numbers are ours. No value means much by itself: compare encoders on the same samples.

    Args:
        z: Embeddings (N, D), as rows or a `Cloud`.
        labels: Classes (N,), any integers.
        seed: Draws the sample of `silhouette`.

    Returns:
        "between" (`between_class_distance`), "within" (`within_class_distance`), "silhouette", "classes" (how many
            there are) and "ratio", which is between / within: high is healthy, 0 when all features are one point, and
            None where a part of it is undefined or every class is exactly one point. It can be written as JSON.

    Blind to: the norm of the features.

    >>> x, y = torch.tensor([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0], [-0.6, 0.8]]), torch.tensor([0, 0, 1, 1])
    >>> {name: round(value, 3) for name, value in separability(x, y).items()}
    {'between': 1.0, 'within': 0.2, 'ratio': 5.0, 'silhouette': 0.78, 'classes': 2}
    """
    between, within = between_class_distance(z, labels), within_class_distance(z, labels)
    ratio = None
    if not math.isnan(between) and not math.isnan(within):
        ratio = between / within if within > 0 else 0.0 if between == 0 else None
    values = {"between": between, "within": within, "silhouette": silhouette(z, labels, seed=seed)}
    known = {name: None if math.isnan(value) else value for name, value in values.items()}
    return {
        "between": known["between"],
        "within": known["within"],
        "ratio": ratio,
        "silhouette": known["silhouette"],
        "classes": len(as_labels(labels).unique()),
    }


def between_class_distance(z: Rows, labels: Tensor) -> float:
    """Mean cosine distance between the centroids of two classes, of rows scaled to length 1.

    Every pair of classes counts alike, however many samples the classes have. The definition is ours: that of the paper
    that `separability` names is not known.

    Args:
        z: Embeddings (N, D), as rows or a `Cloud`.
        labels: Classes (N,), any integers.

    Returns:
        A number in [0, 2], and at most C / (C - 1) for C classes; high is healthy; total collapse and zeros give 0,
            and fewer than two classes NaN.

    Raises:
        UserError: Features are not finite, or labels are not N integers.

    Blind to: how far a class is spread, so that pure noise around zero reads 1, since its centroids point anywhere; a
    mean that all features share hides it the other way.

    >>> between_class_distance(torch.tensor([[3.0, 0.0], [0.0, 1.0], [0.0, 2.0]]), torch.tensor([5, 8, 8]))
    1.0
    """
    u, which = _checked(z, labels)
    sums, counts = _by_class(u, which)
    centroids = sums / counts[:, None]
    centroids = normalize(torch.where(centroids.norm(dim=1, keepdim=True) > _SAME, centroids, 0.0))
    c = len(centroids)
    if c < 2:
        return math.nan
    return _distance(_other_pairs(centroids) / (c * (c - 1)))


def within_class_distance(z: Rows, labels: Tensor) -> float:
    """Mean cosine distance between two samples of one class, averaged over the classes of two or more samples.

    The definition is ours, as that of `between_class_distance`.

    Args:
        z: Embeddings (N, D), as rows or a `Cloud`.
        labels: Classes (N,), any integers.

    Returns:
        A number in [0, 2]; low is healthy only beside a high `between_class_distance`: total collapse, zeros and
            neural collapse, where every class is one point, give 0; NaN where no class has two samples.

    Raises:
        UserError: Features are not finite, or labels are not N integers.

    Blind to: every collapse; the norm; where the classes lie.

    >>> within_class_distance(torch.tensor([[3.0, 0.0], [0.0, 1.0], [0.0, 2.0]]), torch.tensor([5, 8, 8]))
    0.0
    """
    u, which = _checked(z, labels)
    sums, counts = _by_class(u, which)
    own = torch.zeros_like(counts).index_add_(0, which, u.square().sum(1))  # 1 a row, 0 a row of zeros
    zeros = counts - own.round()  # two rows of zeros are one point, like in `mean_cosine`
    cosines = sums.square().sum(1) - own + zeros * (zeros - 1)
    several = counts > 1
    if not bool(several.any()):
        return math.nan
    return _distance(float((cosines / (counts * (counts - 1)))[several].mean()))


def silhouette(z: Rows, labels: Tensor, *, seed: int = 0) -> float:
    """Mean silhouette by cosine distance (Rousseeuw, 1987; scikit-learn's `silhouette_score`).

    It is (b - a) / max(a, b) of each sample, with a its mean distance to its own class and b that to the nearest other
    class; a class of one sample counts 0.

    Args:
        z: Embeddings (N, D), as rows or a `Cloud`.
        labels: Classes (N,), any integers.
        seed: Draws 4,000 of more samples.

    Returns:
        A number in [-1, 1]; high is healthy; 0 is overlap, and what total collapse and zeros give; NaN for fewer than
            two classes, and where every sample has a class of its own.

    Raises:
        UserError: Features are not finite, or labels are not N integers.

    Blind to: the norm; classes of several clusters read as overlap, though a linear probe may tell them apart.

    >>> silhouette(torch.tensor([[3.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 2.0]]), torch.tensor([5, 5, 8, 8]))
    1.0
    """
    from sklearn.metrics import silhouette_score  # takes a second to import

    u, which = _checked(z, labels)
    if len(u) > _SAMPLE:
        chosen = torch.randperm(len(u), generator=torch.Generator().manual_seed(seed))[:_SAMPLE].to(u.device)
        u, which = u[chosen], which[chosen]
    if not 2 <= len(which.unique()) < len(u):
        return math.nan
    zero = (u == 0).all(1)
    distance = (1 - u @ u.T).masked_fill_(zero[:, None] & zero, 0.0)
    distance = torch.where(distance > _SAME, distance, 0.0).fill_diagonal_(0.0)
    return float(silhouette_score(distance.cpu().numpy(), which.cpu().numpy(), metric="precomputed"))


def _checked(z: Rows, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Rows of z at length 1 (N, D), and the class of each (N,), counted from 0."""
    u, labels = unit_rows(as_given(z)), as_labels(labels)
    if labels.shape != (len(u),) or labels.is_floating_point():
        raise UserError(
            f"There are {len(u)} samples, but labels {labels.dtype} of shape {tuple(labels.shape)}: pass a whole "
            "number for each."
        )
    return u, labels.to(u.device).unique(return_inverse=True)[1]


def _by_class(u: Tensor, which: Tensor) -> tuple[Tensor, Tensor]:
    """Sum (C, D) and number (C,) of the rows of each class."""
    counts = which.bincount().double()
    return u.new_zeros(len(counts), u.shape[1]).index_add_(0, which, u), counts


def _other_pairs(u: Tensor) -> float:
    """Sum of the cosines of all ordered pairs of different rows; two zero vectors are one point."""
    own = u.square().sum(1)
    zeros = int((own == 0).sum())
    return float(u.sum(0).square().sum() - own.sum()) + zeros * (zeros - 1)


def _distance(cosine: float) -> float:
    return 1 - cosine if 1 - cosine > _SAME else 0.0

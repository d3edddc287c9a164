"""Numbers that need labels: neural collapse, and the rank within each class."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fullrank.errors import UserError
from fullrank.metrics._embeddings import as_labels, centered, embeddings
from fullrank.metrics.cloud import Rows, as_cloud
from fullrank.metrics.participation import participation_ratio
from fullrank.metrics.spread import relative_spread


@dataclass(frozen=True)
class NeuralCollapse:
    """The result of `neural_collapse`.

    Attributes:
        nc1: Variance within classes over that between them; 0 at neural collapse.
        nc2_norms: How unequal the distances of class means from their mean are; 0 at neural collapse.
        nc2_angles: How far their angles are from those of a simplex; 0 at neural collapse.
        nc3: How far the classifier's weights are from the class means; None without weights.
        nc4: Share of the rows for which classifier and nearest class mean disagree; None without weights.
    """

    nc1: float
    nc2_norms: float
    nc2_angles: float
    nc3: float | None
    nc4: float | None


def neural_collapse(
    z: Rows, labels: Tensor, *, weight: Tensor | None = None, bias: Tensor | None = None
) -> NeuralCollapse:
    """Neural collapse (Papyan, Han & Donoho, 2020), five numbers that are all 0 when it is complete.

    With M the class means minus the mean of the class means, and W the mean over classes of the covariance within:

    - nc1: tr(W B^+) / C, B = M^T M / C, on the at most C - 1 directions above rounding; at least 0.
    - nc2_norms: standard deviation of the norms of M over their mean; nc2_angles: mean |cos + 1 / (C - 1)| over pairs.
    - nc3: |weight / |weight| - M / |M||^2 (Frobenius) with the weight of the last layer.
    - nc4: share of the rows where that layer disagrees with the nearest class mean.

    Neural collapse is good for a closed set of classes, and a loss for transfer and retrieval. Divisors are N_c, and
    all classes weigh alike. nc1 is too low where a class has fewer rows than D. Total collapse gives nc1 and nc2_norms
    of 0 and nc2_angles of 1 / (C - 1), as there is no geometry left: read a spread beside it.

    Args:
        z: Embeddings (N, D).
        labels: Classes (N,), integers, of at least two values.
        weight: Weight (C, D) of the last layer, rows by ascending label; without it nc3 and nc4 are None.
        bias: Bias (C,) of the last layer.

    Raises:
        UserError: There are fewer than two classes, or shapes disagree.

    Blind to: total collapse.

    >>> corners, labels = torch.eye(3).repeat(4, 1), torch.arange(3).repeat(4)
    >>> found = neural_collapse(corners, labels, weight=torch.eye(3) - 1 / 3)
    >>> [round(value, 6) for value in (found.nc1, found.nc2_norms, found.nc2_angles, found.nc3, found.nc4)]
    [0.0, 0.0, 0.0, 0.0, 0.0]
    """
    cloud = as_cloud(z)
    x = cloud.rows
    classes, which = _classes(x, labels)
    count = len(classes)
    if count < 2:
        raise UserError(f"The labels name {count} class: neural collapse compares two or more.")
    means = torch.stack([x[which == c].mean(0) for c in range(count)])
    corners = centered(means)
    inner = x - means[which]
    share = 1 / (count * which.bincount()[which].double())  # of a row: classes weigh alike
    norms, cosines = _geometry(corners)
    nc3 = nc4 = None
    if weight is not None:
        nc3, nc4 = _agreement(x * cloud.scale, means, corners, weight, bias)
    return NeuralCollapse(_nc1(corners, inner, share), norms, cosines, nc3, nc4)


def class_ranks(z: Rows, labels: Tensor) -> dict[int, dict[str, float]]:
    """Rows, relative spread and unbiased participation ratio within each class.

    It finds a collapse of one class, language or donor that the whole hides: look for a class far below the median.
    Ranks of fewer than 32 rows mean little.

    Args:
        z: Embeddings (N, D), as rows or a `Cloud`.
        labels: Classes (N,), integers.

    Returns:
        "n", "relative_spread" (about the origin, of the rows of the class) and "participation_ratio" by label, in
            ascending order; a class of one point or one row has spread 0 and rank 1.

    Blind to: how the classes lie to each other.

    >>> ranks = class_ranks(torch.tensor([[1.0, 0.0], [-1.0, 0.0], [3.0, 3.0], [3.0, 3.0]]), torch.tensor([4, 4, 7, 7]))
    >>> {label: (row["n"], round(row["relative_spread"], 6)) for label, row in ranks.items()}
    {4: (2, 1.0), 7: (2, 0.0)}
    """
    x = as_cloud(z).rows
    classes, which = _classes(x, labels)
    rows = {int(label): x[which == c] for c, label in enumerate(classes.tolist())}
    return {
        label: {
            "n": len(part),
            "relative_spread": relative_spread(part),
            "participation_ratio": participation_ratio(part),
        }
        for label, part in rows.items()
    }


def _classes(x: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    labels = as_labels(labels)
    if labels.ndim != 1 or len(labels) != len(x) or labels.is_floating_point():
        raise UserError(
            f"The labels have the shape {tuple(labels.shape)} and type {labels.dtype}: pass one integer for each of "
            f"the {len(x)} rows."
        )
    classes, which = labels.to(x.device).unique(return_inverse=True)
    return classes, which


def _nc1(corners: Tensor, inner: Tensor, share: Tensor) -> float:
    """tr(W B^+) / C in the directions of the class means (at most C - 1)."""
    _, sigma, directions = torch.linalg.svd(corners, full_matrices=False)
    kept = sigma > sigma[0] * max(corners.shape) * torch.finfo(sigma.dtype).eps
    if not bool(kept.any()):
        return 0.0
    within = share @ (inner @ directions[kept].T).square()  # variance along each
    return float((within / sigma[kept].square()).sum())  # B has eigenvalues sigma^2 / C


def _geometry(corners: Tensor) -> tuple[float, float]:
    """How unequal the norms (C,) of the centered class means are, and how far their cosines from a simplex's."""
    norms = torch.linalg.vector_norm(corners, dim=1)
    count, mean = len(corners), float(norms.mean())
    unit = corners / norms.where(norms > 0, 1.0)[:, None]
    off = ~torch.eye(count, dtype=torch.bool, device=corners.device)
    angles = float(((unit @ unit.T)[off] + 1 / (count - 1)).abs().mean())
    return (float(norms.std(correction=0)) / mean if mean > 0 else 0.0), angles


def _agreement(z: Tensor, means: Tensor, corners: Tensor, weight: Tensor, bias: Tensor | None) -> tuple[float, float]:
    """NC3 and NC4 of the last layer; z is as it came, as the bias knows its scale, the means are of `embeddings`."""
    if weight.shape != means.shape or (bias is not None and bias.shape != (len(means),)):
        raise UserError(
            f"The weight has the shape {tuple(weight.shape)}: pass (classes, dimensions), here {tuple(means.shape)}, "
            "and a bias of (classes,)."
        )
    w = embeddings(weight)
    sizes = torch.linalg.vector_norm(w), torch.linalg.vector_norm(corners)
    nc3 = float((_over(w, sizes[0]) - _over(corners, sizes[1])).square().sum())
    raw = weight.detach().to(z)
    chosen = (z @ raw.T if bias is None else z @ raw.T + bias.detach().to(z)).argmax(1)
    nearest = torch.cdist(embeddings(z), means, compute_mode="donot_use_mm_for_euclid_dist").argmin(1)
    return nc3, float((chosen != nearest).double().mean())


def _over(x: Tensor, size: Tensor) -> Tensor:
    return x / size if size > 0 else x

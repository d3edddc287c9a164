"""How far apart the clouds of two modalities are that share a space, such as images and texts."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from torch import Tensor

from fullrank.errors import UserError
from fullrank.metrics.cloud import Cloud, Rows, as_cloud
from fullrank.metrics.record import OF_UNIT, Measurement
from fullrank.metrics.spread import relative_spread
from fullrank.metrics.views import view_retrieval


@dataclass(frozen=True)
class ModalityGap:
    """The result of `modality_gap`.

    Attributes:
        distance: Distance of the two means.
        ratio: The same over the root mean square distance of a row from its own mean.
        separable: Share of the odd rows that are nearer to the mean of their modality's even rows, in [0, 1].
        retrieval: `view_retrieval` of one modality in the other, in [0, 1].
        retrieval_centered: The same after each modality has lost its mean.
    """

    distance: float
    ratio: float
    separable: float
    retrieval: float
    retrieval_centered: float


def modality_gap(z1: Rows, z2: Rows, *, seed: int = 0) -> ModalityGap:
    """The gap between the embeddings of two modalities of the same samples, rows scaled to length 1.

    - distance: |mean 1 - mean 2| (Liang et al., 2022), in [0, 2].
    - ratio: distance over the root mean square distance of a row from its own mean, at least 0 (infinite when both
      modalities are points apart).
    - separable: share of the odd rows that lie nearer to the mean of their modality's even rows, in [0, 1]; 0.5 is no
      gap, as ties count half.
    - retrieval, retrieval_centered: `view_retrieval` of z1 in z2, as it is and with the mean of each modality taken
      off.

    A gap is normal for CLIP (distance about 0.8), and not a defect unless retrieval improves without it; a gap of 0 is
    not an aim of its own. Two points in one place give distance 0 and separable 0.5.

    Args:
        z1: Embeddings (N, D) of one modality.
        z2: Embeddings (N, D) of the other.
        seed: Draws the sample where there are more than 8,192 rows.

    Raises:
        UserError: The shapes differ.

    Blind to: every collapse within a modality.

    >>> import torch
    >>> one = torch.tensor([[1.0, 0.1], [1.0, -0.1], [1.0, 0.1], [1.0, -0.1]])
    >>> gap = modality_gap(one, -one)
    >>> round(gap.distance, 2), gap.separable
    (1.99, 1.0)
    """
    one, two = as_cloud(z1, seed), as_cloud(z2, seed + 1)
    a, b = one.unit, two.unit
    if a.shape != b.shape:
        raise UserError(f"The modalities have shapes {tuple(a.shape)} and {tuple(b.shape)}: pass two of equal shape.")
    within = ((a - a.mean(0)).square().sum(1).mean() + (b - b.mean(0)).square().sum(1).mean()) / 2
    distance = float((a.mean(0) - b.mean(0)).square().sum().sqrt())
    distance, spread = (0.0 if value < 1e-12 else value for value in (distance, math.sqrt(float(within))))
    return ModalityGap(
        distance,
        distance / spread if spread > 0 else math.inf if distance > 0 else 0.0,
        (_own_side(a, b) + _own_side(b, a)) / 2,
        view_retrieval(one, two, seed=seed),
        view_retrieval(a - a.mean(0), b - b.mean(0), seed=seed),
    )


def _own_side(own: Tensor, other: Tensor) -> float:
    """Share of the odd rows of `own` that are nearer to the mean of its even rows than to that of the other; ties count
    half.
    """
    odd = own[1::2] if len(own) > 1 else own
    nearer = (odd - other[::2].mean(0)).square().sum(1) - (odd - own[::2].mean(0)).square().sum(1)
    return float(((nearer > 1e-12).double() + (nearer >= -1e-12).double()).mean()) / 2


def _gap(z1: Cloud, z2: Cloud) -> ModalityGap:
    """The gap, computed once for the five numbers that are read from it."""
    return z1.between(z2, modality_gap)


def _of_two(
    name: str,
    function: Callable[[Cloud, Cloud], float],
    title: str,
    conventions: str,
    *,
    expected: float,
    low: bool = False,
) -> Measurement:
    return Measurement(
        *(name, function, title, conventions, "modalities"),
        of="modalities",
        direction="low" if low else "none",
        ideal=0.0 if low else None,
        expected=lambda _n, _dims: expected,
    )


MODALITY_SPREAD = Measurement(
    "modality_spread",
    lambda one, two: min(relative_spread(one), relative_spread(two)),
    "spread of the narrower modality",
    "relative spread of each",
    "modalities",
    of="modalities",
    direction="high",
    ideal=1.0,
    collapsed=0.0,
    range=(0.0, 1.0),
    expected=lambda _n, _dims: 1.0,
)
GAP_DISTANCE = _of_two(
    "gap_distance", lambda a, b: _gap(a, b).distance, "distance of the modalities' means", OF_UNIT, expected=0.0
)
GAP_RATIO = _of_two("gap_ratio", lambda a, b: _gap(a, b).ratio, "gap over spread", OF_UNIT, expected=0.0)
GAP_SEPARABLE = replace(
    _of_two(
        *("gap_separable", lambda a, b: _gap(a, b).separable, "rows nearer to their own modality"),
        f"{OF_UNIT}, held-out half",
        expected=0.5,
    ),
    ideal=0.5,
)
GAP_GAIN = _of_two(
    *("gap_gain", lambda a, b: _gap(a, b).retrieval_centered - _gap(a, b).retrieval),
    *("retrieval gained by centering each modality", "cosine"),
    expected=0.0,
    low=True,
)

"""Whether a few directions dominate the spectrum, and whether the rows form two groups along the first."""

from __future__ import annotations

import math

import torch
from scipy.linalg import eigh
from torch import Tensor

from fullrank.metrics.cloud import Cloud, Data, Rows, as_cloud
from fullrank.metrics.record import MEAN, Measured, Measurement, Measurements
from fullrank.stats import smaller_gram

HEAD = 3  # directions at most that stand before the rest
UNSTEADY = 0.5  # ours: error of the largest eigenvalue, as a share of it, above which a few rows make it
_TWO_PEAKS = 0.5  # of a bimodality; a normal has 1/3
_BESIDE = 0.1  # of the variance between two groups: what varies less within one is not a third
_ABOVE, _TURNS = 1e-11, 3  # shift above an eigenvalue, as a share of it, and steps: a gap of 1e-7 is told apart


def head_gap(z: Data) -> float:
    """Largest ratio between successive values among the first four covariance eigenvalues.

    It tells up to three dominant directions from a smooth decay. It does not measure collapse.

    Args:
        z: Embeddings (N, D), as rows, a `Cloud` or their moments.

    Returns:
        At least 1; low is healthy; total collapse, zeros and one row give 1.

    >>> round(head_gap(torch.tensor([[3.0, 0.0], [-3.0, 0.0], [0.0, 1.0], [0.0, -1.0]])))
    9
    """
    return largest_jump(as_cloud(z).spectrum)


HEAD_GAP = Measurement(
    "head_gap",
    head_gap,
    "largest jump among the first eigenvalues",
    "ratio of neighbors, of the first four",
    "spectrum",
    of="moments",
    direction="low",
    collapsed=1.0,
    range=(1.0, math.inf),
    blind_to=MEAN | {"dimensional"},
)


def largest_jump(values: Tensor) -> float:
    """Largest ratio between successive values among the first four, in descending order; 1 where no two are above zero.

    >>> largest_jump(torch.tensor([8.0, 2.0, 1.0, 0.0]))
    4.0
    """
    first = values[: HEAD + 1]
    first = first[first > first[:1] * 1e-12] if len(first) else first
    ratios = first[:-1] / first[1:]
    return float(ratios.max()) if len(ratios) else 1.0


def bimodality(z: Rows) -> float:
    """1 / kurtosis along the first principal direction: two groups give 1, and a normal distribution 1/3.

    It does not measure collapse.

    Args:
        z: Embeddings (N, D), as rows or a `Cloud`.

    Returns:
        A number in [0, 1]; neither end is healthy. A uniform distribution gives 0.56; a few rows that lie far out give
            nearly 0; fewer than four rows and total collapse, which have no direction, give NaN.

    >>> bimodality(torch.tensor([[1.0, 0.0], [1.0, 0.1], [-1.0, 0.0], [-1.0, -0.1]])) > 0.99
    True
    """
    scores = as_cloud(z).once(_first_scores)
    return math.nan if scores is None else _inverse_kurtosis(scores)


def _first_scores(z: Cloud) -> Tensor | None:
    """Scores (N,) along the first principal direction, at most 1; None where there is no direction."""
    if z.n < 4 or not float(z.spectrum[0]) > 0:
        return None
    of = z.scatter
    scores = first_direction(of.gram, z.n * float(z.spectrum[0]))
    scores = scores if of.wide else (z.rows - of.mean) @ scores
    return scores / scores.abs().max()


def _inverse_kurtosis(scores: Tensor) -> float:
    fourth = float(scores.pow(4).mean())
    return float(scores.square().mean()) ** 2 / fourth if fourth > 0 else 1.0


def _heads(z: Cloud) -> Tensor:
    """The fewest rows (k,) that hold half of the variance along the first direction, largest first, if one of them
    holds a quarter of it or more: without that, its eigenvalue hangs on no single rows.
    """
    scores = z.once(_first_scores)
    if scores is None or float(scores.square().sum()) == 0:
        return torch.empty(0, dtype=torch.int64)
    share, order = (scores.square() / scores.square().sum()).sort(descending=True, stable=True)
    few: Tensor = order[: int((share.cumsum(0) < 0.5).sum()) + 1]
    return few if float(share[0]) >= UNSTEADY**2 else few[:0]


BIMODALITY = Measurement(
    "bimodality",
    bimodality,
    "two groups along the first direction",
    "1 / kurtosis; a normal gives 1/3",
    "spectrum",
    of="rows",
    range=(0.0, 1.0),
    expected=lambda _n, _dims: 1 / 3,
    which=_heads,
    which_are="rows",
)


def side_bimodality(z: Rows) -> float:
    """The `bimodality` within the two groups along the first direction, of the one where it is larger.

    Where it is high, the rows form more than two groups. A group that varies less along its own first direction than a
    tenth of the variance between the two has 0, and so have rows without two groups (a bimodality of 0.5 or less).

    >>> corners = torch.tensor([[2.0, 1.0], [2.0, -1.0], [-2.0, 1.0], [-2.0, -1.0]]).repeat(8, 1)
    >>> side_bimodality(corners) > 0.99, side_bimodality(corners * torch.tensor([1.0, 0.1]))
    (True, 0.0)
    """
    cloud = as_cloud(z)
    scores = cloud.once(_first_scores)
    if scores is None:
        return math.nan
    if _inverse_kurtosis(scores) <= _TWO_PEAKS:
        return 0.0
    right, between = scores > 0, float(cloud.spectrum[0]) * cloud.n
    found = 0.0
    for side in (cloud.rows[right], cloud.rows[~right]):
        within = principal(side - side.mean(0), 1)[0][:, 0] if len(side) >= 4 else side.new_zeros(1)
        if float(within.square().sum()) > _BESIDE * between * len(side) / cloud.n:
            found = max(found, _inverse_kurtosis(within / within.abs().max()))
    return found


SIDE_BIMODALITY = Measurement(
    "side_bimodality",
    side_bimodality,
    "two groups within one of the two groups",
    "1 / kurtosis, the larger of both sides",
    "spectrum",
    of="rows",
    range=(0.0, 1.0),
)


def principal(x: Tensor, count: int = 2) -> tuple[Tensor, Tensor]:
    """Scores (N, count) of centered rows x (N, D) on their first principal directions, and these directions (D, count).

    >>> principal(torch.tensor([[2.0, 0.0], [-2.0, 0.0], [0.0, 1.0], [0.0, -1.0]]).double(), 1)[1].abs()
    tensor([[1.],
            [0.]], dtype=torch.float64)
    """
    n, dims = x.shape
    gram = smaller_gram(x).cpu().numpy()
    found = eigh(gram, subset_by_index=(len(gram) - count, len(gram) - 1))
    if len(found[0]) < count:  # LAPACK finds none of many that are equal
        found = tuple(part[..., -count:] for part in eigh(gram))
    values, vectors = (torch.from_numpy(part).flip(-1).to(x.device) for part in found)
    directions = x.T @ vectors / values.clamp_min(1e-300).sqrt() if n < dims else vectors
    return x @ directions, directions


def first_direction(gram: Tensor, largest: float) -> Tensor:
    """The eigenvector (K,) of the largest eigenvalue of a matrix (K, K), at length 1, by inverse iteration.

    >>> first_direction(torch.tensor([[4.0, 0.0], [0.0, 1.0]]).double(), 4.0).abs().round()
    tensor([1., 0.], dtype=torch.float64)
    """
    vector = torch.randn(len(gram), 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64).to(gram)
    above = _ABOVE
    shifted = gram.neg()
    shifted.diagonal().add_(largest * (1 + above))
    factor, failed = torch.linalg.cholesky_ex(shifted)
    while bool(failed):  # the eigenvalue is known to its rounding only
        shifted.diagonal().add_(largest * 9 * above)
        above *= 10
        factor, failed = torch.linalg.cholesky_ex(shifted)
    for _ in range(_TURNS):
        vector = torch.cholesky_solve(vector, factor)
        vector = vector / torch.linalg.vector_norm(vector)
    return vector[:, 0]


def _head_error(found: Measurements, n: int, _dims: int) -> Measured | None:
    """How uncertain the largest eigenvalue is: it is large where one row makes the eigenvalue."""
    if "bimodality" not in found:
        return None
    error = math.sqrt(max(1 / found["bimodality"].value - 1, 0.0) / n)
    return Measured("head_error", error, which=found["bimodality"].which if error > UNSTEADY else ())


HEAD_ERROR = Measurement(
    "head_error",
    _head_error,
    "standard error of the largest eigenvalue",
    "share of it, by the kurtosis along it",
    "spectrum",
    of="derived",
    direction="low",
    which_are="rows",
)

"""alpha-ReQ: a power law fitted to the middle of the spectrum, and how well it fits."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from fullrank.errors import UserError
from fullrank.metrics.cloud import Data, as_cloud
from fullrank.metrics.record import MEAN, Measurement


@dataclass(frozen=True)
class PowerLaw:
    """An exponent fitted to the eigenvalues `first` to `last`, and the share of their log variance that it explains.

    Attributes:
        exponent: The exponent; 0 is flat.
        r_squared: Share of the variance of the logarithms that it explains, at most 1.
        first: Number of the first eigenvalue of the fit, from 1.
        last: Number of the last one.
    """

    exponent: float
    r_squared: float
    first: int
    last: int


def alpha_req(z: Data, *, first: int = 11, last: int = 100) -> PowerLaw | None:
    """alpha-ReQ: the exponent of a power law fitted to the covariance eigenvalues, and how well it fits.

    As in Agrawal et al. (2022), log eigenvalue is fitted against -log j with weights 1 / j; j = 11 to 100 is reptrix's
    range. About 1 is healthy, far above is collapsed, far below is whitened. It does not order collapses: 16 equal
    directions of 256 give 0.2. Never read it without the fit and a rank.

    Args:
        z: Embeddings (N, D), as rows, a `Cloud` or their moments.
        first: The first eigenvalue of the fit, at least 1.
        last: The last eigenvalue of the fit.

    Returns:
        The fit; None where fewer than 3 positive eigenvalues are in reach (N or D up to 13, any collapse to a point).

    Blind to: complete collapse with noise left, the cone, and what happens before `first`.

    >>> index = torch.arange(1.0, 65)
    >>> rows = torch.cat([torch.diag(1 / index), -torch.diag(1 / index)])  # eigenvalues j^-2
    >>> law = alpha_req(rows)
    >>> round(law.exponent, 6), round(law.r_squared, 6), law.last
    (2.0, 1.0, 64)
    """
    if not 1 <= first < last:
        raise UserError(f"The fit is over eigenvalues {first} to {last}: pass 1 <= first < last.")
    spectrum = as_cloud(z).spectrum
    positive = spectrum[first - 1 : last]
    positive = positive[positive > 0]
    if len(positive) < 3:
        return None
    index = torch.arange(first, first + len(positive), dtype=torch.float64, device=positive.device)
    weight = (1 / index) / (1 / index).sum()
    x, y = -index.log(), positive.log()
    x, y = x - weight @ x, y - weight @ y
    slope = float(weight @ (x * y)) / float(weight @ x.square())
    total = float(weight @ y.square())
    left = float(weight @ (y - slope * x).square())
    return PowerLaw(slope, 1 - left / total if total > 0 else 1.0, first, first + len(positive) - 1)


def _exponent(z: Data) -> float:
    law = as_cloud(z).once(alpha_req)
    return math.nan if law is None else law.exponent


def _fit(z: Data) -> float:
    law = as_cloud(z).once(alpha_req)
    return math.nan if law is None else law.r_squared


ALPHA_REQ = Measurement(
    "alpha_req",
    _exponent,
    "alpha-ReQ",
    "eigenvalues 11 to 100, weights 1/j",
    "spectrum",
    of="moments",
    ideal=1.0,
    blind_to=MEAN,
)
ALPHA_REQ_FIT = Measurement(
    "alpha_req_fit", _fit, "fit of alpha-ReQ", "share of the log variance explained", "spectrum", of="moments"
)

"""How far the directions keep from each other: energies over pairs, and the distance to the nearest."""

from __future__ import annotations

import math
from typing import Literal

import torch
from scipy.special import gammaln, psi
from torch import Tensor

from fullrank.errors import UserError
from fullrank.metrics._pairs import neighbors, sample, upper
from fullrank.metrics.cloud import Rows, as_cloud
from fullrank.metrics.record import OF_UNIT, WITHIN, Measurement

CLOSEST = 1e-6  # of two directions; what is closer counts as this close, so that a copy costs much and not infinity
_EPS = 1e-8  # DINOv2's, inside the logarithm


def hyperspherical_energy(z: Rows, *, power: Literal[0, 1, 2] = 2, angular: bool = False, seed: int = 0) -> float:
    """Hyperspherical energy: the mean over pairs of distance^-power, for rows scaled to length 1.

    Liu et al. (2018) take the sum where this takes the mean; at power 0 it is the mean log of 1 / distance. Opposite
    directions are not treated as the same, since for embeddings -u is not redundant. Distances below 1e-6 count as
    1e-6.

    Args:
        z: Embeddings (N, D), as rows or a `Cloud`.
        power: 0, 1 or 2.
        angular: Whether the distance is the angle; otherwise it is the chord.
        seed: Draws the sample where there are more than 8,192 rows.

    Returns:
        Low is healthy; ideal is about 1/2 at power 2 (0.71 at 1, -0.35 at 0), the value of uniform directions, which
            `uniform_energy` gives for any D. Total collapse, zeros and one row give 1e12 at power 2 (1e6 at 1, 13.8 at
            0).

    Raises:
        UserError: The power is not one of these.

    Blind to: dimensional collapse, dead and duplicate dimensions, or nearly so: 8 of 64 dimensions give 0.60 for 0.51.

    >>> round(hyperspherical_energy(torch.eye(3)), 6)
    0.5
    """
    if power not in (0, 1, 2):
        raise UserError(f"The power of the energy is {power}: pass 0, 1 or 2.")
    cloud = as_cloud(z, seed)
    n = len(cloud.unit_apart)
    if n < 2:
        return _energy(cloud.rows.new_zeros(1), power)
    total = 0.0
    for _, squares in cloud.unit_apart:
        chord = upper(squares).sqrt_()
        gap = 2 * torch.asin((chord / 2).clamp_max(1.0)) if angular else chord
        total += _energy(gap, power) * len(gap)
    return total / (n * (n - 1) / 2)


HYPERSPHERICAL_ENERGY = Measurement(
    "hyperspherical_energy",
    hyperspherical_energy,
    "energy",
    f"{OF_UNIT}, power 2, chords",
    "pairs",
    of="rows",
    direction="low",
    ideal=0.5,
    collapsed=1e12,
    range=(0.25, math.inf),
    interval="pairs",
    blind_to=WITHIN - {"cluster"},
    expected=lambda _, dims: uniform_energy(dims),
    way=0.5,
    of_pairs=True,
)


def uniform_energy(dims: int, *, power: Literal[0, 1, 2] = 2) -> float:
    """The energy of uniform directions in `dims` dimensions, by chords; infinite where dims <= power + 1.

    It is 2^(d-s-2) Gamma(d/2) Gamma((d-1-s)/2) / (sqrt(pi) Gamma(d-1-s/2)) at power s, and its logarithmic derivative
    at power 0.

    Args:
        dims: Dimensions, at least 2.
        power: The power s of the energy: 0, 1 or 2.

    >>> round(uniform_energy(3, power=1), 6), uniform_energy(2)
    (1.0, inf)
    """
    if dims <= power + 1:
        return math.inf
    if power == 0:
        return float(psi(dims - 1) - psi((dims - 1) / 2)) / 2 - math.log(2)
    gammas = gammaln(dims / 2) + gammaln((dims - 1 - power) / 2) - gammaln(dims - 1 - power / 2)
    return math.exp(float(gammas) + (dims - power - 2) * math.log(2) - math.log(math.pi) / 2)


def koleo(z: Rows, *, seed: int = 0) -> float:
    """KoLeo: minus the mean logarithm of the distance to the nearest neighbor, for rows scaled to length 1.

    It is that of Sablayrolles et al. (2019), with DINOv2's 1e-8 inside the logarithm, once. It depends on N.

    Args:
        z: Embeddings (N, D), as rows or a `Cloud`.
        seed: Draws the sample where there are more than 8,192 rows.

    Returns:
        Low is healthy; about -0.35 (all at right angles) is ideal in many dimensions, and values near 0 are healthy in
            few; total collapse, zeros and one row give 18.4, and every copy adds 18.4 / N.

    Blind to: no kind of collapse, but it is weak on missing dimensions.

    >>> round(koleo(torch.eye(4)), 4)  # -log(2) / 2
    -0.3466
    """
    cloud = as_cloud(z, seed)
    u = sample(cloud.unit, cloud.seed)
    gap = neighbors(u, 1)[0] if len(u) > 1 else u.new_zeros(1)
    gap = torch.where(gap > 1e-15, gap, 0.0)  # what rounding leaves between equal rows
    return -float((gap + _EPS).log().mean())


KOLEO = Measurement(
    "koleo",
    koleo,
    of="rows",
    direction="low",
    ideal=-0.35,
    collapsed=-math.log(_EPS),
    blind_to=frozenset(),
    way=1.0,
    of_pairs=True,
)


def _energy(gap: Tensor, power: int) -> float:
    gap = gap.clamp_min(CLOSEST)
    return float(-gap.log().mean()) if power == 0 else float((gap**-power).mean())

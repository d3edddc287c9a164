"""Error bars for those metrics of pairs and neighbors whose intervals have the coverage that they should."""

from __future__ import annotations

import math

import torch
from scipy.special import stdtrit
from torch import Tensor

from fullrank.metrics._embeddings import unit_rows
from fullrank.metrics._pairs import MOST, sample
from fullrank.metrics.cloud import Cloud, Rows, as_cloud, as_given
from fullrank.metrics.energy import CLOSEST
from fullrank.metrics.hubs import DRAWS, gaussian_neighbors, occurrences, skewness
from fullrank.metrics.neighbors import two_nn_of
from fullrank.metrics.uncertainty import FEWEST_GROUPS, Estimate, jackknife_pairs, jackknife_rows

FEWEST = 32  # different rows, for a dimension


def pair_estimates(z: Rows, groups: Tensor, *, seed: int = 0) -> dict[str, Estimate]:
    """`jackknife` of metrics of pairs and neighbors, by name, leaving out each group of rows in turn.

    "uniformity" and "hyperspherical_energy" (power 2) are means over pairs. "two_nn" is a function of the distances to
    the nearest rows, which stay as they are, and needs 32 different rows. "hub_excess" leaves out rows with their
    counts, and adds the error of its null, the mean of four draws. The interval value +- (high - low) / 2 is that of
    what samples of N rows give on average, since metrics of neighbors depend on N.

    Coverage at nominal 95 % on nine clouds (`benchmarks/jackknife_pairs.py`): 93 to 98 % of the draws for the two
    means, 92 to 95 % for "two_nn", and 90 to 100 % for "hub_excess". Others have no interval, because two rows share a
    neighbor: on some cloud `mle_dimension` covers only 79 %, `koleo` 84 %, `hub_skewness` 86 %, and shares of rows
    less.

    Args:
        z: Embeddings (N, D), as rows or a `Cloud`.
        groups: Group (N,) of each row.
        seed: Decides every random draw.

    Raises:
        UserError: There are fewer than 5 groups.

    >>> z = torch.randn(400, 8, generator=torch.Generator().manual_seed(0))
    >>> found = pair_estimates(z, torch.arange(400) % 20)["two_nn"]
    >>> found.low < found.value < found.high
    True
    """
    cloud, groups = as_cloud(z, seed), sample(groups, seed)
    cloud = cloud if cloud.n <= MOST else Cloud(sample(cloud.rows, seed), seed=seed)
    kernels = ((start, torch.exp(-2.0 * squares)) for start, squares in cloud.unit_apart)
    inverses = ((start, squares.clamp_min(CLOSEST**2).reciprocal()) for start, squares in cloud.unit_apart)
    found = {
        "uniformity": jackknife_pairs(math.log, kernels, groups),
        "hyperspherical_energy": jackknife_pairs(float, inverses, groups),
        "hub_excess": _hub_excess(cloud, groups),
    }
    of_distinct = groups[cloud.distinct_index]
    if len(of_distinct) >= FEWEST and len(of_distinct.unique()) >= FEWEST_GROUPS:
        found["two_nn"] = jackknife_rows(two_nn_of, cloud.near(2), of_distinct)
    return found


def _hub_excess(cloud: Cloud, groups: Tensor) -> Estimate:
    found, null = jackknife_rows(skewness, occurrences(cloud), groups), cloud.once(gaussian_neighbors)
    value, reach = found.value - null.skewness, (found.high - found.low) / 2
    reach = math.hypot(reach, float(stdtrit(DRAWS - 1, 0.975)) * null.skewness_error)
    error = math.hypot(found.standard_error, null.skewness_error)
    return Estimate(value, value, error, value - reach, value + reach)


def alignment_estimate(z1: Rows, z2: Rows, groups: Tensor) -> Estimate:
    """`jackknife` of `alignment`, which is a mean over samples, leaving out each group of samples in turn.

    Args:
        z1: One view (N, D).
        z2: The other view (N, D).
        groups: Group (N,) of each sample.

    >>> alignment_estimate(torch.eye(5), torch.eye(5), torch.arange(5)).high
    0.0
    """
    apart = (unit_rows(as_given(z1)) - unit_rows(as_given(z2))).square().sum(1)
    return jackknife_rows(lambda rows: float(rows.mean()), apart, groups)

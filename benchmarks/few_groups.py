"""Does the interval of the participation ratio hold the true value where few groups of rows were sampled?

Donors whose 20 cells share a random effect, which has so many times their own variance, and a covariance
with eigenvalues j^-a. One thread: OMP_NUM_THREADS=1 python benchmarks/few_groups.py --out FILE
"""

from __future__ import annotations

import argparse
import json
from itertools import product
from pathlib import Path

import torch
from torch import Tensor

from fullrank.metrics.measure import of_moments
from fullrank.stats import hill
from fullrank.stats.sketch import sketch

CELLS = 20
CLOUDS = ((16, 0.0), (64, 1.0), (256, 0.5))  # dimensions, a
COLUMNS = ("held", "value", "width", "held_of_single_rows")


def draw(donors: int, dims: int, alpha: float, shared: float, seed: int) -> tuple[Tensor, Tensor, float]:
    """Rows (N, D), their donors (N,), and the participation ratio of the distribution."""
    generator = torch.Generator().manual_seed(seed)
    variances = torch.arange(1, dims + 1, dtype=torch.float64) ** -alpha
    units = torch.arange(donors).repeat_interleave(CELLS)
    of_donor = torch.randn(donors, dims, generator=generator, dtype=torch.float64)
    own = torch.randn(len(units), dims, generator=generator, dtype=torch.float64)
    rows = (shared**0.5 * of_donor[units] + own) * (variances / (1 + shared)).sqrt()
    return rows, units, float(hill(variances, 2))


def coverage(donors: int, dims: int, alpha: float, shared: float, repeats: int) -> dict[str, float]:
    """How often the interval holds the truth, with groups and without; the mean value and width with groups."""
    found, true = [], 0.0
    for seed in range(repeats):
        rows, units, true = draw(donors, dims, alpha, shared, seed)
        ranks = [of_moments(sketch([rows], units=of, seed=seed))["participation_ratio"] for of in (units, None)]
        ends = [(one.low or 0.0, one.high or 0.0) for one in ranks]
        held = [low <= true <= high for low, high in ends]
        found.append((held[0], ranks[0].value, ends[0][1] - ends[0][0], held[1]))
    return {"true": true, **dict(zip(COLUMNS, torch.tensor(found).double().mean(0).tolist(), strict=True))}


def main() -> None:
    """Run, print a table, and write JSON when asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=100)
    parser.add_argument("--out", type=Path, help="JSON file to write")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    results = []
    for donors, (dims, alpha), shared in product((10, 20, 100), CLOUDS, (1.0, 100.0)):
        row = coverage(donors, dims, alpha, shared, arguments.repeats)
        results.append({"donors": donors, "dims": dims, "alpha": alpha, "shared": shared, **row})
        print("  ".join(f"{name} {value:.4g}" for name, value in results[-1].items()), flush=True)
    if arguments.out:
        arguments.out.write_text(json.dumps({"repeats": arguments.repeats, "rows": results}, indent=2) + "\n")


if __name__ == "__main__":
    main()

"""Do intervals of metrics of pairs and neighbors hold what such samples give on average? Coverage over fresh draws.

What neighbors tell depends on the number of rows, so the true value is the mean of the metric over all draws, and
the interval is about the value. Nominal 95 %; a metric has an interval in a diagnosis if it is 88 % or more in every
cloud. One thread: OMP_NUM_THREADS=1 python benchmarks/jackknife_pairs.py --out FILE
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from fullrank.metrics import Estimate, alignment_estimate, jackknife_rows, pair_estimates
from fullrank.metrics._embeddings import unit_rows
from fullrank.metrics._pairs import neighbors
from fullrank.metrics.hubs import occurrences, skewness

GROUPS = 20


@dataclass(frozen=True)
class Cloud:
    """A Gaussian with variances j^-alpha; at `mean` in every direction, or in 16 clusters, or with heavy tails.

    With donors, half of the variance is shared by the rows of a donor, and the groups are made of donors.
    """

    rows: int = 400
    dims: int = 32
    alpha: float = 1.0
    mean: float = 0.0
    clusters: bool = False
    heavy: bool = False
    donors: int = 0


CLOUDS = (
    Cloud(alpha=0.0),
    Cloud(alpha=1.0),
    Cloud(alpha=2.0),
    Cloud(mean=1.0),
    Cloud(clusters=True),
    Cloud(alpha=0.0, clusters=True),
    Cloud(heavy=True),
    Cloud(donors=100),
    Cloud(rows=200, dims=64),
)


def draw(cloud: Cloud, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Two views (N, D), and groups (N,)."""
    generator = torch.Generator().manual_seed(seed)
    shape = cloud.rows, cloud.dims
    scale = torch.arange(1, cloud.dims + 1, dtype=torch.float64) ** (-cloud.alpha / 2)
    z, noise = (torch.randn(shape, generator=generator, dtype=torch.float64) * scale for _ in range(2))
    dealt = torch.randperm(cloud.rows, generator=generator) % GROUPS
    if cloud.clusters:
        centers = torch.randn(16, cloud.dims, generator=torch.Generator().manual_seed(99), dtype=torch.float64)
        z = centers[torch.randint(16, (cloud.rows,), generator=generator)] + 0.1 * z
        noise = 0.1 * noise
    if cloud.heavy:  # Student's t of 3 degrees of freedom
        chi = torch.randn(cloud.rows, 3, generator=generator, dtype=torch.float64).square().mean(1, keepdim=True)
        z = z / chi.sqrt()
    if cloud.donors:
        donor = torch.arange(cloud.rows) % cloud.donors
        shared = torch.randn(cloud.donors, cloud.dims, generator=generator, dtype=torch.float64) * scale
        z, dealt = (z + shared[donor]) / 2**0.5, donor % GROUPS
    z = z + cloud.mean
    return z, z + noise / 2, dealt


def others(z: Tensor, second: Tensor, groups: Tensor) -> dict[str, Estimate]:
    """Candidates that a diagnosis gives no interval: the rows' values as they are, and the rows' pairs left out."""
    u, v = unit_rows(z), unit_rows(second)
    near, (chord, first), (_, other) = neighbors(z, 10)[0], neighbors(u, 10), neighbors(v, 10)
    distance = torch.cdist(z, z).fill_diagonal_(torch.nan)
    values = {
        "koleo": -chord[:, 0].log(),
        "near_duplicate_rows": (1 - chord[:, 0].square() / 2 > 0.9).double(),  # at 0.99 there are none
        "antihub_share": (occurrences(z) == 0).double(),
        "view_retrieval": (neighbors(v, 1, queries=u)[1][:, 0] == torch.arange(len(u))).double(),
        "knn_overlap": (first[:, :, None] == other[:, None]).any(2).double().mean(1),
    }
    found = {name: jackknife_rows(lambda x: float(x.mean()), value, groups) for name, value in values.items()}
    found["hub_skewness"] = jackknife_rows(skewness, occurrences(z), groups)
    logs = (near[:, -1:] / near[:, :-1]).log().mean(1)
    found["mle_dimension"] = jackknife_rows(lambda x: 1 / float(x.mean()), logs, groups)

    def contrast(rows: Tensor) -> float:
        return float(distance[rows][:, rows].nanmedian() / near[rows, 0].median())

    return found | {"relative_contrast": jackknife_rows(contrast, torch.arange(len(z)), groups)}


def coverage(cloud: Cloud, repeats: int) -> dict[str, dict[str, float]]:
    """For each number: its mean, the share of intervals that hold that, their half-width, the standard deviation."""
    found: dict[str, list[tuple[float, float]]] = {}
    for seed in range(repeats):
        z, second, groups = draw(cloud, seed)
        ours = pair_estimates(z, groups) | {"alignment": alignment_estimate(z, second, groups)}
        for name, one in (ours | others(z, second, groups)).items():
            found.setdefault(name, []).append((one.value, (one.high - one.low) / 2))
    summary: dict[str, dict[str, float]] = {}
    for name, rows in found.items():
        value, reach = torch.tensor(rows, dtype=torch.float64).T
        summary[name] = {
            "mean": float(value.mean()),
            "coverage": float(((value - value.mean()).abs() <= reach).double().mean()),
            "half_width": float(reach.mean()),
            "deviation": float(value.std()),
        }
    return summary


def main() -> None:
    """Run, print a table, and write JSON when asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=300)
    parser.add_argument("--out", type=Path, help="JSON file to write")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    results = []
    for cloud in CLOUDS:
        measured = coverage(cloud, arguments.repeats)
        results.append({"cloud": asdict(cloud), "repeats": arguments.repeats, **measured})
        print(cloud)
        for name, row in measured.items():
            print(f"  {name:24s}" + "  ".join(f"{key} {value:.4g}" for key, value in row.items()), flush=True)
        if arguments.out:
            arguments.out.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()

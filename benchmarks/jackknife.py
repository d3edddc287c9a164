"""Does the 95 % interval of the delete-group jackknife hold the true value? Coverage over fresh draws of known truth.

Gaussian clouds with covariance eigenvalues j^-a, and donors: rows that share a random effect, grouped by donor or
treated as independent. One thread: OMP_NUM_THREADS=1 python benchmarks/jackknife.py --out FILE
"""

from __future__ import annotations

import argparse
import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from fullrank.metrics import jackknife_all, moment_groups, plugin_participation_ratio, summarize_moments
from fullrank.stats import Moments, hill


@dataclass(frozen=True)
class Cloud:
    """What is drawn; with donors, half of the variance of every direction is shared by the rows of a donor."""

    rows: int
    dims: int
    alpha: float
    donors: int = 0


CLOUDS = (
    Cloud(1024, 128, 0.5),
    Cloud(1024, 128, 1.0),
    Cloud(1024, 128, 1.5),
    Cloud(4096, 128, 1.0),
    Cloud(256, 128, 1.0),
    Cloud(128, 256, 1.0),
    Cloud(4000, 64, 1.0, donors=200),
)


def truth(cloud: Cloud) -> dict[str, float]:
    """The numbers of the distribution, whose mean is zero and relative spread 1."""
    spectrum = variances(cloud)
    singular = float(hill(spectrum.sqrt(), 1))
    return {
        "effective_rank": float(hill(spectrum, 1)),
        "rankme_centered": singular,
        "rankme": singular,
        "participation_ratio": float(hill(spectrum, 2)),
        "plug_in_participation_ratio": float(hill(spectrum, 2)),
        "nesum": float(hill(spectrum, math.inf)),
        "stable_rank": float(hill(spectrum, math.inf)),
    }


def variances(cloud: Cloud) -> Tensor:
    """Eigenvalues of the covariance (dims,)."""
    return torch.arange(1, cloud.dims + 1, dtype=torch.float64) ** -cloud.alpha


def numbers(z: Moments) -> dict[str, float]:
    """What is estimated; "participation_ratio" is the unbiased one."""
    return {**summarize_moments(z), "plug_in_participation_ratio": plugin_participation_ratio(z)}


def draw(cloud: Cloud, seed: int) -> tuple[Tensor, Tensor | None]:
    """Rows (N, D) and their donors (N,), if any."""
    generator = torch.Generator().manual_seed(seed)
    scale = variances(cloud).sqrt()
    own = torch.randn(cloud.rows, cloud.dims, generator=generator, dtype=torch.float64) * scale
    if not cloud.donors:
        return own, None
    donor = torch.arange(cloud.rows) % cloud.donors
    shared = torch.randn(cloud.donors, cloud.dims, generator=generator, dtype=torch.float64) * scale
    return (own + shared[donor]) / math.sqrt(2), donor


def coverage(cloud: Cloud, repeats: int, *, by_donor: bool = False) -> dict[str, dict[str, float]]:
    """For each number: share of the intervals that hold the truth, mean of the value, of the corrected, half-width."""
    found: dict[str, list[tuple[bool, float, float, float]]] = {name: [] for name in truth(cloud)}
    for seed in range(repeats):
        z, donor = draw(cloud, seed)
        estimates = jackknife_all(numbers, moment_groups(z, labels=donor if by_donor else None, seed=seed))
        for name, true in truth(cloud).items():
            one = estimates[name]
            found[name].append((one.low <= true <= one.high, one.value, one.corrected, (one.high - one.low) / 2))
    columns = ("coverage", "value", "corrected", "half_width")
    summary = {}
    for name, rows in found.items():
        means = torch.tensor(rows).double().mean(0).tolist()
        summary[name] = {"true": truth(cloud)[name], **dict(zip(columns, means, strict=True))}
    return summary


def main() -> None:
    """Run, print a table, and write JSON when asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=200)
    parser.add_argument("--out", type=Path, help="JSON file to write")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    results = []
    for cloud in CLOUDS:
        for by_donor in (False, True) if cloud.donors else (False,):
            measured = coverage(cloud, arguments.repeats, by_donor=by_donor)
            results.append({"cloud": asdict(cloud), "by_donor": by_donor, "repeats": arguments.repeats, **measured})
            print(cloud, "groups of donors" if by_donor else "groups of rows")
            for name, row in measured.items():
                print(f"  {name:28s}" + "".join(f"{key} {value:8.3f}  " for key, value in row.items()), flush=True)
    if arguments.out:
        arguments.out.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()

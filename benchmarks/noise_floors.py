"""Which noise floor tells embeddings of a lost rank, lifted by noise, from healthy ones?

    OMP_NUM_THREADS=1 python benchmarks/noise_floors.py --out docs/results/benchmarks/noise_floors.json

Every floor counts the directions above it, as a share of min(N - 1, D): parallel analysis (eigenvalues above the 95th
percentile of those of columns permuted alone; Horn, 1965), the edge of Marchenko-Pastur with the noise level that the
median eigenvalue has, Gavish-Donoho's threshold for unknown noise (2014), and the cliff of `signal_rank`. Healthy
clouds are isotropic, of falling spectra, features of a ReLU, and principal components of scikit-learn's digits; ruined
ones keep an eighth of the directions of those, with noise of 0 to 30 % of the deviation in all directions. Three draws
each. A floor separates a grade of noise if some share lies above all ruined and below all healthy clouds.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.datasets import load_digits

from fullrank.metrics import signal_rank

Array = NDArray[np.float64]
NOISE = (0.0, 0.01, 0.05, 0.1, 0.2, 0.3)  # of the root mean square deviation of a dimension
SIZES = ((600, 64), (600, 384), (300, 512))
DRAWS = 3


@dataclass(frozen=True, eq=False)
class Case:
    """A centered cloud (N, D): what it is, and its grade of noise if it has lost seven eighths of its directions."""

    name: str
    noise: float | None
    rows: Array


def parallel_analysis(x: Array, rng: np.random.Generator, draws: int = 20) -> int:
    """Leading eigenvalues above the 95th percentile of those of rows whose columns were permuted, each alone."""
    drawn = np.stack([_spectrum(rng.permuted(x, axis=0)) for _ in range(draws)])
    return _leading(_spectrum(x) > np.quantile(drawn, 0.95, axis=0))


def marchenko_pastur(x: Array, rng: np.random.Generator) -> int:
    """Leading eigenvalues above the edge of noise, whose level is that of the median eigenvalue."""
    values, ratio = _spectrum(x), min(x.shape) / max(x.shape)
    middle = np.median(values) / _median_of_noise(ratio)
    return _leading(values > middle * (1 + ratio**0.5) ** 2)


def gavish_donoho(x: Array, rng: np.random.Generator) -> int:
    """Leading singular values above omega(ratio) times their median."""
    singular, b = np.sqrt(_spectrum(x)), min(x.shape) / max(x.shape)
    return _leading(singular > (0.56 * b**3 - 0.95 * b**2 + 1.82 * b + 1.43) * np.median(singular))


def cliff(x: Array, rng: np.random.Generator) -> int:
    """Eigenvalues before a fall of 30 times."""
    return int(signal_rank(torch.from_numpy(x)))


FLOORS: dict[str, Callable[[Array, np.random.Generator], int]] = {
    "parallel analysis": parallel_analysis,
    "Marchenko-Pastur": marchenko_pastur,
    "Gavish-Donoho": gavish_donoho,
    "a fall of 30 times": cliff,
}


def _spectrum(x: Array) -> Array:
    """Eigenvalues of rows (N, D) less their mean, largest first: min(N - 1, D) of them."""
    x = x - x.mean(0)
    gram = x @ x.T if len(x) <= x.shape[1] else x.T @ x
    values: Array = np.linalg.eigvalsh(gram)[::-1].clip(0.0)[: min(len(x) - 1, x.shape[1])]
    return values


def _leading(above: NDArray[np.bool_]) -> int:
    return int(above.argmin()) if not above.all() else len(above)


def _median_of_noise(ratio: float) -> float:
    """The median of the Marchenko-Pastur law of unit noise."""
    low, high = (1 - ratio**0.5) ** 2, (1 + ratio**0.5) ** 2
    grid = np.linspace(low, high, 20_001)[1:-1]
    mass = np.sqrt((high - grid) * (grid - low)) / grid
    share = np.cumsum(mass) / mass.sum()
    return float(grid[np.searchsorted(share, 0.5)])


def healthy(n: int, dims: int, rng: np.random.Generator) -> Iterator[tuple[str, Array]]:
    """Clouds that have lost nothing; the directions are turned, so that no column is one."""
    turn = np.linalg.qr(rng.normal(size=(dims, dims)))[0]
    for exponent in (0.0, 0.5, 1.0, 1.5):
        scale = np.arange(1, dims + 1) ** (-exponent / 2)
        yield f"eigenvalues 1/j^{exponent:g}", rng.normal(size=(n, dims)) * scale @ turn
    yield "features of a ReLU", np.maximum(rng.normal(size=(n, 96)) @ rng.normal(size=(96, dims)), 0)


def cases(seed: int) -> Iterator[Case]:
    """Every healthy cloud, and what is left of it, with noise."""
    rng = np.random.default_rng(seed)
    digits = rng.permutation(load_digits().data)[:600]
    pixels = digits - digits.mean(0)
    components = pixels @ np.linalg.svd(pixels, full_matrices=False)[2][:40].T
    made = [(f"{name}, {n} x {dims}", z) for n, dims in SIZES for name, z in healthy(n, dims, rng)]
    for name, z in (*made, ("40 principal components of digits", components)):
        yield Case(name, None, z)
        z = z - z.mean(0)
        left, values, right = np.linalg.svd(z, full_matrices=False)
        kept = max(min(len(z) - 1, z.shape[1]) // 8, 1)
        cut = left[:, :kept] * values[:kept] @ right[:kept]
        for noise in NOISE:
            yield Case(name, noise, cut + noise * cut.std() * rng.normal(size=z.shape))


def run() -> dict[str, Any]:
    """The share of every floor on every case, seconds, and what separates which grade."""
    shares: list[dict[str, Any]] = []
    seconds = dict.fromkeys(FLOORS, 0.0)
    for seed in range(DRAWS):
        for case in cases(seed):
            row: dict[str, Any] = {"cloud": case.name, "noise": case.noise}
            for name, floor in FLOORS.items():
                start = time.process_time()
                count = floor(case.rows, np.random.default_rng(seed))
                seconds[name] += time.process_time() - start
                row[name] = round(count / min(len(case.rows) - 1, case.rows.shape[1]), 4)
            shares.append(row)
    return {"floors": {name: _summary(shares, name) | {"seconds": round(seconds[name], 2)} for name in FLOORS},
            "shares": shares}  # fmt: skip


def _summary(shares: list[dict[str, Any]], floor: str) -> dict[str, Any]:
    """The least share of a healthy cloud, and by noise the largest of a ruined one and how many lie below the least."""
    least = min(row[floor] for row in shares if row["noise"] is None)
    grades = {}
    for noise in NOISE:
        ruined = [row[floor] for row in shares if row["noise"] == noise]
        grades[f"{noise:g}"] = {"largest": max(ruined), "told": sum(one < least for one in ruined), "of": len(ruined)}
    return {"least_healthy": least, "ruined": grades}


def main() -> None:
    """Run, print the table, and write JSON when asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, help="JSON file to write")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    found = run()
    print(f"| floor | least of healthy | {' | '.join(f'{noise:.0%} noise' for noise in NOISE)} | seconds |")
    for name, one in found["floors"].items():
        told = [f"{grade['told']} of {grade['of']}" for grade in one["ruined"].values()]
        print(f"| {name} | {one['least_healthy']:.2f} | {' | '.join(told)} | {one['seconds']} |")
    if arguments.out:
        lines = ",\n".join(json.dumps(row) for row in found["shares"])
        head = json.dumps({"floors": found["floors"]}, indent=1)[:-2]
        arguments.out.write_text(f'{head},\n "shares": [\n{lines}\n]}}\n', encoding="utf-8")


if __name__ == "__main__":
    main()

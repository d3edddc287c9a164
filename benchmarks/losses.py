"""Forward and backward of the losses against their clear D x D (or all-pairs) form, on one thread.

256 samples, two views, float32; contenders alternate in one process, medians over the rounds. A clear form that
would need minutes is left out: "-".
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import batch_norm, mse_loss, normalize

from benchmarks.alternating import alternating
from fullrank.losses import barlow_twins, infonce, intl, uniformity, vicreg, w2

SAMPLES, WIDTHS = 256, (512, 2048, 8192)


def off_diagonal(matrix: Tensor) -> Tensor:
    """All entries but the diagonal, as the authors' code of VICReg and Barlow Twins takes them."""
    n = len(matrix)
    entries: Tensor = matrix.flatten()[:-1].view(n - 1, n + 1)[:, 1:]
    return entries


def clear_vicreg(z: Tensor) -> Tensor:
    """The authors' code."""
    x = z - z.mean(1, keepdim=True)
    variance = torch.relu(1 - (x.var(1) + 1e-4).sqrt()).mean()
    covariances = [off_diagonal(view.T @ view / (len(view) - 1)).square().sum() / z.shape[2] for view in x]
    total: Tensor = 25 * mse_loss(z[0], z[1]) + 25 * variance + torch.stack(covariances).sum()
    return total


def clear_barlow_twins(z: Tensor) -> Tensor:
    """The authors' code."""
    a, b = (batch_norm(view, None, None, training=True) for view in z)
    c = a.T @ b / len(a)
    return (c.diagonal() - 1).square().sum() + 0.0051 * off_diagonal(c).square().sum()


def clear_w2(z: Tensor) -> Tensor:
    """The paper's formula through the eigenvalues of the D x D covariance."""
    rows = normalize(z, dim=2).flatten(0, 1)
    x = rows - rows.mean(0)
    roots = torch.linalg.eigvalsh(x.T @ x / len(x)).clamp_min(1e-10).sqrt()
    squared: Tensor = 2 - 2 * roots.sum() / math.sqrt(z.shape[2])
    return squared.sqrt()


def clear_intl(z: Tensor) -> Tensor:
    """The published iteration on the D x D covariance."""
    whitened = []
    for view in z:
        x = view - view.mean(0)
        covariance = x.T @ x / (len(x) - 1)
        trace = covariance.trace()
        p = torch.eye(len(covariance))
        for _ in range(4):
            p = 1.5 * p - 0.5 * p @ p @ p @ covariance / trace
        whitened.append(x @ p / trace.sqrt())
    diagonals = [(1 - (x.T @ x / (len(x) - 1)).diagonal()).square().sum() for x in whitened]
    cosine = (normalize(whitened[0], dim=1) * normalize(whitened[1], dim=1)).sum(1).mean()
    return 2 - 2 * cosine + 0.06 * torch.stack(diagonals).sum()


def clear_uniformity(z: Tensor) -> Tensor:
    """The authors' code, by pdist."""
    return torch.stack([torch.pdist(view).square().mul(-2).exp().mean().log() for view in normalize(z, dim=2)]).mean()


def clear_infonce(z: Tensor) -> Tensor:
    """Two cross-entropies."""
    a, b = normalize(z, dim=2)
    target = torch.arange(len(a))
    both = [torch.nn.functional.cross_entropy(x @ y.T / 0.1, target) for x, y in ((a, b), (b, a))]
    return torch.stack(both).mean()


Objective = Callable[[Tensor], Tensor]
CONTENDERS: dict[str, tuple[Objective, Objective, int]] = {  # ours, the clear form, the widest D of the clear form
    "w2": (lambda z: w2(z)["loss"], clear_w2, 2048),
    "intl, batch axis": (lambda z: intl(z, axis="batch", beta=0.06)["loss"], clear_intl, 512),
    "vicreg": (lambda z: vicreg(z)["loss"], clear_vicreg, 8192),
    "barlow_twins": (lambda z: barlow_twins(z)["loss"], clear_barlow_twins, 8192),
    "uniformity": (lambda z: uniformity(z)["loss"], clear_uniformity, 8192),
    "infonce": (lambda z: infonce(z)["loss"], clear_infonce, 8192),
}


def run(objective: Objective, z: Tensor) -> float:
    """Seconds of one forward and backward."""
    leaf = z.clone().requires_grad_()
    start = time.perf_counter()
    objective(leaf).backward()
    return time.perf_counter() - start


def compare(name: str, width: int, rounds: int) -> dict[str, float | None]:
    """Median seconds of ours and of the clear form at this width, after one round to warm up."""
    ours, clear, widest = CONTENDERS[name]
    z = torch.randn(2, SAMPLES, width, generator=torch.Generator().manual_seed(0))
    runs = {"ours": partial(run, ours, z)} | ({"clear": partial(run, clear, z)} if width <= widest else {})
    medians = {contender: statistics.median(times) for contender, times in alternating(runs, rounds).items()}
    ratio = medians["clear"] / medians["ours"] if "clear" in medians else None
    return {"ours_s": medians["ours"], "clear_s": medians.get("clear"), "ratio": ratio}


def main() -> None:
    """Run, print a table, and write JSON when asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, help="JSON file to write")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    results: dict[str, dict[str, dict[str, float | None]]] = {}
    for name in CONTENDERS:
        results[name] = {}
        for width in WIDTHS:
            row = results[name][str(width)] = compare(name, width, arguments.rounds)
            ratio = "-" if row["ratio"] is None else f"{row['ratio']:.1f}x"
            print(f"{name:17s} D = {width:5d}  ours {row['ours_s']:8.4f} s  faster by {ratio}", flush=True)
    if arguments.out:
        arguments.out.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()

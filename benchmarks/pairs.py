"""Forward and backward of the losses over all pairs, against the whole matrix and lightly's, on one thread.

Two views of 128 features, float32; contenders alternate in one process, best CPU-seconds of the rounds. lightly is
measured where it is installed (`pip install --no-deps lightly`).
"""

from __future__ import annotations

import argparse
import importlib
import json
import math
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize

from benchmarks.alternating import alternating
from fullrank.losses import dcl, infonce, koleo, nt_xent, sigreg, ssl_hsic, uniformity
from fullrank.stats import random_slices

SAMPLES, FEATURES = (64, 256, 1024, 4096, 8192, 16_384), 128
Objective = Callable[[Tensor], Tensor]


def whole_nt_xent(z: Tensor) -> Tensor:
    """Cross-entropy of each row against all others, by the whole matrix."""
    rows, n = normalize(z, dim=2).flatten(0, 1), z.shape[1]
    logits = (rows @ rows.T / 0.5).masked_fill(torch.eye(2 * n, dtype=torch.bool), -math.inf)
    return cross_entropy(logits, torch.cat([torch.arange(n, 2 * n), torch.arange(n)]))


def whole_infonce(z: Tensor) -> Tensor:
    """Two cross-entropies."""
    a, b = normalize(z, dim=2)
    logits, target = a @ b.T / 0.1, torch.arange(z.shape[1])
    return (cross_entropy(logits, target) + cross_entropy(logits.T, target)) / 2


def whole_dcl(z: Tensor) -> Tensor:
    """NT-Xent without the positive in the sum, by the whole matrix."""
    rows, n = normalize(z, dim=2).flatten(0, 1), z.shape[1]
    logits, same = rows @ rows.T / 0.1, torch.eye(n, dtype=torch.bool).repeat(2, 2)
    return (logits.masked_fill(same, -math.inf).logsumexp(1) - logits.diagonal(n).repeat(2)).mean()


def whole_uniformity(z: Tensor) -> Tensor:
    """The authors' code, by pdist."""
    return torch.stack([torch.pdist(view).square().mul(-2).exp().mean().log() for view in normalize(z, dim=2)]).mean()


def whole_sigreg(z: Tensor) -> Tensor:
    """Cosines and sines of every slice at each of 17 knots."""
    slices = random_slices(FEATURES, 1024, 0, like=z)
    t = torch.linspace(0, 3, 17, dtype=z.dtype)
    phi = torch.exp(-t.square() / 2)
    weight = 2 * phi * 3 / 16
    weight[[0, -1]] /= 2
    angles = (z @ slices)[..., None] * t
    error = (angles.cos().mean(1) - phi).square() + angles.sin().mean(1).square()
    return 0.95 * (z - z.mean(0)).square().mean() + 0.05 * z.shape[1] * (error @ weight).mean()


def whole_ssl_hsic(z: Tensor) -> Tensor:
    """The kernel of all pairs of rows, centered, in float64."""
    rows = normalize(z.double(), dim=2).flatten(0, 1)
    squares = rows.square().sum(1)
    k = torch.rsqrt(1 + squares[:, None] + squares - 2 * rows @ rows.T)
    mean, n = k.mean(0), z.shape[1]
    between = k.diagonal(n).mean()
    loss: Tensor = mean.mean() - between + 3 * torch.linalg.matrix_norm(k - mean - mean[:, None] + mean.mean()) / len(k)
    return loss


OURS: Mapping[str, tuple[Objective, Objective | None, str]] = {  # ours, the whole matrix, lightly's
    "nt_xent": (lambda z: nt_xent(z)["loss"], whole_nt_xent, "NTXentLoss"),
    "infonce": (lambda z: infonce(z)["loss"], whole_infonce, ""),
    "dcl": (lambda z: dcl(z)["loss"], whole_dcl, "DCLLoss"),
    "uniformity": (lambda z: uniformity(z)["loss"], whole_uniformity, ""),
    "koleo": (lambda z: koleo(z)["loss"], None, "KoLeoLoss"),
    "sigreg": (lambda z: sigreg(z)["loss"], whole_sigreg, ""),
    "ssl_hsic": (lambda z: ssl_hsic(z)["loss"], whole_ssl_hsic, ""),
}
# samples at which the whole matrix and lightly's losses still fit into some GB
_MOST = {"sigreg": 1024, "ssl_hsic": 1024, "nt_xent": 8192, "dcl": 8192}
_LARGE = 4096  # samples from which on memory is measured, and one round is enough


def lightly(name: str) -> Objective | None:
    """Their loss of two views, None where it is not installed."""
    try:
        loss = getattr(importlib.import_module("lightly.loss"), name)()
    except (ImportError, AttributeError):
        return None
    return (lambda z: sum(loss(view) for view in z) / len(z)) if name == "KoLeoLoss" else lambda z: loss(*z)


def run(objective: Objective, z: Tensor) -> float:
    """CPU-seconds of one forward and backward."""
    leaf = z.clone().requires_grad_()
    start = time.process_time()
    objective(leaf).backward()
    return time.process_time() - start


def compare(name: str, samples: int, rounds: int) -> dict[str, float]:
    """Best CPU-seconds of each contender, after one round to warm up."""
    ours, whole, theirs = OURS[name]
    z = torch.randn(2, samples, FEATURES, generator=torch.Generator().manual_seed(0))
    found = {"ours": ours}
    if whole is not None and samples <= _MOST.get(name, samples):
        found["whole"] = whole
    if theirs and samples <= _MOST.get(name, samples) and (peer := lightly(theirs)) is not None:
        found["lightly"] = peer
    runs = {contender: partial(run, objective, z) for contender, objective in found.items()}
    return {contender: min(times) for contender, times in alternating(runs, rounds).items()}


def precision(name: str, samples: int = 256) -> float:
    """Relative error of ours's gradient in float32, against the whole form's in float64."""
    ours, whole, _ = OURS[name]
    z, found = torch.randn(2, samples, FEATURES, generator=torch.Generator().manual_seed(0)), []
    for objective, leaf in ((ours, z.clone().requires_grad_()), (whole or ours, z.double().requires_grad_())):
        objective(leaf).backward()
        assert leaf.grad is not None
        found.append(leaf.grad.double())
    return float((found[0] - found[1]).norm() / found[1].norm())


def alone(name: str, samples: int) -> dict[str, float]:
    """CPU-seconds, and the bytes that are added to the peak, of ours in a process of its own; Linux only."""
    code = (
        "import sys, torch; from benchmarks.pairs import FEATURES, OURS, run; torch.set_num_threads(1)\n"
        "taken = lambda: int(next(l for l in open('/proc/self/status') if l.startswith('VmHWM')).split()[1])\n"
        "one = OURS[sys.argv[1]][0]; run(one, torch.randn(2, 8, 8)); z = torch.randn(2, int(sys.argv[2]), FEATURES)\n"
        "before = taken(); print(run(one, z), 1024 * (taken() - before))"
    )
    command = [sys.executable, "-c", code, name, str(samples)]
    seconds, peak = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return {"cpu_seconds": float(seconds), "peak_bytes": int(peak)}


def main() -> None:
    """Run, print a table, and write JSON when asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="*", choices=OURS, default=list(OURS), help="losses to measure")
    parser.add_argument("--samples", nargs="*", type=int, default=SAMPLES, help="numbers of samples to measure")
    parser.add_argument("--out", type=Path, help="JSON file to write, or to add to")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    versions = {"torch": version("torch")}
    try:
        versions["lightly"] = version("lightly")
    except PackageNotFoundError:
        print("lightly is not installed, and left out.")
    found = json.loads(arguments.out.read_text()) if arguments.out and arguments.out.exists() else {}
    found |= {"versions": versions}
    for name in arguments.only:
        found.setdefault("the gradient's error", {})[name] = error = precision(name)
        print(f"{name:11s} error of the gradient in float32 {error:.1e}", flush=True)
        for samples in arguments.samples:
            if samples >= _LARGE:
                one = found.setdefault("ours alone", {}).setdefault(name, {})[str(samples)] = alone(name, samples)
                print(f"{name:11s} N = {samples:5d}  ours {one}", flush=True)
            if samples > _LARGE and samples > _MOST.get(name, samples):
                continue
            row = compare(name, samples, arguments.rounds if samples <= _LARGE else 1)
            found.setdefault("cpu_seconds", {}).setdefault(name, {})[str(samples)] = row
            others = ", ".join(f"{what} {row[what] / row['ours']:.2f}x" for what in row if what != "ours")
            print(f"{name:11s} N = {samples:5d}  ours {1000 * row['ours']:8.1f} ms  {others}", flush=True)
        if arguments.out:
            arguments.out.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()

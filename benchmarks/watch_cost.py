"""Processor seconds of one reading of `fullrank.watch`, beside its floor: the smaller Gram matrix and its eigenvalues.

One thread: OMP_NUM_THREADS=1 python benchmarks/watch_cost.py --out FILE
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from fullrank.stats import smaller_gram
from fullrank.watch.numbers import numbers

SIZES = ((256, 128), (256, 2048), (1024, 512), (1024, 2048), (1024, 4096))


def floor(z: Tensor) -> None:
    """What no reading that knows the spectrum can do without."""
    torch.linalg.eigvalsh(smaller_gram(z.double()))


def seconds(work: Callable[[], object], rounds: int) -> float:
    """Median processor seconds, after a warm-up."""
    work()
    found = []
    for _ in range(rounds):
        began = time.process_time()
        work()
        found.append(time.process_time() - began)
    return statistics.median(found)


def main() -> None:
    """Measure, print a line a size, and write JSON when asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, help="JSON file to write")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    results = {}
    for n, dims in SIZES:
        z = torch.randn(n, dims, generator=torch.Generator().manual_seed(0))
        own, least = (seconds(work, arguments.rounds) for work in (lambda z=z: numbers((z,)), lambda z=z: floor(z)))
        results[f"{n} x {dims}"] = {"seconds": own, "floor": least, "ratio": own / least}
        print(f"{n} x {dims}: {own:.4f} s, floor {least:.4f} s, ratio {own / least:.1f}")
    if arguments.out is not None:
        arguments.out.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

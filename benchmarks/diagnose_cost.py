"""What a diagnosis with its figures costs, in processor seconds, as a multiple of its floor in the same process.

The floor of N x D float32 rows is what any answer about their spectrum needs: for fewer rows than dimensions one
singular value decomposition of the file, else the float64 product z^T z and its eigenvalues. Floor and diagnosis
alternate in one fresh process for each size, so that both see the same machine; the medians are kept. Time is processor
time, so that other work on the machine counts little; imports are done before. Memory is what the process takes at most
beyond what it has before, rows included (Linux). Another version's checkout may run beside this one, in processes of
its own, one after each of these, on rows from one file, which is mapped into memory. One thread:
OMP_NUM_THREADS=1 python benchmarks/diagnose_cost.py --out docs/results/benchmarks/diagnose_cost.json
OMP_NUM_THREADS=1 python benchmarks/diagnose_cost.py --against CHECKOUT --size 1000000 768 --out FILE
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from torch import Tensor

SIZES = ((500, 2048), (500, 8192), (500, 20_000), (10_000, 2048), (10_000, 8192), (100_000, 768))
_LONG = 20.0  # seconds after which one round is enough


def seconds(function: Callable[[], object]) -> float:
    """Processor seconds that a call takes."""
    begin = time.process_time()
    function()
    return time.process_time() - begin


def rows_of(n: int, dims: int) -> Tensor:
    """Gaussian rows with variances j^-1 about a mean of 0.1, as they are measured in streaming.py."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn(n, dims, generator=generator) * torch.arange(1, dims + 1) ** -0.5 + 0.1


def product(z: Tensor) -> Tensor:
    """z^T z in float64, by chunks, as no one would hold all rows in float64."""
    total = torch.zeros(z.shape[1], z.shape[1], dtype=torch.float64)
    for chunk in z.split(20_000):
        wide = chunk.double()
        total += wide.T @ wide
    return total


def measure(n: int, dims: int, rounds: int) -> dict[str, float]:
    """Medians over the rounds, and the diagnosis as a multiple of the floor."""
    torch.set_num_threads(1)
    from fullrank.diagnosis.diagnose import diagnose

    diagnose(torch.randn(200, 600)).to_json()  # loads what is loaded once
    z = rows_of(n, dims)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    gram: Tensor | None = None
    found: list[dict[str, float]] = []
    while len(found) < rounds and (not found or found[-1]["diagnosis_s"] < _LONG):
        row = {"diagnosis_s": seconds(lambda: diagnose(z).figures)}
        if not found:
            row["memory_mb"] = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
        if n <= dims:
            row["svd_s"] = seconds(lambda: torch.linalg.svdvals(z))
            row["floor_s"] = row["svd_s"]
        else:
            gram = product(z) if gram is None else gram
            row["product_s"] = seconds(lambda: product(z))
            row["eigenvalues_s"] = seconds(partial(torch.linalg.eigvalsh, gram))
            row["floor_s"] = row["product_s"] + row["eigenvalues_s"]
        found.append(row)
    names = {name: [row[name] for row in found if name in row] for name in found[0]}
    median = {name: statistics.median(values) for name, values in names.items()}
    return {"rows": n, "dims": dims, "rounds": len(found), **median, "ratio": median["diagnosis_s"] / median["floor_s"]}


def seconds_of(path: str) -> float:
    """Processor seconds of one diagnosis of the rows of a file, of whatever version is imported."""
    torch.set_num_threads(1)
    from fullrank.diagnosis.diagnose import diagnose

    diagnose(torch.randn(200, 600)).to_json()
    z = torch.from_numpy(np.load(path, mmap_mode="c"))
    return seconds(lambda: diagnose(z).figures)


def write_rows(path: Path, n: int, dims: int) -> None:
    """Rows like those of `rows_of`, made 50,000 at a time."""
    file = np.lib.format.open_memmap(path, "w+", np.float32, (n, dims))
    generator = torch.Generator().manual_seed(0)
    for start in range(0, n, 50_000):
        rows = torch.randn(min(50_000, n - start), dims, generator=generator)
        file[start : start + len(rows)] = rows * torch.arange(1, dims + 1) ** -0.5 + 0.1
    file.flush()


def against(checkout: Path, n: int, dims: int, rounds: int) -> dict[str, float]:
    """Medians of this version and of that of another checkout, in fresh processes that alternate."""
    found: dict[str, list[float]] = {"diagnosis_s": [], "other_s": []}
    with TemporaryDirectory(prefix="rows-") as folder:
        file = Path(folder) / "rows.npy"
        write_rows(file, n, dims)
        for _ in range(rounds):
            for name, path in zip(found, (Path(__file__).parents[1], checkout), strict=True):
                code = f"import runpy; print(runpy.run_path({__file__!r})['seconds_of']({str(file)!r}))"
                environment = {**os.environ, "PYTHONPATH": str(path.resolve())}
                done = subprocess.run(
                    [sys.executable, "-c", code], env=environment, check=True, stdout=subprocess.PIPE, cwd=path
                )
                found[name].append(float(done.stdout.split()[-1]))
    median = {name: statistics.median(values) for name, values in found.items()}
    return {"rows": n, "dims": dims, "rounds": rounds, **median, "ratio": median["diagnosis_s"] / median["other_s"]}


def main() -> None:
    """Run, print the numbers, and write JSON when asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, nargs=2, action="append", help="rows and dimensions; may be given again")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--against", type=Path, help="checkout of another version, to be run beside this one")
    parser.add_argument("--out", type=Path, help="JSON file to write")
    arguments = parser.parse_args()
    results = []
    for n, dims in arguments.size or SIZES:
        if arguments.against:
            results.append(against(arguments.against, n, dims, arguments.rounds))
        else:
            with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as fresh:
                results.append(fresh.submit(measure, n, dims, arguments.rounds).result())
        print("  ".join(f"{name} {value:.3g}" for name, value in results[-1].items()), flush=True)
        if arguments.out:
            arguments.out.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

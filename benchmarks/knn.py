"""kNN by cosine, k = 20: `knn_predict` against the search of faiss's flat index alone, and what memory it takes.

One thread for both, processor seconds, medians over the rounds, the contenders alternating in one process. faiss has
rows of length 1 that are already in its index, and votes for no class; FullRank scales, sorts, searches and votes.
The product of both alone is measured by torch and by numpy, whose BLAS are not the same: the file names them.
"""

from __future__ import annotations

import argparse
import importlib
import json
import re
import resource
import statistics
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.alternating import alternating, processor_seconds
from fullrank.evaluation import knn_predict
from fullrank.stats import normalize

SHAPES = ((20_000, 2_000, 512), (20_000, 1_000, 2048), (200_000, 500, 128))  # bank, queries, features
IMAGENET = (1_281_167, 2048)
K = 20


def compare(bank_rows: int, query_rows: int, features: int, rounds: int) -> dict[str, float]:
    """Processor seconds of both, and faiss's in FullRank's."""
    faiss = importlib.import_module("faiss")

    faiss.omp_set_num_threads(1)
    generator = torch.Generator().manual_seed(0)
    bank = torch.randn(bank_rows, features, generator=generator)
    queries = torch.randn(query_rows, features, generator=generator)
    labels = torch.randint(1000, (bank_rows,), generator=generator)
    index = faiss.IndexFlatIP(features)
    index.add(normalize(bank).numpy())
    normalized = normalize(queries)
    unit = normalized.numpy()

    rows = normalize(bank)
    works: dict[str, Callable[[], object]] = {
        "fullrank": lambda: knn_predict(bank, labels, queries, k=K),
        "faiss": lambda: index.search(unit, K),
        "product alone, by torch": lambda: normalized @ rows.T,
        "product alone, by numpy": lambda: unit @ rows.numpy().T,
        "product alone, by torch in bfloat16": lambda: normalized.bfloat16() @ rows.bfloat16().T,
    }
    runs = {name: partial(processor_seconds, work) for name, work in works.items()}
    seconds = {name: statistics.median(times) for name, times in alternating(runs, rounds).items()}
    return seconds | {"faiss / fullrank": seconds["faiss"] / seconds["fullrank"]}


def memory(rows: int, queries: int) -> dict[str, float]:
    """Bytes of the features, and the most that this process has taken, of so many rows as wide as ImageNet's."""
    bank = torch.randn(rows, IMAGENET[1])
    knn_predict(bank, torch.arange(rows) % 1000, bank[:queries].clone(), k=K)
    return {"features": bank.nbytes, "process": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}


def main() -> None:
    """Run, print a table, and write JSON when asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--memory", type=int, help="only measure the memory, of so many rows")
    parser.add_argument("--out", type=Path, help="JSON file to write")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.memory:
        print(json.dumps(memory(arguments.memory, 500)))
        return
    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    results: dict[str, Any] = {
        "BLAS": {
            "torch": re.findall(r"BLAS_INFO=(\w+)", torch.__config__.show())[0],
            "numpy": f"{blas['name']} {blas['version']}",
        }
    }
    for shape in SHAPES:
        row = results["{} x {}, {} features".format(*shape)] = compare(*shape, arguments.rounds)
        print(shape, ", ".join(f"{name} {value:.2f}" for name, value in row.items()), flush=True)
    for rows in (50_000, 200_000):  # in processes of their own
        line = [sys.executable, "-m", "benchmarks.knn", "--memory", str(rows)]
        said = subprocess.run(line, capture_output=True, text=True, check=True).stdout
        row = results[f"memory of {rows} x {IMAGENET[1]}"] = json.loads(said)
        print(rows, ", ".join(f"{name} {value / 2**30:.2f} GiB" for name, value in row.items()), flush=True)
    if arguments.out:
        arguments.out.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()

"""A sketch of a float32 .npy file larger than a chunk, against the bare float64 product its covariance needs.

Both read the same memory-mapped chunks; passes alternate in one process. "product" is the time of z^T z alone, of
chunks already in float64; "pass" adds reading and converting them. Time is processor time of this process, so that
other work on the machine does not count; wall time is given beside it. One thread:
OMP_NUM_THREADS=1 python benchmarks/streaming.py --rows 1000000 --folder TEMPORARY --out FILE
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import re
import statistics
import tempfile
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import torch
from numpy.lib.format import open_memmap

from fullrank.embeddings import EmbeddingFile, open_embeddings
from fullrank.stats.sketch import sketch

DIMS = 768


def write(path: Path, rows: int) -> None:
    """Gaussian rows with variances j^-1 about a mean of 1, a hundred thousand at a time."""
    file = open_memmap(path, "w+", np.float32, (rows, DIMS))
    scale = np.arange(1, DIMS + 1, dtype=np.float32) ** -0.5
    for start in range(0, rows, 100_000):
        some = min(100_000, rows - start)
        drawn = np.random.default_rng(start).standard_normal((some, DIMS), dtype=np.float32)
        file[start : start + some] = drawn * scale + 1
    file.flush()


def bare(file: EmbeddingFile) -> dict[str, float]:
    """Seconds of a pass that does nothing but the product, and of the product alone."""
    product, total = 0.0, torch.zeros(DIMS, DIMS, dtype=torch.float64)
    start, wall = time.process_time(), time.perf_counter()
    for chunk in file.read(0, None):
        z = chunk.double()
        begin = time.process_time()
        total += z.T @ z
        product += time.process_time() - begin
    return {"product": product, "pass": time.process_time() - start, "wall": time.perf_counter() - wall}


def ours(file: EmbeddingFile) -> dict[str, float]:
    """Seconds of a sketch: moments of raw and unit rows in 20 groups, a sample, row hashes, the check for NaN."""
    start, wall = time.process_time(), time.perf_counter()
    sketch(file.read(0, None))
    return {"pass": time.process_time() - start, "wall": time.perf_counter() - wall}


def peak(path: Path) -> float:
    """Megabytes that a sketch allocates at most in a fresh process, mapped pages of the file not counted (Linux)."""
    torch.set_num_threads(1)
    file = open_embeddings(str(path))
    highest, done, before = 0.0, threading.Event(), resident()

    def watch() -> None:
        nonlocal highest
        while not done.wait(0.005):
            highest = max(highest, resident() - before)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        sketch(file.read(0, None))
    finally:
        done.set()
        watcher.join()
    return highest


def resident() -> float:
    """Megabytes of this process's own memory."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(re.findall(r"RssAnon:\s+(\d+) kB", status)[0]) / 1024


def measure(path: Path, rows: int, rounds: int) -> dict[str, float]:
    """Medians over the rounds, and ratios of speed (1 would be as fast as the bare product)."""
    write(path, rows)
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as fresh:
        memory = fresh.submit(peak, path).result()
    file = open_embeddings(str(path))
    times = [(bare(file), ours(file)) for _ in range(rounds)]
    row = {f"bare_{key}_s": statistics.median(one[key] for one, _ in times) for key in ("product", "pass", "wall")}
    row |= {f"sketch_{key}_s": statistics.median(two[key] for _, two in times) for key in ("pass", "wall")}
    return {
        "rows": rows,
        "dims": DIMS,
        "file_mb": path.stat().st_size / 2**20,
        "rounds": rounds,
        **row,
        "speed_of_product": row["bare_product_s"] / row["sketch_pass_s"],
        "speed_of_pass": row["bare_pass_s"] / row["sketch_pass_s"],
        "rows_per_s": rows / row["sketch_pass_s"],
        "peak_memory_mb": memory,
    }


def main() -> None:
    """Run, print the numbers, and write JSON when asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where the file is written for the time of the run")
    parser.add_argument("--out", type=Path, help="JSON file to write")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    results = []
    for rows in arguments.rows:
        with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
            results.append(measure(Path(folder) / "embeddings.npy", rows, arguments.rounds))
        print("  ".join(f"{name} {value:.3g}" for name, value in results[-1].items()), flush=True)
    if arguments.out:
        arguments.out.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()

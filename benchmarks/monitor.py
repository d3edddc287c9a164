"""What watching costs: processor seconds of a reading of 2,000 images by `tiny`, and its share of a training's time.

One thread. A reading is measured alone, and so are its numbers about backbone and embedding, without the networks. The
share is that which a short training books, with readings every 100 steps and as the default has them; its first and
last reading are always made.
"""

from __future__ import annotations

import argparse
import cProfile
import io
import json
import pstats
import statistics
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from benchmarks.alternating import alternating, processor_seconds
from fullrank import recipes
from fullrank.engine import RunOptions
from fullrank.metrics import summarize
from fullrank.recipes import Recipe
from fullrank.runs import read_json
from fullrank.training.fit import prepare, start
from fullrank.training.probe import read, take_probe

BATCHES = (8, 256)


def simclr(batch: int, steps: int) -> Recipe:
    """SimCLR with `tiny` on Fashion-MNIST."""
    recipe: Recipe = recipes.load("simclr")(data="fashion-mnist", steps=steps, batch_size=batch)
    return recipe


def reading(rounds: int) -> dict[str, float]:
    """Processor seconds of a reading and of its numbers."""
    job = prepare(simclr(256, 10), RunOptions(), Console(file=io.StringIO()))
    probe = take_probe(job.dataset.train, size=job.image_size, count=2000, seed=0)
    found = read(job.method, probe, job.views)

    runs = {
        "reading": partial(processor_seconds, lambda: read(job.method, probe, job.views)),
        "numbers": partial(processor_seconds, lambda: [summarize(z) for z in (found.representation, found.embedding)]),
    }
    return {name: statistics.median(seconds) for name, seconds in alternating(runs, rounds).items()}


PARTS = {  # names of functions that a reading calls, of which none calls another
    "_embed": "networks",
    "_knn": "accuracy of neighbors",
    "uniformity": "uniformity",
    "unit_spectrum": "spectrum of the unit rows",
    "scatter": "products of the centered rows",
    "_spectra": "spectra of the centered rows",
    "_mutual_information": "mutual information",
}


def parts(rounds: int) -> dict[str, float]:
    """Processor seconds of the parts of a reading, under a profiler, which itself takes a little."""
    job = prepare(simclr(256, 10), RunOptions(), Console(file=io.StringIO()))
    probe = take_probe(job.dataset.train, size=job.image_size, count=2000, seed=0)
    read(job.method, probe, job.views)
    profile = cProfile.Profile(time.process_time)
    for _ in range(rounds):
        profile.runcall(read, job.method, probe, job.views)
    found: dict[str, float] = {}
    for (file, _, function), row in pstats.Stats(profile).stats.items():  # type: ignore[attr-defined]
        if "fullrank" in file and function in PARTS:
            found[PARTS[function]] = max(found.get(PARTS[function], 0.0), row[3] / rounds)
        elif function == "read" and file.endswith("probe.py"):
            found["all"] = row[3] / rounds
    return found


def share(batch: int, steps: int, every: int | None) -> float:
    """The share of a training's time that its readings take."""
    with tempfile.TemporaryDirectory() as folder:
        options = RunOptions(out=Path(folder) / "run", devices=1, monitor_every=every)
        run, _ = start("simclr", simclr(batch, steps), options, Console(file=io.StringIO()))
        seconds = read_json(run / "result.json")["seconds"]
    return float(seconds["monitor"] / (seconds["monitor"] + seconds["train"]))


def main() -> None:
    """Run, print, and write JSON when asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--images", type=int, default=60_000, help="that each training sees")
    parser.add_argument("--only-reading", action="store_true", help="measure no training, and keep what the file has")
    parser.add_argument("--out", type=Path, help="JSON file to write")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    results: dict[str, Any] = {"share": {}}
    if arguments.out and arguments.out.exists():
        results = read_json(arguments.out)
    results |= {"seconds": reading(arguments.rounds), "parts": parts(arguments.rounds)}
    for name, seconds in results["parts"].items():
        print(f"{name}: {1000 * seconds:.0f} ms under a profiler", flush=True)
    for name, seconds in results["seconds"].items():
        print(f"{name}: {1000 * seconds:.0f} ms", flush=True)
    for batch in () if arguments.only_reading else BATCHES:
        steps = min(arguments.images // batch, 4000)
        row = {name: share(batch, steps, every) for name, every in (("every 100 steps", 100), ("default", None))}
        results["share"][f"batch {batch}, {steps} steps"] = row
        print(f"batch {batch}: " + ", ".join(f"{name} {value:.1%}" for name, value in row.items()), flush=True)
    if arguments.out:
        arguments.out.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()

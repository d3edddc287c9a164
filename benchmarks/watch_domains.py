"""What readings look like in healthy and in broken trainings of six domains: traces for the rules of `fullrank.watch`.

Each run is 700 steps; a fault starts with it or at step 320. Every 20 steps the numbers of a reading are taken of
the batch, in the mode of training, and the quality (kNN accuracy or recall); `--every` takes the numbers more often.
Half of the runs ("rule") may be looked at to set a rule, the others ("held out") not. It goes on where it was stopped;
about 6 minutes of one core:
OMP_NUM_THREADS=1 python benchmarks/watch_domains.py --out FILE; benchmarks/watch_rule.py judges them.
"""

from __future__ import annotations

import argparse
import gzip
import json
import time
from collections.abc import Callable
from dataclasses import asdict, astuple, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from watch_trainings import Model, autoencoder, graph, metric, recommender, texts, two_branches  # type: ignore[import-not-found]

from fullrank.watch.numbers import numbers

STEPS, EVERY, HALF = 700, 20, 320
DOMAINS: dict[str, tuple[str, Callable[[], Model], float]] = {  # name -> domain, training, learning rate
    "simsiam": ("two branches", lambda: two_branches("simsiam"), 2e-3),
    "barlow": ("two branches", lambda: two_branches("barlow"), 2e-3),
    "simclr": ("two branches", lambda: two_branches("simclr"), 2e-3),
    "byol": ("two branches", lambda: two_branches("byol"), 2e-3),
    "vicreg": ("two branches", lambda: two_branches("vicreg"), 2e-3),
    "simclr-128": ("two branches", lambda: two_branches("simclr", 128), 1e-3),
    "texts": ("text pairs", texts, 1e-3),
    "texts-50": ("text pairs", lambda: texts(50, 400, 96), 2e-3),
    "triplet": ("metric learning", lambda: metric("triplet"), 1e-3),
    "softmax": ("metric learning", lambda: metric("softmax"), 1e-3),
    "arcface": ("metric learning", lambda: metric("arcface"), 1e-3),
    "supcon": ("metric learning", lambda: metric("supcon"), 1e-3),
    "bpr": ("recommender", lambda: recommender("bpr"), 1e-2),
    "pointwise": ("recommender", lambda: recommender("pointwise"), 1e-2),
    "grace": ("graph", lambda: graph("grace"), 2e-3),
    "dgi": ("graph", lambda: graph("dgi"), 2e-3),
    "vae": ("VAE", autoencoder, 1e-3),
    "vae-8": ("VAE", lambda: autoencoder(8, 64), 2e-3),
}


@dataclass(frozen=True)
class Run:
    """One training: which, its fault and from which step on, and whether a rule may have seen it."""

    training: str
    fault: str | None
    start: int
    seed: int
    half: str


def _runs() -> list[Run]:
    """A healthy run of each training, of many one more that is annealed at half, and each fault once."""
    told = {
        "rule": {
            "simsiam": "- annealed predictor@0 lr decay",
            "barlow": "- annealed variance@0 variance lr",
            "simclr": "- annealed pairs lr decay negatives",
            "texts": "- annealed pairs lr negatives",
            "triplet": "- lr",
            "softmax": "- annealed pairs",
            "bpr": "- l2@0 l2",
            "grace": "- smoothing",
            "vae": "- kl@0 kl",
        },
        "held out": {
            "byol": "- annealed predictor@0 decay",
            "vicreg": "- lr",
            "simclr-128": "- negatives@0",
            "texts-50": "- pairs",
            "arcface": "- annealed pairs",
            "supcon": "- lr",
            "pointwise": "- annealed l2@0 l2",
            "dgi": "- smoothing",
            "vae-8": "- kl@0 kl",
        },
    }
    runs = []
    for half, of_half in told.items():
        for name, words in of_half.items():
            for seed, word in enumerate(words.split(), start=0 if half == "rule" else 10):
                fault, _, start = word.partition("@")
                healthy = fault == "-"
                runs.append(Run(name, None if healthy else fault, 0 if healthy else int(start or HALF), seed, half))
    return runs


RUNS = _runs()


def fresh(rounds: int) -> list[Run]:
    """All of them, so many times, each with a seed of its own that starts from 1,000."""
    return [replace(run, seed=1000 * count + run.seed, half="fresh") for count in range(1, rounds + 1) for run in RUNS]


def rounded(row: dict[str, float]) -> dict[str, float]:
    """To four digits."""
    return {name: float(f"{value:.4g}") for name, value in row.items()}


def trace(run: Run, every: int) -> dict[str, Any]:
    """Train, take the numbers of every layer every so many steps, and the quality every 20."""
    torch.manual_seed(run.seed)
    _, build, rate = DOMAINS[run.training]
    model = build()
    optimizer = torch.optim.Adam(model.parts.parameters(), lr=rate)
    quality: list[float] = []
    layers: dict[str, list[dict[str, float]]] = {}
    began = time.process_time()
    for step in range(STEPS):
        fault = run.fault if step >= run.start else None
        for group in optimizer.param_groups:
            group["lr"] = rate * {"lr": 200.0, "annealed": 0.1}.get(fault or "", 1.0)
            group["weight_decay"] = 0.3 if fault == "decay" else 0.0
        loss, embeddings = model.step(step, fault)
        if step % every == 0:
            for name, views in embeddings.items():
                layers.setdefault(name, []).append(rounded(numbers(views)))
        if step % EVERY == 0:
            quality.append(round(model.quality(), 4))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        model.after()
    seconds = round(time.process_time() - began, 1)
    domain = DOMAINS[run.training][0]
    return {**asdict(run), "domain": domain, "seconds": seconds, "every": every, "quality": quality, "layers": layers}


def columns(rows: list[dict[str, float]]) -> dict[str, list[float | None]]:
    """Rows by name, which is shorter; null where a reading was not finite."""
    return {name: [row.get(name) for row in rows] for name in dict.fromkeys(name for row in rows for name in row)}


def main() -> None:
    """Train, print a line each, and write the traces."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, help="gzipped JSON file to write")
    parser.add_argument("--only", default="", help="only trainings whose name holds this")
    parser.add_argument("--healthy", action="store_true", help="only trainings that nothing breaks")
    parser.add_argument("--broken", action="store_true", help="only trainings that something breaks")
    parser.add_argument("--every", type=int, default=EVERY, help="steps between readings")
    parser.add_argument("--fresh", type=int, default=0, help="rounds of all trainings with seeds that no rule has seen")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    found: list[dict[str, Any]] = []
    if arguments.out is not None and arguments.out.exists():
        with gzip.open(arguments.out, "rt", encoding="utf-8") as file:
            found = json.load(file)
    known = [tuple(one[name] for name in asdict(RUNS[0])) for one in found]
    for run in fresh(arguments.fresh) if arguments.fresh else RUNS:
        broken = run.fault not in (None, "annealed")
        left = (arguments.healthy and broken) or (arguments.broken and not broken)
        if arguments.only not in run.training or left or astuple(run) in known:
            continue
        one = trace(run, arguments.every)
        one["layers"] = {name: columns(rows) for name, rows in one["layers"].items()}
        found.append(one)
        q = one["quality"]
        shown = f"start {q[0]:.3f} half {q[HALF // EVERY]:.3f} end {q[-1]:.3f}"
        print(f"{run.half:9} {run.training:11} {run.fault or '-':10} {one['seconds']:5.1f} s  {shown}", flush=True)
        if arguments.out is not None:
            with gzip.open(arguments.out, "wt", encoding="utf-8") as file:
                json.dump(found, file, separators=(",", ":"))


if __name__ == "__main__":
    main()

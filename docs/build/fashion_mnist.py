"""Writes docs/results/fashion-mnist/README.md from the result files beside it: `python -m docs.build.fashion_mnist`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from fullrank.runs.former import by_todays_names

RESULTS = Path(__file__).parents[1] / "results" / "fashion-mnist"
FLAGS = {"intl-teacher": "intl --teacher 0.996"}  # results of other settings than the defaults

HEADER = """# Measured on Fashion-MNIST

Every recipe with its defaults: `fullrank train NAME --epochs 4`, then `fullrank evaluate RUN`; INTL also with its
teacher. The `tiny` encoder of 0.09 million parameters, 60,000 training images without labels, one core of a shared
two-core machine (`OMP_NUM_THREADS=1`); minutes are of that, and vary with what else it does. kNN with k = 20 and a
linear probe on the frozen encoder, on the 10,000 test images, whose standard error is 0.003. One seed, and another one
moves an accuracy by more than that ([three seeds of every recipe](../bench/README.md#in-gray-fashion-mnist), with
intervals): most of these recipes cannot be told apart after 4 epochs, and no ranking is meant. Spread, rank and W2 (0
is uniform) are the embedding's.
`make docs` writes this page (`docs/build/fashion_mnist.py`), and a test holds it to the files.

| command | minutes | kNN | linear | relative spread | effective rank | W2 |
|---|---|---|---|---|---|---|
"""


def page() -> str:
    """The whole of docs/results/fashion-mnist/README.md."""
    baselines = _read(RESULTS / "simclr-4.json")["baselines"]
    named = (("raw pixels", baselines["pixels"]), ("`tiny`, untrained", baselines["untrained"]))
    lines = [f"| {name} | – | {score['knn']:.3f} | {score['linear']:.3f} | | | |" for name, score in named]
    for path in sorted(RESULTS.glob("*-*.json")):
        recipe, _, epochs = path.stem.rpartition("-")
        cells = " | ".join(numbers(_read(path)))
        lines.append(f"| [`fullrank train {FLAGS.get(recipe, recipe)} --epochs {epochs}`]({path.name}) | {cells} |")
    return HEADER + "\n".join(lines) + "\n"


def numbers(result: dict[str, Any]) -> list[str]:
    """Minutes, kNN, linear, relative spread, effective rank and W2, as the tables show them."""
    embedding = by_todays_names(result["collapse"]["embedding"])
    return [
        f"{result['seconds']['train'] / 60:.1f}",
        f"{result['knn']:.3f}",
        f"{result['linear']['test']:.3f}",
        f"{embedding['relative_spread']:.2f}",
        f"{embedding['effective_rank']:.0f} of {embedding['dims']}",
        f"{embedding['w2_uniformity']:.2f}",
    ]


def _read(path: Path) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return result


if __name__ == "__main__":
    sys.stdout.write(page())

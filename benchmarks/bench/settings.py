"""Recipes with other settings than their defaults: do label-free numbers say which setting is better?

python -m benchmarks.bench.settings --images FOLDER --bench docs/results/bench/sprites-32 \\
    --out docs/results/bench/sprites-32-settings --seeds 1

Each training differs from the recipe's default in one setting, and takes the steps that the default takes in the bench,
whose cells of the same seed are the defaults. The grid was written before anything of it was run.
"""

from __future__ import annotations

import argparse
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from fullrank.runs import read_json, write_json

from .__main__ import steps_of
from .images import Images, read
from .training import trained

_RATES: tuple[tuple[str, float], ...] = (("lr", 3e-4), ("lr", 2e-2))  # the default is 5e-3
GRID: dict[str, tuple[tuple[str, float], ...]] = {
    "simclr": (*_RATES, ("temperature", 0.05), ("temperature", 1.0)),
    "vicreg": (*_RATES, ("covariance", 0.04), ("covariance", 25.0)),
    "barlow_twins": (*_RATES, ("off_diagonal", 0.0003), ("off_diagonal", 0.08)),
    "byol": (*_RATES, ("teacher", 0.9), ("teacher", 0.999)),
    "corinfomax": (*_RATES, ("invariance", 50.0), ("invariance", 5000.0)),
    "intl": (*_RATES, ("iterations", 1), ("iterations", 8)),
}


def main(arguments: list[str] | None = None) -> None:
    """Run the cells that are not there yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=Path, required=True, help="folder with train/CLASS and test/CLASS")
    parser.add_argument("--bench", type=Path, required=True, help="folder of the bench of the defaults")
    parser.add_argument("--out", type=Path, required=True, help="folder of the results")
    parser.add_argument("--seeds", type=int, default=1, help="how many seeds, from 0")
    asked = parser.parse_args(arguments)
    torch.set_num_threads(1)
    about = read_json(asked.bench / "bench.json")
    images = read(asked.images, about["size"])
    for seed in range(asked.seeds):
        for recipe, settings in GRID.items():
            steps = steps_of(recipe, images, asked.bench, about["seconds"])
            for setting, value in settings:
                _cell(
                    asked.out / f"{recipe}-{setting}-{value:g}-{seed}.json", recipe, seed, steps, images, setting, value
                )


def _cell(path: Path, recipe: str, seed: int, steps: int, images: Images, setting: str, value: float) -> None:
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    found: dict[str, Any] = trained(recipe, images, seed=seed, steps=steps, **{setting: value})
    about = {"name": recipe, "seed": seed, "of": "recipe", "setting": setting, "value": value}
    versions = {package: version(package) for package in ("fullrank", "torch")}
    write_json(path, {**about, **found, "versions": versions})
    print(f"{path.stem}: kNN {found['knn']:.3f}, linear {found['linear']:.3f}", flush=True)


if __name__ == "__main__":
    main()

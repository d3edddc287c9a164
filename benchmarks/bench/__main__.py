"""Every recipe with its defaults at equal processor time, and what it is measured against.

python -m benchmarks.bench --images FOLDER --out docs/results/bench/sprites-32 --seconds 15 --seeds 3

FOLDER has train/CLASS and test/CLASS, as `python -m benchmarks.sets` writes it. Each cell of the table is one file,
OUT/RECIPE-SEED.json; a cell that is there is not run again, so a bench that was stopped goes on. All recipes are run
with one seed before any is with the next. Nothing is chosen by the test images: every recipe has its defaults.
Methods of lightly are run where it is installed (the extra `peers`).
"""

from __future__ import annotations

import argparse
import importlib.util
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from fullrank import recipes
from fullrank.engine.options import require_numbers
from fullrank.runs import read_json, write_json

from .cells import begin, exit_code, keep, require_names, time_of_day
from .images import Images, read
from .marks import ALIKE, MARKS
from .peers import PEERS
from .training import cost, cost_beside_ours, trained


def main(arguments: list[str] | None = None) -> None:
    """Run the cells that are not there yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=Path, required=True, help="folder with train/CLASS and test/CLASS")
    parser.add_argument("--size", type=int, default=32, help="pixels of a side")
    parser.add_argument("--out", type=Path, required=True, help="folder of the results")
    parser.add_argument("--packages", type=Path, help="folder with packages/, for the encoder of ImageNet")
    parser.add_argument("--seconds", type=float, default=15.0, help="processor seconds of the steps of each training")
    parser.add_argument("--seeds", type=int, default=5, help="how many seeds")
    parser.add_argument("--seed-from", type=int, default=0, help="the first seed")
    parser.add_argument("--only", nargs="*", default=[], help="these recipes and marks alone")
    parser.add_argument("--until", type=time_of_day, help="HH:MM of today, after which no cell is begun")
    asked = parser.parse_args(arguments)
    require_numbers(vars(asked), {"size": 1, "seeds": 1, "seed_from": 0}, above=("seconds",))
    peers = PEERS if importlib.util.find_spec("lightly") else ()
    every = [*recipes.names(), *peers, *MARKS]
    require_names(asked.only, every)
    torch.set_num_threads(1)
    images = read(asked.images, asked.size)
    begin(asked.out, _about(asked, images))
    for seed in range(asked.seed_from, asked.seed_from + asked.seeds):
        for name in asked.only or every:
            if asked.until and time.strftime("%H:%M") >= asked.until:
                return
            if name not in ALIKE or not any(asked.out.glob(f"{name}-*.json")):
                _cell(asked.out / f"{name}-{seed}.json", name, seed, images, asked)


def _about(asked: argparse.Namespace, images: Images) -> dict[str, Any]:
    return {
        "size": asked.size,
        "seconds": asked.seconds,
        "train": len(images.train.labels),
        "test": len(images.test.labels),
        "classes": len(images.train.labels.unique()),
        "pixels": int(images.train.images.long().sum() + images.test.images.long().sum()),
    }


def _cell(path: Path, name: str, seed: int, images: Images, asked: argparse.Namespace) -> None:
    if path.exists() or (name == "imagenet" and asked.packages is None):
        return
    begun = time.process_time()
    if name in MARKS:
        found = MARKS[name](images, seed, seconds=asked.seconds, packages=asked.packages)
    else:
        found = _training(name, seed, images, asked)
    of = "mark" if name in MARKS else "peer" if name in PEERS else "recipe"
    spent = round(time.process_time() - begun, 1)
    about = {"name": name, "seed": seed, "of": of, **found, "cpu_seconds_of_the_cell": spent}
    keep(path, about, packages=["lightly"] if name in PEERS else [])


def _training(name: str, seed: int, images: Images, asked: argparse.Namespace) -> dict[str, Any]:
    return trained(name, images, seed=seed, steps=steps_of(name, images, asked.out, asked.seconds))


def steps_of(name: str, images: Images, out: Path, seconds: float) -> int:
    """A recipe takes as many steps with every seed: those that its first step's time allows, measured once.

    A peer takes those of our recipe of the same method over what its step costs beside ours, since the bench may go on
    when the machine is faster.
    """
    if name in PEERS:
        timed = _once(out / "cost" / f"{name}.json", lambda: cost_beside_ours(name, images))
        ours = steps_of(PEERS[name].recipe, images, out, seconds)
        return max(1, round(ours * timed["seconds_of_our_step"] / timed["seconds_of_a_step"]))
    timed = _once(out / "cost" / f"{name}.json", lambda: cost(name, images))
    return max(1, int(seconds / timed["seconds_of_a_step"]))


def _once(path: Path, make: Callable[[], dict[str, float]]) -> dict[str, float]:
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, make())
    found: dict[str, float] = read_json(path)
    return found


if __name__ == "__main__":
    raise SystemExit(exit_code(main))

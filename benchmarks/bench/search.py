"""The same search for every recipe: three learning rates, judged on training figures that were held out.

python -m benchmarks.bench.search --images FOLDER --bench docs/results/bench/sprites-32 \\
    --out docs/results/bench/sprites-32-search --seeds 1

The rates are a third, one and three times the one that FullRank chooses. A training takes the steps that its recipe
takes in the bench. It learns from the first four fifths of each class, in the order of the files, and neighbors and
the linear probe are asked about the last fifth, so that the frames of a figure stay together but for one figure of a
class. Test images are not read. A cell that is there is not run again.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch

from fullrank import recipes
from fullrank.runs import read_json

from .__main__ import steps_of
from .cells import begin, keep
from .images import Images, Labeled, read
from .marks import LR
from .training import trained

RATES = (1 / 3, 1.0, 3.0)


def main(arguments: list[str] | None = None) -> None:
    """Run the cells that are not there yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=Path, required=True, help="folder with train/CLASS and test/CLASS")
    parser.add_argument("--bench", type=Path, required=True, help="folder of the bench of the defaults")
    parser.add_argument("--out", type=Path, required=True, help="folder of the results")
    parser.add_argument("--seeds", type=int, default=1, help="how many seeds, from 0")
    parser.add_argument("--only", nargs="*", default=[], help="these recipes alone")
    parser.add_argument("--until", help="HH:MM of today, after which no cell is begun")
    asked = parser.parse_args(arguments)
    torch.set_num_threads(1)
    about = read_json(asked.bench / "bench.json")
    images = held_out(read(asked.images, about["size"]))
    begin(asked.out, {**about, "train": len(images.train.labels), "held_out": len(images.test.labels)})
    for seed in range(asked.seeds):
        for name in asked.only or recipes.names():
            for times in RATES:
                path = asked.out / f"{name}-{times:.2g}-{seed}.json"
                if path.exists() or (asked.until and time.strftime("%H:%M") >= asked.until):
                    continue
                steps = steps_of(name, images, asked.bench, about["seconds"])
                found = trained(name, images, seed=seed, steps=steps, lr=times * LR)
                keep(path, {"name": name, "seed": seed, "of": "recipe", "times": times, **found})


def held_out(images: Images) -> Images:
    """The training images alone: the first four fifths of each class, and the last fifth to be asked about.

    >>> images = Labeled(torch.arange(10), torch.tensor([0] * 5 + [1] * 5))
    >>> split = held_out(Images(images, images))
    >>> split.train.images.tolist(), split.test.images.tolist()
    ([0, 1, 2, 3, 5, 6, 7, 8], [4, 9])
    """
    labels = images.train.labels
    asked = torch.zeros(len(labels), dtype=torch.bool)
    for label in labels.unique():
        of = (labels == label).nonzero().flatten()
        asked[of[len(of) * 4 // 5 :]] = True
    train, rest = (Labeled(images.train.images[part], labels[part]) for part in (~asked, asked))
    return Images(train, rest)


if __name__ == "__main__":
    main()

"""The same search for every recipe: three learning rates, judged on training figures that were held out.

python -m benchmarks.bench.search --images SETS/sprites-32 --figures SETS/sprites-figures.csv \\
    --bench docs/results/bench/sprites-32 --out docs/results/bench/sprites-32-search --seeds 1

The rates are a third, one and three times the one that FullRank chooses. A training takes the steps that its recipe
takes in the bench. Neighbors and the linear probe are asked about every fourth figure of the training images of a
class, with all of its frames, which are near-duplicates; the others are learned from. Test images are not read. A cell
that is there is not run again.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from benchmarks.sets.sprites import is_fourth
from fullrank import recipes
from fullrank.data import Dataset, load_dataset
from fullrank.data.images import ImageFolder
from fullrank.engine.options import require_numbers
from fullrank.errors import UserError
from fullrank.runs import read_json

from .__main__ import steps_of
from .cells import begin, exit_code, keep, require_names, time_of_day
from .images import Images, Labeled, whole
from .marks import LR
from .training import trained

RATES = (1 / 3, 1.0, 3.0)


def main(arguments: list[str] | None = None) -> None:
    """Run the cells that are not there yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=Path, required=True, help="folder with train/CLASS and test/CLASS")
    parser.add_argument(
        "--figures", type=Path, required=True, help="the figure of each image, as sets of sprites have it"
    )
    parser.add_argument("--bench", type=Path, required=True, help="folder of the bench of the defaults")
    parser.add_argument("--out", type=Path, required=True, help="folder of the results")
    parser.add_argument("--seeds", type=int, default=1, help="how many seeds, from 0")
    parser.add_argument("--only", nargs="*", default=[], help="these recipes alone")
    parser.add_argument("--until", type=time_of_day, help="HH:MM of today, after which no cell is begun")
    asked = parser.parse_args(arguments)
    require_numbers(vars(asked), {"seeds": 1})
    require_names(asked.only, recipes.names())
    torch.set_num_threads(1)
    path = asked.bench / "bench.json"
    about = read_json(path) if path.is_file() else {}
    if not {"size", "seconds"} <= about.keys():
        raise UserError(
            f"{asked.bench} is not the folder of a bench: pass one that `python -m benchmarks.bench` wrote."
        )
    dataset = load_dataset(str(asked.images))
    images = held_out(whole(dataset, about["size"]), figures_of(dataset, asked.figures))
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


def held_out(images: Images, figures: Sequence[str]) -> Images:
    """The training images alone: every fourth figure of each class is asked about, and the others are learned from.

    >>> images = Labeled(torch.arange(12), torch.tensor([0] * 6 + [1] * 6))
    >>> split = held_out(Images(images, images), [*"aabcdd", *"abcddd"])
    >>> split.train.images.tolist(), split.test.images.tolist()
    ([0, 1, 2, 3, 6, 7, 8], [4, 5, 9, 10, 11])
    """
    labels = images.train.labels
    known: dict[int, list[str]] = {}
    pairs = zip(labels.tolist(), figures, strict=True)
    asked = torch.tensor([is_fourth(figure, known.setdefault(label, [])) for label, figure in pairs])
    if not asked.any():
        raise UserError("No class has four figures, so that none is held out: pass another file of --figures.")
    train, rest = (Labeled(images.train.images[part], labels[part]) for part in (~asked, asked))
    return Images(train, rest)


def figures_of(dataset: Dataset, file: Path) -> list[str]:
    """The figure of each training image, in their order; raises UserError where the file does not know one."""
    train = dataset.train
    if not isinstance(train, ImageFolder) or not file.is_file():
        built = "build both by `python -m benchmarks.sets sprites-32`."
        raise UserError(f"{dataset.name} or {file} is not of sprites: {built}")
    places = ["/".join(Path(path).parts[-3:]) for path in train.files]  # train/CLASS/NAME
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise UserError(f"{file} is no text: pass the figures that `python -m benchmarks.sets` wrote.") from error
    known = {place: figure for place, _, figure in (line.partition(",") for line in lines) if figure}
    if missing := [place for place in places if place not in known]:
        raise UserError(f"{file} has no figure of {missing[0]}: pass the file of the same set.")
    return [known[place] for place in places]


if __name__ == "__main__":
    raise SystemExit(exit_code(main))

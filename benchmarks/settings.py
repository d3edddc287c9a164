"""What the chosen settings rest on: the same training with other batches, learning rates and lengths, on three sets.

    python -m benchmarks.settings --photographs FOLDER --sprites FOLDER --out docs/results/settings.jsonl

Each folder holds images in one folder per class; digits come with scikit-learn. One line of JSON for each training,
with its kNN and linear accuracy on images that were held out; lines that are there already are not measured again.
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

# set, recipe, batch size, learning rate, optimizer steps, image size
TINY: tuple[tuple[str, str, int, float, int, int | None], ...] = (
    *(("photographs", "simclr", 32, lr, 400, 48) for lr in (5e-3, 2.5e-3, 1.25e-3)),
    *(("photographs", "simclr", 64, lr, 400, 48) for lr in (5e-3, 2.5e-3)),
    *(("photographs", "vicreg", 32, lr, 400, 48) for lr in (5e-3, 2.5e-3)),
    *(("digits", "simclr", 128, lr, 500, None) for lr in (5e-3, 2.5e-3, 1.25e-3)),
    *(("digits", "vicreg", 128, lr, 500, None) for lr in (5e-3, 2.5e-3)),
    ("digits", "simclr", 128, 5e-3, 1000, None),
    *(("sprites", "simclr", 128, lr, 400, 32) for lr in (5e-3, 2.5e-3)),
    ("sprites", "simclr", 256, 5e-3, 400, 32),
    ("photographs", "simclr", 32, 5e-3, 1000, 48),
    ("sprites", "simclr", 256, 5e-3, 1000, 32),
)
OTHERS: tuple[tuple[str, str, int, float, int, int | None, str], ...] = (
    *(("photographs", "simclr", 32, lr, 200, 64, "resnet18") for lr in (1e-3, 4e-3, 2.5e-4)),
    *(("photographs", "simclr", 32, lr, 200, 64, "vit_tiny_patch16_224") for lr in (5e-4, 2e-3, 1.25e-4)),
    *(("sprites", "simclr", 64, lr, 200, 64, "resnet18") for lr in (1e-3, 4e-3, 2.5e-4)),
    *(("sprites", "simclr", 64, lr, 200, 64, "vit_tiny_patch16_224") for lr in (5e-4, 2e-3, 1.25e-4)),
)
TRAININGS = (*((*training, "tiny") for training in TINY), *OTHERS)  # the last is the backbone


def main() -> None:
    """Measure what is missing in the file of results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photographs", type=Path, required=True)
    parser.add_argument("--sprites", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    folders = {"photographs": asked.photographs, "sprites": asked.sprites, "digits": "digits"}
    lines = asked.out.read_text(encoding="utf-8").splitlines() if asked.out.exists() else []
    done = {tuple(json.loads(line)["training"]) for line in lines}
    for training in TRAININGS:
        if training not in done:
            row = {"training": training, **_measure(folders[training[0]], *training[1:])}
            with asked.out.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")


def _measure(
    data: Path | str, recipe: str, batch: int, lr: float, steps: int, size: int | None, backbone: str
) -> dict[str, Any]:
    settings: dict[str, Any] = {"batch_size": batch, "lr": lr, "steps": steps, "image_size": size, "backbone": backbone}
    if backbone != "tiny":
        settings |= {"stem": "imagenet"}
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        begun = time.process_time()
        fullrank.train(recipe, data=data, out=run, **settings, monitor_every=10**6, probe=64, workers=0)
        seconds = time.process_time() - begun
        scored = fullrank.evaluate(run, baselines=True)
    untrained = scored["baselines"]["untrained"]
    return {
        "knn": round(scored["knn"], 4),
        "linear": round(scored["linear"]["test"], 4),
        "untrained_knn": round(untrained["knn"], 4),
        "untrained_linear": round(untrained["linear"], 4),
        "cpu_seconds": round(seconds),
    }


if __name__ == "__main__":
    main()

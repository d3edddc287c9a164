"""Tree crowns with boxes: the aerial photographs of the deepforest package, cut into tiles, with COCO JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image

from fullrank.detection.annotations import AnnotatedImage, read_annotations

from .packages import wheel

SIDE = 200  # pixels of a tile
TEST = "2019_YELL_2_541000_4977000_image_crop"  # a place of its own; the others are trained on


def aerial(root: Path) -> Path:
    """A folder with train/*.png, train.json, val/*.png and val.json."""
    folder = root / "aerial"
    if folder.is_dir():
        return folder
    parts = folder.with_name("aerial.part")
    parts.mkdir(parents=True, exist_ok=True)
    data = wheel(root, "deepforest") / "deepforest" / "data"
    stems = sorted(path.stem for path in data.glob("*.xml") if path.with_suffix(".png").is_file())
    _write_tiles(parts, data, "train", [stem for stem in stems if stem != TEST])
    _write_tiles(parts, data, "val", [TEST])
    parts.rename(folder)
    return folder


def _tiles(image: AnnotatedImage) -> Iterator[tuple[tuple[int, int], list[list[float]]]]:
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


def _write_tiles(folder: Path, data: Path, name: str, stems: list[str]) -> None:
    """Tiles of some photographs as PNG files with COCO JSON."""
    content: dict[str, Any] = {"images": [], "annotations": [], "categories": [{"id": 1, "name": "tree"}]}
    (folder / name).mkdir(exist_ok=True)
    for image in read_annotations([data / f"{stem}.xml" for stem in stems]).images:
        shown = Image.open(image.path).convert("RGB")
        for (left, top), boxes in _tiles(image):
            number = len(content["images"])
            shown.crop((left, top, left + SIDE, top + SIDE)).save(folder / name / f"{number}.png")
            content["images"].append({"id": number, "file_name": f"{number}.png", "width": SIDE, "height": SIDE})
            for box in boxes:
                entry = {"id": len(content["annotations"]), "image_id": number, "category_id": 1, "iscrowd": 0}
                content["annotations"].append(entry | {"bbox": box, "area": box[2] * box[3]})
    (folder / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")

"""Small generated sets of images with boxes and masks, as COCO JSON and as VOC XML."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from fullrank.detection.annotations import AnnotatedImage, Thing

CLASSES = ("square", "ball")


def shapes(seed: int, side: int = 64) -> tuple[Image.Image, list[dict[str, Any]]]:
    """A noisy image with one red square and one green ball, and what COCO says of them."""
    random = np.random.default_rng(seed)
    pixels = random.integers(60, 100, (side, side, 3), dtype=np.uint8)
    marked = []
    for label, color in enumerate(((230, 40, 30), (40, 220, 60))):
        size = int(random.integers(side // 5, side // 3))
        left = int(random.integers(0, side // 2 - size + 1)) + label * side // 2  # each in its half: no overlaps
        top = int(random.integers(0, side - size))
        across = np.arange(size) + 0.5 - size / 2
        ball = across[:, None] ** 2 + across**2 <= size**2 / 4
        inside = ball if label else np.ones((size, size), dtype=bool)
        pixels[top : top + size, left : left + size][inside] = color
        angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)
        ring = size / 2 * np.stack([1 + np.cos(angles), 1 + np.sin(angles)], 1) + (left, top)
        square = np.array([[left, top], [left + size, top], [left + size, top + size], [left, top + size]])
        polygon = (ring if label else square).round(2).reshape(-1).tolist()
        box = [left, top, size, size]
        entry = {"bbox": box, "category_id": label + 1, "segmentation": [polygon], "area": int(inside.sum())}
        marked.append(entry | {"iscrowd": 0})
    return Image.fromarray(pixels), marked


def coco(folder: Path, name: str, count: int, *, start: int = 0, side: int = 64) -> Path:
    """Write `count` images to folder/name and folder/name.json; the JSON."""
    (folder / name).mkdir(parents=True)
    content: dict[str, Any] = {"images": [], "annotations": [], "categories": []}
    content["categories"] = [{"id": at + 1, "name": kind} for at, kind in enumerate(CLASSES)]
    for at in range(count):
        image, marked = shapes(start + at, side)
        image.save(folder / name / f"{at}.png")
        content["images"].append({"id": at, "file_name": f"{at}.png", "width": side, "height": side})
        for entry in marked:
            content["annotations"].append({"id": len(content["annotations"]), "image_id": at, **entry})
    path = folder / f"{name}.json"
    path.write_text(json.dumps(content))
    return path


def changed(path: Path, **changes: Any) -> Path:
    """The same JSON with other annotations, images or categories; a function changes the old ones."""
    content = json.loads(path.read_text())
    for name, change in changes.items():
        content[name] = change(content[name]) if callable(change) else change
    path.write_text(json.dumps(content))
    return path


def voc(folder: Path, count: int, *, first: int = 1, difficult: int = 0, start: int = 0) -> Path:
    """Write VOC's folders; the list of names. The ball of the first `difficult` images is difficult.

    Boxes end with their last pixel where the first is 1, and at their edge where it is 0, which is the same number.
    """
    for name in ("Annotations", "JPEGImages", "ImageSets/Main"):
        (folder / name).mkdir(parents=True)
    for at in range(count):
        image, marked = shapes(start + at)
        image.save(folder / "JPEGImages" / f"{at:04}.png")
        objects = ""
        for entry in marked:
            left, top, width, height = entry["bbox"]
            corners = {"xmin": left + first, "ymin": top + first, "xmax": left + width, "ymax": top + height}
            sides = "".join(f"<{side}>{value}</{side}>" for side, value in corners.items())
            hard = int(at < difficult and entry["category_id"] == 2)
            name = CLASSES[entry["category_id"] - 1]
            objects += f"<object><name>{name}</name><difficult>{hard}</difficult><bndbox>{sides}</bndbox></object>"
        size = "<size><width>64</width><height>64</height><depth>3</depth></size>"
        text = f"<annotation><filename>{at:04}.png</filename>{size}{objects}</annotation>"
        (folder / "Annotations" / f"{at:04}.xml").write_text(text)
    path = folder / "ImageSets" / "Main" / "train.txt"
    path.write_text("".join(f"{at:04}\n" for at in range(count)))
    return path


def image(
    *boxes: tuple[float, float, float, float], labels: tuple[int, ...] = (), difficult: bool = False
) -> AnnotatedImage:
    """An image of 100 x 100 pixels with these boxes."""
    labels = labels or (0,) * len(boxes)
    things = tuple(
        Thing(box, label, (box[2] - box[0]) * (box[3] - box[1]), difficult=difficult)
        for box, label in zip(boxes, labels, strict=True)
    )
    return AnnotatedImage(Path("x.png"), 0, 100, 100, things)

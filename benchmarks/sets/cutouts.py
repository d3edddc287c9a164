"""Drawn and photographed things with transparency, pasted on photographs: boxes and masks that are exact."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .packages import debian
from .patches import photographs

SIDE = 128  # pixels of an image
COUNTS = {"train": 1000, "val": 200}
_THINGS = (1, 4)  # of an image
_SIZES = (32, 80)  # pixels of a thing's longer side
_HIGH = 512  # pixels to which the height of a photograph is reduced
_SEEN = 0.25  # of a thing; what the others hide more of is not annotated
_LEFT_OUT = ("symbols", "people")  # letters, coins and hands


@dataclass(frozen=True)
class Stamp:
    """A thing that is cut out, and the folder of its kind."""

    kind: str
    path: Path


def cutouts(root: Path) -> Path:
    """A folder with train/*.png, train.json, val/*.png and val.json in COCO's format; no thing is in both."""
    folder = root / "cutouts"
    if folder.is_dir():
        return folder
    parts = folder.with_name("cutouts.part")
    stamps = _stamps(root)
    kinds = sorted({stamp.kind for stamp in stamps})
    backgrounds = [_reduced(file) for file in photographs(root)]
    for seed, (name, count) in enumerate(COUNTS.items()):
        (parts / name).mkdir(parents=True, exist_ok=True)
        held_out = [stamp for at, stamp in enumerate(stamps) if (at % 4 == 3) == (name == "val")]
        _write(parts, name, count, held_out, kinds, backgrounds, np.random.default_rng(seed))
    parts.rename(folder)
    return folder


def _stamps(root: Path) -> list[Stamp]:
    top = next(debian(root, "tuxpaint-stamps-default").rglob("tuxpaint/stamps"))
    found = [Stamp(file.relative_to(top).parts[0], file) for file in sorted(top.rglob("*.png"))]
    return [stamp for stamp in found if stamp.kind not in _LEFT_OUT]


def _reduced(file: Path) -> Image.Image:
    image = Image.open(file).convert("RGB")
    return image.resize((round(image.width * _HIGH / image.height), _HIGH), Image.Resampling.BICUBIC)


def _write(
    folder: Path,
    name: str,
    count: int,
    stamps: list[Stamp],
    kinds: list[str],
    backgrounds: list[Image.Image],
    random: np.random.Generator,
) -> None:
    categories = [{"id": at, "name": kind} for at, kind in enumerate(kinds, 1)]
    content: dict[str, Any] = {"images": [], "annotations": [], "categories": categories}
    for number in range(count):
        chosen = [stamps[at] for at in random.choice(len(stamps), random.integers(_THINGS[0], _THINGS[1] + 1))]
        image, masks = _paste(chosen, backgrounds[random.integers(len(backgrounds))], random)
        image.save(folder / name / f"{number:04d}.png")
        content["images"].append({"id": number, "file_name": f"{number:04d}.png", "width": SIDE, "height": SIDE})
        for stamp, mask in zip(chosen, masks, strict=True):
            if mask is not None:
                entry = {"id": len(content["annotations"]) + 1, "image_id": number, "iscrowd": 0}
                content["annotations"].append(entry | {"category_id": kinds.index(stamp.kind) + 1} | coco(mask))
    (folder / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")


def _paste(
    stamps: list[Stamp], background: Image.Image, random: np.random.Generator
) -> tuple[Image.Image, list[NDArray[np.bool_] | None]]:
    """An image, and of each thing the pixels that are seen; None where too few are."""
    left, top = (int(random.integers(side - SIDE + 1)) for side in background.size)
    image = background.crop((left, top, left + SIDE, top + SIDE)).convert("RGBA")
    whole: list[NDArray[np.bool_]] = []
    for stamp in stamps:
        thing = _sized(stamp, int(random.integers(_SIZES[0], _SIZES[1] + 1)))
        x, y = (int(random.integers(SIDE - side + 1)) for side in thing.size)
        layer = Image.new("RGBA", (SIDE, SIDE))
        layer.paste(thing, (x, y))
        image.alpha_composite(layer)
        whole.append(np.asarray(layer)[..., 3] > 127)
    seen = [mask & ~np.any(whole[at + 1 :], axis=0) if whole[at + 1 :] else mask for at, mask in enumerate(whole)]
    kept = [
        mask if mask.sum() > max(_SEEN * all_of_it.sum(), 16) else None
        for mask, all_of_it in zip(seen, whole, strict=True)
    ]
    return image.convert("RGB"), kept


def _sized(stamp: Stamp, side: int) -> Image.Image:
    thing = Image.open(stamp.path).convert("RGBA")
    box = thing.getchannel("A").getbbox()
    thing = thing.crop(box) if box else thing
    scale = side / max(thing.size)
    size = max(1, round(thing.width * scale)), max(1, round(thing.height * scale))
    return thing.resize(size, Image.Resampling.BICUBIC)


def coco(mask: NDArray[np.bool_]) -> dict[str, Any]:
    """Box, area and run lengths of a mask (H, W), which is not empty, as COCO has them.

    >>> coco(np.array([[False, True], [False, True]]))["segmentation"]["counts"]
    [2, 2]
    """
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    box = [columns[0], rows[0], columns[-1] - columns[0] + 1, rows[-1] - rows[0] + 1]
    flat = mask.T.reshape(-1).tolist()  # column by column
    runs = [len(list(run)) for _, run in groupby(flat)]
    counts = [0, *runs] if flat[0] else runs
    return {
        "bbox": [int(side) for side in box],
        "area": int(mask.sum()),
        "segmentation": {"size": [int(side) for side in mask.shape], "counts": counts},
    }

"""COCO's JSON: images, annotations with boxes in x, y, width and height, and categories."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fullrank.data import strict_decoding
from fullrank.detection.annotations import checks
from fullrank.detection.annotations.masks import read_mask
from fullrank.detection.annotations.record import AnnotatedImage, Annotations, Mask, Runs, Thing
from fullrank.errors import UserError

_LARGEST = 4 << 30  # bytes; Objects365 has 2.4 GB


@dataclass(frozen=True)
class _Reading:
    """A file that is being read: what was asked, the place of each category, and what has been counted."""

    path: Path
    masks: bool
    places: Mapping[int, int]
    counted: Counter[str]


def read_coco(path: Path, *, images: Path | None, masks: bool, flag: str) -> Annotations:
    """Read a file of COCO's format; UserError in one sentence where it is not one."""
    content = _content(path)
    classes = _classes(path, content["categories"])
    reading = _Reading(path, masks, {number: at for at, number in enumerate(classes)}, Counter())
    listed = _images(path, content["images"])
    names = [str(image["file_name"]) for image in listed.values()]
    folder = checks.folder_of(names, images, _places(path), f"--{flag}-images")
    marked: dict[int | str, list[Mapping[str, Any]]] = {number: [] for number in listed}
    for entry in content["annotations"]:
        number = _entry(path, entry, "annotation").get("image_id")
        if isinstance(number, int | str) and number in marked:
            marked[number].append(entry)
        else:
            reading.counted[checks.STRAYS] += 1
    with strict_decoding():
        made = [_annotated(reading, folder, image, marked[number]) for number, image in listed.items()]
    kept = [image for image in made if image is not None]
    reading.counted[checks.EMPTY] += sum(not image.things for image in kept)
    notes = (f"images in {folder}",)
    return Annotations(str(path), "COCO", kept, tuple(classes.values()), tuple(classes), reading.counted, notes)


def _content(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise UserError(f"There is no file {path}: pass COCO JSON, or VOC XML.")
    if path.stat().st_size > _LARGEST:
        raise UserError(f"{path} has more than {_LARGEST >> 30} GB: split it.")
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is not valid JSON ({str(error)[:80]}): correct or download it again.") from None
    if isinstance(content, list):
        raise UserError(f"{path} is a list, as results are: pass the file with images, annotations and categories.")
    for name in ("images", "annotations", "categories"):
        if not isinstance(content, dict) or not isinstance(content.get(name), list):
            raise UserError(f"{path} has no list of {name}, so it is not COCO's detection format: pass another file.")
    found: dict[str, Any] = content
    return found


def _entry(path: Path, entry: object, what: str) -> dict[str, Any]:
    if not isinstance(entry, dict):
        raise UserError(f"{path} has an {what} that is not an object ({str(entry)[:40]}): correct the file.")
    return entry


def _classes(path: Path, categories: list[object]) -> dict[int, str]:
    """Names by number, in the order of the numbers."""
    found: dict[int, str] = {}
    for category in categories:
        entry = _entry(path, category, "entry of categories")
        number, name = entry.get("id"), entry.get("name")
        if type(number) is not int or not isinstance(name, str):
            raise UserError(f"{path} has a category without a whole id and a name ({str(entry)[:60]}): correct it.")
        if number in found or name in found.values():
            raise UserError(f"{path} has two categories with the id {number} or the name {name}: correct the file.")
        found[number] = name
    if not found:
        raise UserError(f"{path} has no category: pass a file that names its classes.")
    return dict(sorted(found.items()))


def _images(path: Path, images: list[object]) -> dict[int | str, dict[str, Any]]:
    found: dict[int | str, dict[str, Any]] = {}
    for image in images:
        entry = _entry(path, image, "entry of images")
        number = entry.get("id")
        if not isinstance(number, int | str) or not isinstance(entry.get("file_name"), str):
            raise UserError(f"{path} has an image without id and file_name ({str(entry)[:60]}): correct the file.")
        if number in found:
            raise UserError(f"{path} has two images with the id {number}: correct the file.")
        found[number] = entry
    if not found:
        raise UserError(f"{path} lists no image: pass another file.")
    return found


def _places(path: Path) -> list[Path]:
    """Where the images of a file may be, as COCO and common tools lay them out."""
    here = path.parent
    name = path.stem.removeprefix("instances_")
    return [
        here / name,
        here.parent / name,
        here.parent / "images" / name,
        here / "images",
        here.parent / "images",
        here,
    ]


def _annotated(
    reading: _Reading, folder: Path, image: Mapping[str, Any], marked: list[Mapping[str, Any]]
) -> AnnotatedImage | None:
    name = Path(image["file_name"])
    if name.is_absolute() or ".." in name.parts:
        raise UserError(f"{reading.path} names the image {name}, which leaves the images' folder: correct the file.")
    sides = image.get("width"), image.get("height")
    stated = (int(sides[0]), int(sides[1])) if all(type(side) is int and side > 0 for side in sides) else None  # type: ignore[arg-type]
    size = checks.size_of(folder / name, stated, reading.counted)
    if size is None:
        return None
    things = [_thing(reading, entry, *size) for entry in marked]
    return AnnotatedImage(folder / name, image["id"], *size, tuple(thing for thing in things if thing is not None))


def _thing(reading: _Reading, entry: Mapping[str, Any], width: int, height: int) -> Thing | None:
    what = f"{reading.path}: annotation {str(entry.get('id'))[:20]}"
    number = entry.get("category_id")
    if type(number) is not int or number not in reading.places:
        raise UserError(f"{what} has the category {str(number)[:20]}, which is not listed: correct the file.")
    left, top, wide, high = checks.numbers(entry.get("bbox"), 4, f"{what}: its bbox")
    box = checks.inside((left, top, left + wide, top + high), width, height, reading.counted)
    if box is None:
        return None
    crowd = bool(entry.get("iscrowd", 0))
    mask = read_mask(entry.get("segmentation"), f"{what}: its segmentation") if reading.masks else None
    if reading.masks and not _fits(mask, width, height, reading.counted):
        return None
    reading.counted[checks.CROWDS] += crowd
    area = entry.get("area")
    known = isinstance(area, int | float) and 0 < area < 1e12
    return Thing(
        box,
        reading.places[number],
        float(area) if known else (box[2] - box[0]) * (box[3] - box[1]),  # type: ignore[arg-type]
        crowd=crowd,
        mask=mask,
    )


def _fits(mask: Mask | None, width: int, height: int, counted: Counter[str]) -> bool:
    if mask is None:
        counted[checks.UNMASKED] += 1
        return False
    if isinstance(mask, Runs) and (mask.width, mask.height) != (width, height):
        counted[checks.MISFIT] += 1
        return False
    return True

"""Color sprites of 21 races, of which those of one figure are near-duplicates and stay together."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from .packages import debian

FIGURES = "sprites-figures.csv"  # beside the sets: of each image its place in the set and its figure


def sprites(root: Path, size: int) -> Path:
    """A folder train/RACE/*.png, test/RACE/*.png of the figures of wesnoth-1.16-data (GPL-2+), on white, none twice.

    The frames of one figure are near-duplicates: every fourth figure of a race is in test/ with all of its frames.
    Which figure an image is of says FIGURES, beside the folder.
    """
    folder = root / f"sprites-{size}"
    if folder.is_dir() and (root / FIGURES).is_file():
        return folder
    parts = folder.with_name(f"{folder.name}.part")
    lines = []
    for place, figure, image in _frames(root):
        lines.append(f"{place.as_posix()},{figure}\n")
        if not folder.is_dir():
            (parts / place).parent.mkdir(parents=True, exist_ok=True)
            on_white(image, size).save(parts / place)
    (root / FIGURES).write_text("".join(lines), encoding="utf-8")
    if parts.is_dir():
        parts.rename(folder)
    return folder


def _frames(root: Path) -> Iterator[tuple[Path, str, Image.Image]]:
    """Of every image that is there once, its place in the set, its figure, and what is drawn."""
    units = next(debian(root, "wesnoth-1.16-data").rglob("core/images/units"))
    figures: dict[str, list[str]] = {}
    seen: set[bytes] = set()
    for number, file in enumerate(sorted(units.glob("*/**/*.png"))):
        digest = hashlib.sha256(file.read_bytes()).digest()
        image = Image.open(file).convert("RGBA")
        box = image.getbbox()
        if digest in seen or box is None:
            continue
        seen.add(digest)
        race = re.sub(r"\W", "-", file.relative_to(units).parts[0])
        figure = re.split(r"[-+0-9]", file.stem)[0]
        part = "test" if is_fourth(figure, figures.setdefault(race, [])) else "train"
        yield Path(part, race, f"{number:05d}.png"), figure, image.crop(box)


def is_fourth(figure: str, known: list[str]) -> bool:
    """Whether a figure is every fourth of its class in the order in which they come; one that is new is added.

    >>> known = []
    >>> [is_fourth(figure, known) for figure in "aabcdda"]
    [False, False, False, False, True, True, False]
    """
    known += [figure] if figure not in known else []
    return known.index(figure) % 4 == 3


def on_white(image: Image.Image, size: int) -> Image.Image:
    side = max(image.size)
    square = Image.new("RGBA", (side, side), (255, 255, 255, 255))
    square.alpha_composite(image, ((side - image.width) // 2, (side - image.height) // 2))
    return square.convert("RGB").resize((size, size), Image.Resampling.BICUBIC)


def sprite_pixels(
    root: Path, size: int, count: int
) -> tuple[np.ndarray[tuple[int, ...], np.dtype[np.uint8]], list[str]]:
    """Sprites (count, size, size, 3) with their races, in an order by hash."""
    files = sorted(sprites(root, size).rglob("*.png"), key=lambda file: hashlib.sha256(file.name.encode()).digest())
    chosen = files[:count]
    return np.stack([np.asarray(Image.open(file)) for file in chosen]), [file.parent.name for file in chosen]

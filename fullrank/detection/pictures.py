"""Pictures of a validation set with what was found in them drawn on it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from fullrank.data import strict_decoding
from fullrank.data.decode import to_show
from fullrank.detection.annotations import AnnotatedImage, Annotations
from fullrank.detection.annotations.masks import Pixels, unpacked
from fullrank.detection.scores import Found
from fullrank.runs import replace

_SURE, _MOST = 0.3, 20  # the least score of what is drawn, and how many of a picture
_COUNT, _SIDE = 8, 480
_COLORS = ("#e6550d", "#3182bd", "#31a354", "#756bb1", "#d6a800", "#17becf", "#e377c2", "#8c564b")
_TRUTH = "#ffffff"


def draw_some(found: Sequence[Found], val: Annotations, folder: Path) -> None:
    """Write up to eight pictures, evenly drawn from the set, as JPEG files: 0.jpg, 1.jpg, ..."""
    folder.mkdir(exist_ok=True)
    chosen = sorted({round(place) for place in np.linspace(0, len(found) - 1, _COUNT).tolist()})
    for number, at in enumerate(chosen):
        shown = drawn(val.images[at], found[at], val.classes)
        replace(folder / f"{number}.jpg", lambda beside, shown=shown: shown.save(beside, "JPEG", quality=88))  # type: ignore[misc]


def drawn(annotated: AnnotatedImage, found: Found, classes: Sequence[str]) -> Image.Image:
    """A picture of at most 480 pixels: what is annotated in white, what was found with its class and score in color."""
    with strict_decoding():
        image = to_show(annotated.path).convert("RGB")
    scale = min(_SIDE / max(image.size), 4.0)
    image = image.resize((max(round(image.width * scale), 1), max(round(image.height * scale), 1)))
    best = found.scores.argsort(descending=True, stable=True)[:_MOST].tolist()
    sure = [at for at in best if found.scores[at] >= _SURE]
    if found.masks is not None:
        for at in sure:
            image = _tinted(image, unpacked(found.masks[at]), _COLORS[int(found.labels[at]) % len(_COLORS)])
    pen = ImageDraw.Draw(image)
    for thing in annotated.things:
        pen.rectangle([value * scale for value in thing.box], outline=_TRUTH, width=1)
    for at in sure:
        left, top, right, bottom = (value * scale for value in found.boxes[at].tolist())
        color = _COLORS[int(found.labels[at]) % len(_COLORS)]
        pen.rectangle([left, top, right, bottom], outline=color, width=2)
        text = f"{classes[int(found.labels[at])]} {float(found.scores[at]):.2f}"
        place = left + 2, max(top - 11, 0)
        pen.rectangle(pen.textbbox(place, text), fill=color)
        pen.text(place, text, fill="white")
    return image


def _tinted(image: Image.Image, pixels: Pixels, color: str) -> Image.Image:
    mask = Image.fromarray(pixels.astype(np.uint8) * 110).resize(image.size)
    return Image.composite(Image.new("RGB", image.size, color), image, mask)

"""Photographs in pieces, textures of the blocks of a game, and flags of countries."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache, partial
from itertools import product
from pathlib import Path

from PIL import Image
from torch import Tensor

from benchmarks.sets.packages import debian

from ..fourth import image_sources, small
from ..sixth.models import contrast
from ..sixth.pictures import SIDE, Pictures, drawn_images, saved
from ..source import Made, Source, seed_of
from ..third import small_network

HEIGHT = 768  # of a photograph before it is cut
RECIPES = {
    "photographs": {"moco": "contrastive", "vicreg": "non-contrastive", "intl": "non-contrastive"},
    "blocks": {"simclr": "contrastive", "barlow_twins": "non-contrastive", "corinfomax": "non-contrastive"},
    "flags": {},
}


def _photographs(root: Path) -> Pictures:
    """Pieces of Lomiri's wallpapers, which are photographs but for two or three, by the wallpaper."""
    for file in sorted(debian(root, "lomiri-wallpapers-16.04").rglob("*.jpg")):
        whole = Image.open(file).convert("RGB")
        image = whole.resize((round(whole.width * HEIGHT / whole.height), HEIGHT), Image.Resampling.BICUBIC)
        for top, left in product(range(0, HEIGHT, SIDE), range(0, image.width - SIDE + 1, SIDE)):
            yield f"{file.stem}/{top:04d}-{left:04d}.png", image.crop((left, top, left + SIDE, top + SIDE))


def _on_white(file: Path) -> Image.Image:
    whole = Image.open(file).convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", whole.size, "white"), whole).convert("RGB")


def _blocks(root: Path) -> Pictures:
    """Minetest's textures of 16 px on white, without classes."""
    for number, file in enumerate(sorted(debian(root, "minetest-data").rglob("*.png"))):
        image = _on_white(file)
        if image.size == (16, 16):
            yield f"{number:04d}-{file.name}", image.resize((SIDE, SIDE), Image.Resampling.NEAREST)


def _flags(root: Path) -> Pictures:
    """Flags by the code of their country, as high as wide, without classes."""
    for file in sorted(debian(root, "iso-flags-png-320x240").rglob("*.png")):
        yield file.name, _on_white(file).resize((SIDE, SIDE), Image.Resampling.BICUBIC)


OF: dict[str, Callable[[Path], Pictures]] = {"photographs": _photographs, "blocks": _blocks, "flags": _flags}


def folder_of(root: Path, *, of: str) -> Path:
    """The folder of these pictures, each once and none of a single color."""
    return saved(root / of, OF[of](root))


@cache
def _images(root: Path, of: str) -> tuple[Tensor, Tensor | None]:
    return drawn_images(folder_of(root, of=of), "seventh", of)


def _network(root: Path, *, task: str) -> Made:
    rows, labels = small(root, partial(_images, of="photographs"))
    assert labels is not None
    return small_network(rows, labels, task=task, seed=seed_of("seventh", task) % 2**31), labels


def _contrast(root: Path) -> Made:
    rows, labels = small(root, partial(_images, of="blocks"))
    return contrast(rows, seed="blocks"), labels


def sources() -> Iterator[Source]:
    """Encoders, projections, short trainings and small networks, of which each is healthy."""
    for of, recipes in RECIPES.items():
        yield from image_sources(of, partial(_images, of=of), partial(folder_of, of=of), recipes, 7)
    for task, profile in (("classifier", "supervised"), ("autoencoder", "generic"), ("triplets", "contrastive")):
        yield Source(f"photographs, {task}", task, profile, "healthy", partial(_network, task=task))
    yield Source("blocks, contrast", "metric learning", "contrastive", "healthy", _contrast)

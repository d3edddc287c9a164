"""A folder of 300 small images, with everything that real folders hold."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

ODD = ("alpha.png", "cmyk.jpg", "deep.png", "palette.gif", "pixel.png", "turned.jpg")


def quiet(_text: str) -> None:
    """Say nothing."""


def noise(height: int, width: int, seed: int) -> Image.Image:
    """An RGB image of noise."""
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


def plain(folder: Path, count: int) -> None:
    """Add `count` readable images, 10 x 12 pixels."""
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(count):
        noise(10, 12, seed=i).save(folder / f"{i:03}.png")


def by_class(folder: Path, classes: str, count: int) -> Path:
    """A folder of `count` images of noise, in turn of the classes, each a letter."""
    for at in range(count):
        name = folder / classes[at % len(classes)] / f"{at:02}.png"
        name.parent.mkdir(parents=True, exist_ok=True)
        noise(6, 6, seed=at).save(name)
    return folder


def odd(folder: Path) -> None:
    """Add the six of ODD: readable, but each in a way that is easily read wrongly."""
    Image.new("RGBA", (9, 9), (255, 0, 0, 0)).save(folder / "alpha.png")
    Image.new("CMYK", (16, 16), (0, 255, 255, 0)).save(folder / "cmyk.jpg")
    Image.fromarray(np.array([[0, 257, 32896, 65535]], dtype=np.uint16)).save(folder / "deep.png")
    noise(8, 8, seed=1).quantize(16).save(folder / "palette.gif")
    Image.new("RGB", (1, 1), "blue").save(folder / "pixel.png")
    upright = Image.new("RGB", (32, 16), "black")
    upright.paste("white", (0, 0, 16, 16))  # the left half, which orientation 6 turns to the top
    exif = Image.Exif()
    exif[0x0112] = 6
    upright.save(folder / "turned.jpg", exif=exif, quality=95)


def corrupt(folder: Path) -> None:
    """Add five that cannot be read."""
    noise(64, 64, seed=2).save(folder / "cut.jpg")
    noise(64, 64, seed=3).save(folder / "half.png")
    for name in ("cut.jpg", "half.png"):
        data = (folder / name).read_bytes()
        (folder / name).write_bytes(data[: len(data) // 2])
    (folder / "empty.png").touch()
    (folder / "text.png").write_text("not an image")
    with zipfile.ZipFile(folder / "zip.jpg", "w") as archive:
        archive.writestr("a.txt", "not an image")


def make_folder(root: Path) -> Path:
    """300 images in the classes cats and dogs, five of them corrupt and six odd, and files that are none."""
    plain(root / "cats", 150)
    plain(root / "dogs", 139)
    odd(root / "dogs")
    corrupt(root / "dogs")
    (root / "dogs" / "notes.txt").write_text("no image")
    (root / ".DS_Store").write_bytes(b"no image")
    (root / "dogs" / "._000.png").write_bytes(b"what macOS leaves behind")
    return root

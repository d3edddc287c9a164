"""Patches of photographs: the class is the photograph, and the test patches are of another part of it."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from .packages import debian

SIDE = 64  # pixels of a patch
_HIGH = 768  # pixels to which the height of a photograph is reduced
_LEARNED = 0.7  # of the width; a patch's width is left free between both parts


def photographs(root: Path) -> list[Path]:
    """The photographs of nature of mate-backgrounds."""
    return sorted(next(debian(root, "mate-backgrounds").rglob("mate/nature")).glob("*.jpg"))


def patches(root: Path) -> Path:
    """A folder train/PHOTOGRAPH/*.png, test/PHOTOGRAPH/*.png of patches side by side, which do not overlap."""
    folder = root / "patches"
    if folder.is_dir():
        return folder
    parts = folder.with_name("patches.part")
    for file in photographs(root):
        whole = Image.open(file).convert("RGB")
        image = whole.resize((round(whole.width * _HIGH / whole.height), _HIGH), Image.Resampling.BICUBIC)
        border = int(image.width * _LEARNED) // SIDE * SIDE
        for top in range(0, _HIGH - SIDE + 1, SIDE):
            for left in range(0, image.width - SIDE + 1, SIDE):
                if border <= left < border + SIDE:
                    continue
                out = parts / ("train" if left < border else "test") / file.stem / f"{top:04d}-{left:04d}.png"
                out.parent.mkdir(parents=True, exist_ok=True)
                image.crop((left, top, left + SIDE, top + SIDE)).save(out)
    parts.rename(folder)
    return folder

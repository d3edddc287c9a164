"""One concept, two artists: the emoji of Google and of Twitter under the same file names."""

from __future__ import annotations

import json
import re
from pathlib import Path

from PIL import Image

from .packages import npm

_ARTISTS = ("google", "twitter")


def emoji(root: Path) -> Path:
    """A folder ARTIST/CATEGORY/CODE.png of 64 px on white; what one of the artists has not drawn is left out."""
    folder = root / "emoji"
    if folder.is_dir():
        return folder
    parts = folder.with_name("emoji.part")
    drawn = {artist: npm(root, f"emoji-datasource-{artist}") / "package" for artist in _ARTISTS}
    for one in json.loads((drawn["google"] / "emoji.json").read_text(encoding="utf-8")):
        files = [drawn[artist] / "img" / artist / "64" / one["image"] for artist in _ARTISTS]
        if not all(file.is_file() for file in files):
            continue
        for artist, file in zip(_ARTISTS, files, strict=True):
            image = Image.open(file).convert("RGBA")
            white = Image.new("RGBA", image.size, (255, 255, 255, 255))
            white.alpha_composite(image)
            out = parts / artist / re.sub(r"\W+", "-", one["category"]) / one["image"]
            out.parent.mkdir(parents=True, exist_ok=True)
            white.convert("RGB").save(out)
    parts.rename(folder)
    return folder

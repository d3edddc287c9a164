"""Which files below a folder are images, and how many are not, by their endings."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from PIL import Image

from fullrank.data.decode import image_formats
from fullrank.data.formats import EXTRAS, installed, needs
from fullrank.data.inventory import NO_ENDING
from fullrank.errors import UserError


@dataclass(frozen=True)
class Found:
    """The images below a folder, sorted, and the other files counted by ending (lower case, "no ending")."""

    files: list[str]
    left_out: Counter[str] = field(default_factory=Counter)


def whole_paths(files: Iterable[str]) -> list[str]:
    """Paths of files as absolute ones, of which some may be absolute and some not; nothing else of them changes.

    >>> whole_paths(["/a/b.png", "/a/../c.png"])
    ['/a/b.png', '/a/../c.png']
    """
    here = os.getcwd()
    return [os.path.join(here, path) for path in files]


def image_endings() -> frozenset[str]:
    """The endings, in lower case, of files that can be read as images with what is installed."""
    return _of_pil() | {ending for ending in EXTRAS if installed(ending)}


@cache
def _of_pil() -> frozenset[str]:
    readable = image_formats()
    return frozenset(end for end, name in Image.registered_extensions().items() if name in readable)


def missing_packages(left_out: Mapping[str, int]) -> list[str]:
    """What to install for the files that were left out."""
    return [needs(ending) for ending in left_out if ending in EXTRAS]


def find_images(root: Path) -> Found:
    """All files named like an image; no hidden ones, and no folder twice (links may form a loop)."""
    files, left_out = [], Counter[str]()
    endings = image_endings()
    for path in _files(root):
        ending = os.path.splitext(path)[1].lower()
        if ending in endings:
            files.append(path)
        else:
            left_out[ending or NO_ENDING] += 1
    return Found(sorted(files), left_out)


def _files(root: Path) -> Iterator[str]:
    seen: set[tuple[int, int]] = set()
    folders, links = [str(root)], list[str]()
    while folders or links:  # links last, so that a folder is met in its own place
        folder = folders.pop() if folders else links.pop(0)
        try:
            status = os.stat(folder)
            entries = [*os.scandir(folder)]
        except OSError as error:
            raise UserError(f"{folder} cannot be listed ({error.strerror}): make it readable or remove it.") from error
        if (status.st_dev, status.st_ino) in seen:
            continue
        seen.add((status.st_dev, status.st_ino))
        inside = "" if folder == "." else os.path.join(folder, "")
        below = []
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if not _is_folder(entry):
                yield inside + entry.name
            else:
                below.append(entry)
        for entry in sorted(below, key=lambda entry: entry.name):
            (links if entry.is_symlink() else folders).append(inside + entry.name)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False

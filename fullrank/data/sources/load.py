"""From a name or a path to images: built-in sets, folders of pictures and .npz files."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from fullrank.data.images import Dataset
from fullrank.data.sources.cifar import cifar10, cifar100
from fullrank.data.sources.digits import digits
from fullrank.data.sources.fashion_mnist import fashion_mnist
from fullrank.data.sources.folder import read_folder
from fullrank.data.sources.npz import read_npz
from fullrank.data.sources.pixels import measured
from fullrank.data.sources.stl10 import stl10
from fullrank.errors import UserError, suggest

SOURCES: dict[str, Callable[[Path | None, Callable[[str], None]], Dataset]] = {
    "digits": digits,
    "fashion-mnist": fashion_mnist,
    "cifar10": cifar10,
    "cifar100": cifar100,
    "stl10": stl10,
}
NAMES = tuple(SOURCES)

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_GRAY_MEAN, _GRAY_STD = (0.449,), (0.226,)  # ImageNet's, averaged over the channels


def _say(text: str) -> None:
    print(text, file=sys.stderr)


def load_dataset(
    name: str, *, root: Path | None = None, max_corrupt: float = 0.1, say: Callable[[str], None] = _say
) -> Dataset:
    """Load a built-in set (one of NAMES), a folder of pictures or an .npz file; a built-in name wins over a path.

    `root` is where built-in sets are looked for and downloaded to (with a message to `say`). `max_corrupt` is
    the share of a folder's pictures that may be unreadable, in [0, 1]. Mean and std are the published ones for
    CIFAR, STL-10 and folders (ImageNet's), and computed for what lives in memory otherwise. UserError, with
    what to do, where nothing can be loaded.

    >>> digits = load_dataset("digits")
    >>> digits.train.images.shape, len(digits.test)
    (torch.Size([1397, 1, 8, 8]), 400)
    """
    if name in SOURCES:
        return SOURCES[name](root, say)
    path = Path(name)
    if path.is_dir():
        train, test = read_folder(path, max_corrupt=max_corrupt, say=say)
        mean, std = (_GRAY_MEAN, _GRAY_STD) if train.channels == 1 else (IMAGENET_MEAN, IMAGENET_STD)
        return Dataset(path.resolve().name, train, test, mean, std)
    if path.suffix.lower() == ".npz" and path.is_file():
        return measured(path.stem, read_npz(path), None)
    raise UserError(_unknown(name, path))


def _unknown(name: str, path: Path) -> str:
    if path.exists():
        return f"{name} is no source of images: pass a folder of pictures or an .npz file."
    hint = suggest(name.lower(), NAMES, otherwise=f"the built-in names are {', '.join(NAMES)}.")
    return f"{name} is neither a built-in data set nor an existing path: {hint[:-1]}, or pass a folder or an .npz file."

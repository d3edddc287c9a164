"""From a name or paths to images: built-in sets, folders and lists of images, and .npz files."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from fullrank.data.files.folder import read_folder
from fullrank.data.files.lists import ENDINGS
from fullrank.data.images import Dataset
from fullrank.data.options import DataOptions
from fullrank.data.sources.cifar import cifar10, cifar100
from fullrank.data.sources.classes import only_classes
from fullrank.data.sources.digits import digits
from fullrank.data.sources.fashion_mnist import fashion_mnist
from fullrank.data.sources.hub import from_hub
from fullrank.data.sources.named import by_torchvision
from fullrank.data.sources.npz import read_npz
from fullrank.data.sources.pixels import measured, sampled
from fullrank.data.sources.stl10 import stl10
from fullrank.data.sources.torchvision_sets import Place
from fullrank.errors import UserError, suggest

SOURCES: dict[str, Callable[[Place], Dataset]] = {
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
    data: str | Sequence[str],
    *,
    root: Path | None = None,
    options: DataOptions | None = None,
    say: Callable[[str], None] = _say,
) -> Dataset:
    """Load a built-in set (one of NAMES), an .npz file, or a folder or list of images, or several of these together.

    Also hf:NAME or hf:PATH (Hugging Face) and torchvision:NAME.

    A built-in name wins over a path, and says so. Mean and std are the published ones
    for CIFAR, STL-10 and images of 8 bits, gray or color (ImageNet's), and computed otherwise.

    Args:
        data: One name or path, or several paths.
        root: Where built-in sets are looked for, and downloaded to.
        options: What decides where a folder or file could mean two things, and whether anything may be downloaded.
        say: Called with messages about a download.

    Raises:
        UserError: Nothing can be loaded; the sentence says what to pass.

    >>> digits = load_dataset("digits")
    >>> digits.train.images.shape, len(digits.test)
    (torch.Size([1397, 1, 8, 8]), 400)
    >>> digits.inventory().line()
    'digits: 1,397 images, 10 classes (0, 1, ...), 400 test images'
    """
    options = options or DataOptions()
    names = [data] if isinstance(data, str) else [*data]
    if not names:
        raise UserError("No data is named: pass a folder of images, or a built-in name such as digits, behind --data.")
    if len(names) == 1 and names[0] in SOURCES:
        loaded = SOURCES[names[0]](Place(root, options.download, say))
        if Path(names[0]).exists():
            note = f"the built-in set, not what lies here under this name: pass ./{names[0]} for that"
            loaded = replace(loaded, notes=(*loaded.notes, note))
        return loaded if options.classes is None else only_classes(loaded, options.classes)
    if len(names) == 1 and names[0].startswith("hf:"):
        loaded = from_hub(names[0].removeprefix("hf:"), options)
        return loaded if options.classes is None else only_classes(loaded, options.classes)
    if len(names) == 1 and names[0].startswith("torchvision:"):
        loaded = by_torchvision(names[0].removeprefix("torchvision:"), root, options)
        return loaded if options.classes is None else only_classes(loaded, options.classes)
    if len(names) == 1 and _is_npz(Path(names[0])):
        path = Path(names[0])
        read = read_npz(path, options)
        loaded = replace(measured(path.stem, read.images, read.test), range=read.range, notes=read.notes)
        return loaded if options.classes is None else only_classes(loaded, options.classes)
    return _images(names, options, say)


def _images(names: Sequence[str], options: DataOptions, say: Callable[[str], None]) -> Dataset:
    paths = [Path(name) for name in names]
    for name, path in zip(names, paths, strict=True):
        if not path.is_dir() and not (path.is_file() and path.suffix.lower() in ENDINGS):
            raise UserError(_unknown(name, path, several=len(names) > 1))
    read = read_folder(paths, options=options, say=say)
    channels = read.train.channels
    if channels not in (1, 3) or read.train.range is not None:
        mean, std = sampled(read.train)
    else:
        mean, std = (_GRAY_MEAN, _GRAY_STD) if channels == 1 else (IMAGENET_MEAN, IMAGENET_STD)
    title = ", ".join(path.resolve().stem if path.is_file() else path.resolve().name for path in paths)
    return Dataset(title, read.train, read.test, mean, std, read.left_out, read.notes, read.train.range)


def _is_npz(path: Path) -> bool:
    return path.suffix.lower() == ".npz" and path.is_file()


def _unknown(name: str, path: Path, *, several: bool) -> str:
    if several and (name in SOURCES or _is_npz(path)):
        return f"{name} is neither a folder nor a list, and only these can be read together: pass it alone."
    if path.exists():
        remedy = "pass a folder of images, a list of them (.txt, .csv) or an .npz file"
        return f"{name} is not a source of images: {remedy}."
    near = _beside(path)
    if near is not None:
        return f"{name} is neither a built-in data set nor an existing path: did you mean {near}?"
    hint = suggest(name.lower(), NAMES, otherwise=f"pass one of {', '.join(NAMES)}.")
    return f"{name} is neither a built-in data set nor an existing path: {hint[:-1]}, or a folder or an .npz file."


def _beside(path: Path) -> Path | None:
    """What lies beside a path that does not exist, under a name that is like its own."""
    try:
        names = [one.name for one in path.parent.iterdir()]
    except OSError:
        return None
    close = difflib.get_close_matches(path.name, names, n=1, cutoff=0.8)
    return path.with_name(close[0]) if close else None

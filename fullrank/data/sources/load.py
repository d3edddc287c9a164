"""From a name or a path to images: built-in sets, folders of pictures and .npz files."""

from __future__ import annotations

import gzip
import struct
import sys
import warnings
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fullrank.data.images import Dataset, ImageTensor, split
from fullrank.data.sources.folder import read_folder
from fullrank.data.sources.npz import read_npz
from fullrank.errors import UserError, suggest

NAMES = ("digits", "fashion-mnist", "cifar10", "cifar100", "stl10")

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_GRAY_MEAN, _GRAY_STD = (0.449,), (0.226,)  # ImageNet's, averaged over the channels
_DEBIAN_FASHION = Path("/usr/share/datasets/fashion-mnist")
_FASHION_CLASSES = (
    "T-shirt/top",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle boot",
)


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
    if name == "digits":
        return _digits()
    if name == "fashion-mnist":
        return _fashion_mnist(root, say)
    if name in ("cifar10", "cifar100"):
        return _cifar(name, root, say)
    if name == "stl10":
        return _stl10(root, say)
    path = Path(name)
    if path.is_dir():
        train, test = read_folder(path, max_corrupt=max_corrupt, say=say)
        mean, std = (_GRAY_MEAN, _GRAY_STD) if train.channels == 1 else (IMAGENET_MEAN, IMAGENET_STD)
        return Dataset(path.resolve().name, train, test, mean, std)
    if path.suffix.lower() == ".npz" and path.is_file():
        return _measured(path.stem, read_npz(path), None)
    raise UserError(_unknown(name, path))


def _unknown(name: str, path: Path) -> str:
    if path.exists():
        return f"{name} is no source of images: pass a folder of pictures or an .npz file."
    hint = suggest(name.lower(), NAMES, otherwise=f"the built-in names are {', '.join(NAMES)}.")
    return f"{name} is neither a built-in data set nor an existing path: {hint[:-1]}, or pass a folder or an .npz file."


def _measured(name: str, train: ImageTensor, test: ImageTensor | None) -> Dataset:
    """Add the mean and standard deviation of each channel of `train`, in float64 from the counts of 256 levels."""
    levels = torch.arange(256, dtype=torch.float64) / 255
    mean, std = [], []
    for channel in range(train.channels):
        counts = torch.zeros(256, dtype=torch.float64)
        for part in train.images[:, channel].split(8192):
            counts += torch.bincount(part.flatten(), minlength=256)
        share = counts / counts.sum()
        mean.append(float(share @ levels))
        std.append(float((share @ (levels - mean[-1]) ** 2).sqrt()) or 1.0)  # constant images: divide by one
    return Dataset(name, train, test, tuple(mean), tuple(std))


def _digits() -> Dataset:
    """The 8 x 8 digits inside scikit-learn, 0..16 scaled to 0..255; a stratified 400 of 1,797 are the test set."""
    from sklearn.datasets import load_digits

    data = load_digits()
    images = torch.from_numpy((data.images * (255 / 16)).round().astype(np.uint8)).unsqueeze(1)
    classes = tuple(str(name) for name in data.target_names)
    train, test = split(ImageTensor(images, torch.from_numpy(data.target).long(), classes), 400 / 1797, seed=0)
    return _measured("digits", train, test)


def _fashion_mnist(root: Path | None, say: Callable[[str], None]) -> Dataset:
    found = _fashion_folder(root)
    if found is None and root is not None:
        from torchvision.datasets import FashionMNIST

        _torchvision("fashion-mnist", root, say, FashionMNIST)
        found = _fashion_folder(root)
    if found is None:
        raise UserError(
            "fashion-mnist is not on this machine: pass --data-root with a folder to download it to, "
            "or install Debian's dataset-fashion-mnist."
        )
    parts = [
        ImageTensor(
            _idx(found, f"{part}-images-idx3-ubyte", (count, 28, 28)).unsqueeze(1),
            _idx(found, f"{part}-labels-idx1-ubyte", (count,)).long(),
            _FASHION_CLASSES,
        )
        for part, count in (("train", 60_000), ("t10k", 10_000))
    ]
    return _measured("fashion-mnist", *parts)


def _fashion_folder(root: Path | None) -> Path | None:
    places = [] if root is None else [root, root / "fashion-mnist", root / "FashionMNIST" / "raw"]
    for place in [*places, _DEBIAN_FASHION]:
        if any(place.glob("train-images-idx3-ubyte*")):
            return place
    return None


def _idx(folder: Path, name: str, shape: tuple[int, ...]) -> Tensor:
    """Read one uint8 file of the IDX format, plain or .gz, whose header must announce `shape` (yann.lecun.com)."""
    path = folder / name if (folder / name).exists() else folder / f"{name}.gz"
    header = struct.pack(f">HBB{len(shape)}I", 0, 8, len(shape), *shape)  # 8: unsigned bytes
    size = len(header) + int(np.prod(shape))
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            data = file.read(size + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"{path} cannot be read ({error}): download it again.") from error
    if len(data) != size or not data.startswith(header):
        raise UserError(
            f"{path} does not hold {' x '.join(map(str, shape))} bytes as its IDX header should say: download it again."
        )
    return torch.frombuffer(bytearray(data), dtype=torch.uint8, offset=len(header)).view(shape)


def _cifar(name: str, root: Path | None, say: Callable[[str], None]) -> Dataset:
    from torchvision.datasets import CIFAR10, CIFAR100  # they unpickle, but only files with the right MD5

    kind = CIFAR10 if name == "cifar10" else CIFAR100
    parts = []
    for train in (True, False):
        source = _torchvision(name, root, say, partial(kind, train=train))
        images = torch.from_numpy(source.data).permute(0, 3, 1, 2).contiguous()
        parts.append(ImageTensor(images, torch.tensor(source.targets), tuple(source.classes)))
    if name == "cifar10":
        return Dataset(name, parts[0], parts[1], (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616))
    return Dataset(name, parts[0], parts[1], (0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762))


def _stl10(root: Path | None, say: Callable[[str], None]) -> Dataset:
    """Train on all 105,000 images of `train` and `unlabeled`, label -1 for the latter; test on `test`."""
    from torchvision.datasets import STL10

    parts = []
    for part in ("train+unlabeled", "test"):
        source = _torchvision("stl10", root, say, partial(STL10, split=part))
        labels = torch.from_numpy(source.labels).long()
        parts.append(ImageTensor(torch.from_numpy(source.data), labels, tuple(source.classes)))
    return Dataset("stl10", parts[0], parts[1], (0.4467, 0.4398, 0.4066), (0.2603, 0.2566, 0.2713))


def _torchvision(name: str, root: Path | None, say: Callable[[str], None], make: Callable[..., Any]) -> Any:
    """Make a torchvision data set from what lies in `root`, downloaded first where it is missing."""
    if root is None:
        raise UserError(f"{name} needs a folder to be read from or downloaded to: pass --data-root.")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # NumPy's remarks about how old files were pickled
        try:
            return make(root, download=False)
        except RuntimeError:  # torchvision's word for: not there, or another checksum
            say(f"{name} is not in {root}: downloading it with torchvision.")
        try:
            return make(root, download=True)
        except (OSError, RuntimeError) as error:
            raise UserError(
                f"{name} cannot be downloaded to {root} ({error}): check the network, or put the files there by hand."
            ) from error

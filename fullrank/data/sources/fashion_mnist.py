"""Fashion-MNIST: of Debian, of a folder, or downloaded by torchvision."""

from __future__ import annotations

import gzip
import struct
import zlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from fullrank.data.images import Dataset, ImageTensor
from fullrank.data.sources.pixels import measured
from fullrank.data.sources.torchvision_sets import Place, from_torchvision
from fullrank.errors import UserError

_DEBIAN = Path("/usr/share/datasets/fashion-mnist")
_CLASSES = (
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


def fashion_mnist(place: Place) -> Dataset:
    found = _folder(place.root)
    if found is None and place.root is not None:
        from torchvision.datasets import FashionMNIST

        from_torchvision("fashion-mnist", place, FashionMNIST)
        found = _folder(place.root)
    if found is None:
        raise UserError(
            "fashion-mnist is not on this machine: pass --data-root with a folder to download it to, and --download, "
            "or install Debian's dataset-fashion-mnist."
        )
    parts = [
        ImageTensor(
            _idx(found, f"{part}-images-idx3-ubyte", (count, 28, 28)).unsqueeze(1),
            _idx(found, f"{part}-labels-idx1-ubyte", (count,)).long(),
            _CLASSES,
        )
        for part, count in (("train", 60_000), ("t10k", 10_000))
    ]
    return measured("fashion-mnist", *parts)


def _folder(root: Path | None) -> Path | None:
    places = [] if root is None else [root, root / "fashion-mnist", root / "FashionMNIST" / "raw"]
    for place in [*places, _DEBIAN]:
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

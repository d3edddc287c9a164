"""Folders of small images by the names of what is in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from fullrank.data import DataOptions, Dataset, ImageFolder, load_dataset


def tree(root: Path, *places: str, count: int = 2) -> Path:
    """Images, or an empty file, at each place: "a/b" is a folder of `count`, "a/b.png" one of this name."""
    for place in places:
        path = root / place
        ending = path.suffix
        files = [path] if ending or place == "LICENSE" else [path / f"{number}.png" for number in range(count)]
        for file in files:
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (4, 4)).save(file) if file.suffix == ".png" else file.touch()
    return root


def understood(root: Path, **options: object) -> str:
    """The line, without the name of the data."""
    return load_dataset(str(root), options=DataOptions(**options)).inventory().line().removeprefix(f"{root.name}: ")  # type: ignore[arg-type]


def load(path: Path, **options: Any) -> Dataset:
    return load_dataset(str(path), options=DataOptions(**options))


def pixels(data: Dataset, index: int = 0) -> npt.NDArray[Any]:
    assert isinstance(data.train, ImageFolder)
    return np.asarray(data.train.open(index))


def line(data: Dataset) -> str:
    return data.inventory().line()


def deep(folder: Path, top: int, *, low: int = 0, count: int = 3) -> list[npt.NDArray[Any]]:
    """Gray 16-bit PNG files whose values fill low..top."""
    folder.mkdir(exist_ok=True)
    arrays = []
    for number in range(count):
        values = np.linspace(low, top, 32 * 32).astype(np.uint16)
        arrays.append(np.random.default_rng(number).permutation(values).reshape(32, 32))
        Image.fromarray(arrays[-1]).save(folder / f"{number}.png")
    return arrays

"""A set of small images of one size in one file of arrays, from which FullRank trains without decoding files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from fullrank.data import load_dataset
from fullrank.data.images import ImageFolder, ImageSet


def as_arrays(folder: Path) -> Path:
    """Write FOLDER.npz beside a folder with train/ and test/; raises ValueError where images differ in size."""
    data = load_dataset(str(folder))
    if data.test is None:
        raise ValueError(f"{folder} has no test images")
    arrays = {**_split("train", data.train), **_split("test", data.test)}
    file = folder.with_name(f"{folder.name}.npz")
    np.savez(file, **arrays)
    return file


def _split(name: str, images: ImageSet) -> dict[str, Any]:
    assert isinstance(images, ImageFolder)
    assert images.labels is not None
    pixels = np.stack([np.asarray(images.open(row)) for row in range(len(images))])
    labels = np.array([images.classes[label] for label in images.labels.tolist()])
    return {f"{name}_images": pixels, f"{name}_labels": labels}

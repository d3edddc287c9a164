"""The images of the bench, decoded once, and what is measured of features of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import fullrank
from fullrank.data import Dataset, ImageSet, load_dataset, plain_batches
from fullrank.errors import UserError
from fullrank.evaluation.frozen.score import score
from fullrank.metrics import lidar, nesum
from fullrank.metrics.summary import summarize

LOOKED_AT = 1000  # training images whose features are measured, the same ones for all
JUDGES = 10_000  # training images, at most, among which neighbors are looked for and of which the probe learns
AUGMENTED = 128  # of them, those whose views LiDAR takes
VIEWS = 8  # of each


@dataclass(frozen=True, eq=False)
class Labeled:
    """Images (N, C, S, S) uint8 and their labels (N,)."""

    images: Tensor
    labels: Tensor


@dataclass(frozen=True, eq=False)
class Images:
    """What is trained on, and the images of other units that are asked about."""

    train: Labeled
    test: Labeled

    @property
    def looked_at(self) -> Tensor:
        """The training images whose features are measured."""
        return self.train.images[self._order[:LOOKED_AT]]

    @property
    def judges(self) -> Labeled:
        """The training images that judge the test images."""
        some = self._order[:JUDGES].sort().values
        return Labeled(self.train.images[some], self.train.labels[some])

    @property
    def _order(self) -> Tensor:
        return torch.randperm(len(self.train.images), generator=torch.Generator().manual_seed(0))


def read(folder: Path, size: int) -> Images:
    """The images of a folder with train/CLASS and test/CLASS, or of a built-in set; a UserError without labels."""
    return whole(load_dataset(str(folder)), size)


def whole(dataset: Dataset, size: int) -> Images:
    """The images of a data set at a size; raises UserError where it has no test images, or one without a label."""
    if dataset.test is None:
        raise UserError(f"{dataset.name} has no test images: pass a folder with train/CLASS and test/CLASS.")
    return Images(_labeled(dataset.train, size, dataset.name), _labeled(dataset.test, size, dataset.name))


def _labeled(images: ImageSet, size: int, name: str) -> Labeled:
    if images.labels is None or (images.labels < 0).any():
        raise UserError(f"{name} has images without a label: pass a folder with train/CLASS and test/CLASS.")
    return Labeled(torch.cat(list(plain_batches(images, size=size))), images.labels)


def features(encode: Callable[[Tensor], Tensor], images: Tensor, batch: int = 500) -> Tensor:
    """Features (N, F) of images uint8, float32."""
    with torch.inference_mode():
        rows = torch.cat([encode(part).float() for part in images.split(batch)])
    return rows.clone()


def accuracies(encode: Callable[[Tensor], Tensor], images: Images, seed: int) -> dict[str, float]:
    """Accuracy of 20 neighbors and of a linear probe on the test images; the penalty is chosen on training images."""
    judges = images.judges
    train, test = (features(encode, part.images) for part in (judges, images.test))
    found = score(train, judges.labels, test, images.test.labels, seed=seed)
    return {"knn": found.knn, "linear": found.linear.test_accuracy}


def numbers(z: Tensor, views: Tensor | None, profile: str) -> dict[str, Any]:
    """Label-free numbers of features z (N, F), LiDAR of views (V, n, F), and what the judge says."""
    found: dict[str, Any] = {**summarize(z), "nesum": nesum(z)}
    if views is not None:
        found["lidar"] = lidar(views)
    report = fullrank.diagnose(z, profile=profile)
    return {**found, "verdict": report.verdict, "kind": report.kind}

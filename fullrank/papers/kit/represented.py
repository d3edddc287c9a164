"""Images as the finished trainings of an experiment represent them; on a GPU where there is one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from fullrank.data import ImageSet, load_dataset
from fullrank.errors import UserError
from fullrank.evaluation import knn_accuracy, ridge_accuracy
from fullrank.evaluation.features import features_of
from fullrank.nn import SavedEncoder, load_encoder
from fullrank.papers.kit.experiment import Settings

Labeled = tuple[Tensor, Tensor]
"""Features (N, F) and labels (N,)."""

_LARGE = 10_000  # test images, which tell half of them by the other half


def image_sets(settings: Settings) -> tuple[ImageSet, ImageSet]:
    """The training and test images of an experiment; raises UserError where there is no test set."""
    dataset = load_dataset(settings.data, root=settings.data_root)
    if dataset.test is None:
        raise UserError(f"{settings.data} has no test images: pass a data set that has some.")
    return dataset.train, dataset.test


def represent(encoder: SavedEncoder, images: ImageSet) -> Labeled:
    """The frozen representation (N, F) of images, and their labels (N,); raises UserError where they have none."""
    if images.labels is None:
        raise UserError("These images have no labels: pass a data set that has some.")
    return torch.cat([*features_of(encoder, images)]), images.labels


def saved(run: Path) -> SavedEncoder:
    """The encoder of a finished run."""
    return load_encoder(run / "encoder.safetensors")


def unseen(settings: Settings, runs: Mapping[str, Sequence[Path]]) -> Iterator[tuple[str, Labeled, Labeled | None]]:
    """The case, the represented test images, and the training images if the test set is small, of every finished run.

    Case by case, in the order of the seeds.
    """
    train, test = image_sets(settings)
    for case, folders in runs.items():
        for folder in folders:
            encoder = saved(folder)
            known = represent(encoder, train) if len(test) < _LARGE else None
            yield case, represent(encoder, test), known


def split(test: Labeled, known: Labeled | None = None) -> tuple[Labeled, Labeled]:
    """The images that are known, and those that they judge.

    Without known images every second test image is judged by those between. Of Fashion-MNIST these are 5,000 judged,
    which tells an accuracy of 80 % to 0.6 points. A small test set is judged whole by the training images: half of it
    would be few, and neighbors in it may be near-duplicates, as the frames of one sprite are.
    """
    if known is not None:
        return known, test
    z, labels = test
    return (z[1::2], labels[1::2]), (z[::2], labels[::2])


def unseen_accuracy(test: Labeled, known: Labeled | None = None) -> tuple[float, float]:
    """Accuracy (%) by neighbors and by ridge regression of the images that `split` asks."""
    given, asked = split(test, known)
    return 100 * knn_accuracy(*given, *asked), 100 * ridge_accuracy(*given, *asked)


ByCase = dict[str, list[float]]


def unseen_accuracies(settings: Settings, runs: Mapping[str, Sequence[Path]]) -> tuple[ByCase, ByCase]:
    """`unseen_accuracy` of every finished run by case, in the order of the seeds: by neighbors, and linear."""
    knn: ByCase = {case: [] for case in runs}
    linear: ByCase = {case: [] for case in runs}
    for case, test, training in unseen(settings, runs):
        for found, value in zip((knn, linear), unseen_accuracy(test, training), strict=True):
            found[case].append(value)
    return knn, linear

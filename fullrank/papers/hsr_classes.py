"""How well an encoder tells classes apart that it was never shown, for HSR-BYOL (Durrant & Leontidis, 2022)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from fullrank.data import load_dataset
from fullrank.errors import UserError
from fullrank.evaluate import knn_accuracy
from fullrank.metrics import separability
from fullrank.papers.experiment import Settings
from fullrank.papers.training import represent

RATIO, SILHOUETTE, ACCURACY = "between / within", "silhouette", "kNN (%)"


def on_test_images(settings: Settings, runs: Mapping[str, Sequence[Path]]) -> dict[str, dict[str, list[float]]]:
    """RATIO, SILHOUETTE and ACCURACY of the test images' representations: each by case, in the order of the seeds.

    kNN judges every second image by those between. The paper's own measure of separability is not known to us: ratio
    and silhouette are those of `fullrank.metrics.separability`.
    """
    images = load_dataset(settings.data, root=settings.data_root).test
    if images is None:
        raise UserError(f"{settings.data} has no test set: pass one that has.")
    found: dict[str, dict[str, list[float]]] = {name: {} for name in (RATIO, SILHOUETTE, ACCURACY)}
    for case, folders in runs.items():
        for folder in folders:
            z, labels = represent(folder, images)
            classes = separability(z, labels)
            accuracy = 100 * knn_accuracy(z[1::2], labels[1::2], z[::2], labels[::2])
            values = {RATIO: classes["ratio"], SILHOUETTE: classes["silhouette"], ACCURACY: accuracy}
            for name, value in values.items():
                found[name].setdefault(case, []).append(float("nan") if value is None else value)
    return found

"""How well an encoder tells classes apart that it was never shown, for HSR-BYOL (Durrant & Leontidis, 2022)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from fullrank.metrics import separability
from fullrank.papers.experiment import Settings
from fullrank.papers.represented import unseen, unseen_accuracy

RATIO, SILHOUETTE, ACCURACY = "between / within", "silhouette", "kNN (%)"


def on_test_images(settings: Settings, runs: Mapping[str, Sequence[Path]]) -> dict[str, dict[str, list[float]]]:
    """RATIO, SILHOUETTE and ACCURACY of the test images' representations: each by case, in the order of the seeds.

    The paper's own measure of separability is not known to us: ratio and silhouette are those of
    `fullrank.metrics.separability`.
    """
    found: dict[str, dict[str, list[float]]] = {name: {} for name in (RATIO, SILHOUETTE, ACCURACY)}
    for case, (z, labels) in unseen(settings, runs):
        classes = separability(z, labels)
        values = {RATIO: classes["ratio"], SILHOUETTE: classes["silhouette"], ACCURACY: unseen_accuracy(z, labels)}
        for name, value in values.items():
            found[name].setdefault(case, []).append(float("nan") if value is None else value)
    return found

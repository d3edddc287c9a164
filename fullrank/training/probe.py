"""Is it collapsing? Read off a fixed probe set, in eval mode, with the current weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from fullrank.data import ImageSet, ImageTensor, Views, labeled, plain_rows, split
from fullrank.data.missing import Missing
from fullrank.evaluation import knn_accuracy
from fullrank.losses import log_determinant_mutual_information
from fullrank.methods import Method
from fullrank.metrics import Cloud, summarize
from fullrank.nn import evaluating

_BATCH = 128  # images: maps of more leave the cache of a processor
_PAIRS = 512  # images whose two augmented views give alignment and mutual information
_KNOWN = 0.9  # share of images with labels from which on the others are left out of the probe
_PER_FEATURE = 3  # pairs for each feature of the embedding: with fewer, chance alone makes views informative


@dataclass(frozen=True, eq=False)
class Probe:
    """Images (N, C, S, S) uint8 of the training set by seed, labels (N,) if all are known, and names of classes."""

    images: Tensor
    labels: Tensor | None
    classes: tuple[str, ...] = ()

    def knn_of_pixels(self) -> float | None:
        """The kNN accuracy of the raw pixels, which an encoder has to beat."""
        return _knn(self.images.flatten(1).float(), self.labels)


@runtime_checkable
class HasSpectra(Protocol):
    """A part of a method that has eigenvalues of its own to be watched, like a running covariance."""

    def spectra(self) -> dict[str, Tensor]:
        """Name -> eigenvalues (K,), largest first; names and K stay the same for the whole training."""


@dataclass(frozen=True, eq=False)
class Reading:
    """One look at a method: its numbers (a row of metrics.jsonl), spectra, and the features they came from."""

    row: dict[str, Any]
    spectra: dict[str, Tensor]
    representation: Tensor
    embedding: Tensor


def take_probe(images: ImageSet, *, size: int, count: int, seed: int, missing: Missing | None = None) -> Probe:
    """A seeded sample of at most `count` training images at `size` pixels, un-augmented.

    Where at most a tenth of the images has no label, these are not a part of it. In the place of an image that cannot
    be read any more comes another with its own label, if `missing` notes it.
    """
    if images.labels is not None and (images.labels >= 0).double().mean() >= _KNOWN:
        images = labeled(images)
    several = images.labels is not None and 2 * len(images.labels.unique()) <= count  # else a class is asked by one
    chosen = images if len(images) <= count else split(images, count / len(images), seed, by_class=several)[1]
    pixels, rows = map(torch.cat, zip(*plain_rows(chosen, size, missing=missing), strict=True))
    known = chosen.labels is not None and bool((chosen.labels >= 0).all())
    order = torch.randperm(len(pixels), generator=torch.Generator().manual_seed(seed))
    labels = chosen.labels[rows[order]] if known and chosen.labels is not None else None
    return Probe(pixels[order], labels, images.classes)


def probe_size(images: ImageSet, asked: int | None) -> int:
    """How many images to look at: what was asked for, else 2,000 in memory and 500 of a folder."""
    return asked if asked is not None else 2000 if isinstance(images, ImageTensor) else 500


@torch.no_grad()
def read(method: Method, probe: Probe, views: Views) -> Reading:
    """Collapse numbers of backbone and embedding, and the kNN accuracy of a quarter of the probe by the rest.

    The spectra are those of both, and of every part of the method that `HasSpectra`.
    """
    device = next(method.parameters()).device
    with evaluating(method), torch.autocast(device.type, enabled=False):
        representation, embedding = _embed(method, [views.plain(part) for part in probe.images.split(_BATCH)], device)
        some = probe.images[:_PAIRS]
        parameters = views.draw(len(some), some.shape[2], some.shape[3], torch.Generator().manual_seed(0))
        first, second = (_embed(method, view.split(_BATCH), device)[1] for view in views.apply(some, parameters)[:2])
    backbone, embedded = Cloud(representation), Cloud(embedding)
    row = {
        "knn": _knn(representation, probe.labels),
        "backbone": summarize(backbone),
        "embedding": summarize(embedded, alignment_pair=(first, second)) | _mutual_information(first, second),
    }
    clouds = {"backbone": backbone, "embedding": embedded}
    spectra = {name: cloud.spectrum * cloud.scale**2 for name, cloud in clouds.items()}
    for part in method.modules():
        if isinstance(part, HasSpectra):
            spectra |= {name: values.cpu() for name, values in part.spectra().items()}
    return Reading(row, spectra, representation, embedding)


def _embed(method: Method, batches: Sequence[Tensor], device: torch.device) -> tuple[Tensor, Tensor]:
    representation = [method.encoder(batch.to(device)) for batch in batches]
    embedding = [method.projector(part) for part in representation]
    return torch.cat(representation).float().cpu(), torch.cat(embedding).float().cpu()


def _mutual_information(first: Tensor, second: Tensor) -> dict[str, float]:
    """Log-determinant mutual information of two views (n, D), 4 I / D in nats, where n is enough for D.

    "ldmi_by_chance" is that of each view with the view of another image: what so few pairs show of independent views.
    """
    if len(first) < _PER_FEATURE * first.shape[1]:
        return {}
    pairs = {"ldmi": second, "ldmi_by_chance": second.roll(1, 0)}
    return {
        name: -float(log_determinant_mutual_information(torch.stack([first, other]))["loss"])
        for name, other in pairs.items()
    }


def _knn(features: Tensor, labels: Tensor | None) -> float | None:
    queries = len(features) // 4
    if labels is None or queries == 0:
        return None
    return knn_accuracy(features[queries:], labels[queries:], features[:queries], labels[:queries])

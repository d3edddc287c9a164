"""CW-RGP (Weng, Huang, Zhao, Anwer, Khan & Khan, 2022), arXiv:2210.03586. V views, N samples, D features."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from fullrank.losses.declaration import Point, declare
from fullrank.losses.module import SlicedLoss
from fullrank.losses.terms import COUNT, Rule, Terms, combine, embedding_loss, is_whole
from fullrank.losses.w_mse import whitened_distance
from fullrank.stats import center, spectral_of_centered

SIZE = Rule("a whole number of at least 2", lambda size: is_whole(size) and size >= 2)


@declare(
    formula="2 − 2c after ZCA whitening of the samples, in G random groups of features",
    cost="NDK + GK³",
    point=Point(lambda: 2.0, at_zero=True),
    blind_to=(
        "the norm, and the offset of each sample. Where the views agree, it sees only in which groups they were "
        "whitened; it is noise between the views that keeps the rank up, and one point from being the best."
    ),
    breaks={
        **dict.fromkeys(
            ("point", "escape", "escape of few samples", "revival"),
            "whitening makes a cloud of any noise; where views agree, only their groups differ",
        ),
        **dict.fromkeys(("order of views", "mean over pairs"), "each view has random groups of its own"),
        "rotation": "takes features in groups, and centers every sample over them",
    },
)
@embedding_loss(settings={"size": SIZE, "groups": COUNT, "iterations": COUNT})
def cw_rgp(z: Tensor, *, size: int | None = None, groups: int = 4, iterations: int = 1, seed: int = 0) -> Terms:
    """2 - 2 cos between the views of a sample after channel whitening in random groups of features.

    Each sample is centered over its features. The features of every view are divided at random into `groups`, and each
    group is ZCA-whitened by the covariance of the samples over its features (n x n, divisor D / groups - 1), with
    gradient in every view. The distance is the mean over samples and pairs of views. Like `w_mse`, it whitens random
    sub-batches of about `size` samples and averages over `iterations` divisions. A group should have more features than
    the sub-batch has samples: the authors' scripts take 512 features in 4 groups and 64 samples, or 1024 in 2 and 128.
    The rest is the authors' code, except that groups may differ by one feature and that eigenvalues are floored at
    1e-10 of the largest.

    Args:
        z: Embeddings (V, N, D).
        size: Samples that are whitened together; None is the whole batch.
        groups: Number of groups of features.
        iterations: Number of random divisions into sub-batches, over which the loss is averaged.
        seed: Decides the divisions; pass the training step.

    >>> cw_rgp(torch.ones(2, 8, 4))["loss"]  # zeros, once they are centered: nothing is left to compare
    tensor(2.)
    """
    generator = torch.Generator().manual_seed(seed)
    whiten = partial(_whiten, groups=groups, generator=generator)
    distance = whitened_distance(z, whiten, size=size, iterations=iterations, generator=generator)
    return combine({"cw_rgp": (1.0, distance)})


class CWRGP(SlicedLoss, function=cw_rgp): ...


def _whiten(view: Tensor, groups: int, generator: torch.Generator) -> Tensor:
    """A view (n, D) after whitening its samples in random groups of its features."""
    x, _ = center(view, "channel", dtype=torch.float64)
    features = x.shape[1]
    order = torch.randperm(features, generator=generator).to(x.device)
    parts = x[:, order].tensor_split(min(groups, features), 1)
    white = [spectral_of_centered(part, torch.rsqrt, max(part.shape[1] - 1, 1)) for part in parts]
    return torch.cat(white, 1)[:, order.argsort()].to(view.dtype)

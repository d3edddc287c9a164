"""W-MSE (Ermolov et al., 2021), arXiv:2007.06346. V views, N samples, D features."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from itertools import combinations
from typing import Literal, get_args

import torch
from torch import Tensor

from fullrank.errors import UserError, suggest
from fullrank.losses.declaration import declare
from fullrank.losses.module import SlicedLoss
from fullrank.losses.terms import COUNT, WEIGHT, Terms, combine, embedding_loss, mean_of
from fullrank.stats import center, normalize, spectral, triangular_white

Whitening = Literal["cholesky", "zca"]


@declare(
    formula="2 − 2c after Cholesky whitening",
    cost="ND² + D³",
    breaks={
        **dict.fromkeys(
            ("shape", "rank", "escape", "escape of few samples", "revival"),
            "whitened views that agree are at the optimum, whatever their rank",
        ),
        "rotation": "a Cholesky factor takes the features in their order",
    },
    point=2.0,
    blind_to=(
        "offset and scale, with Cholesky of every single feature, and to every collapse but that to one "
        "point: where the views agree, the loss is zero at any rank. It is noise between the views that "
        "keeps the rank up."
    ),
)
@embedding_loss(settings={"size": COUNT, "iterations": COUNT, "eps": WEIGHT})
def w_mse(
    z: Tensor,
    *,
    size: int | None = None,
    iterations: int = 1,
    whitening: Whitening = "cholesky",
    eps: float = 1e-8,
    seed: int = 0,
) -> Terms:
    """2 - 2 cos between the views of a sample after whitening, averaged over pairs of views.

    Each view is whitened by the covariance (divisor n - 1) of random sub-batches of `size` samples, the same ones for
    all views, with gradient in every view; `iterations` such divisions are averaged.

    Args:
        z: Embeddings (V, N, D).
        size: Samples that are whitened together; take at least 2 D. None, the authors' default, is the whole batch. If
            it does not divide N, the sub-batches are a little larger.
        iterations: Number of random divisions into sub-batches, over which the loss is averaged.
        whitening: "cholesky" is the authors'; "zca" stays as close to z as whitening can.
        eps: What Cholesky adds to the covariance, times the mean variance. It is ours: theirs adds nothing and fails
            below full rank.
        seed: Decides the divisions; pass the training step.

    Raises:
        UserError: z cannot be used, size < 2, the whitening is unknown, or eps is too small for a covariance below
            full rank.

    >>> w_mse(torch.ones(2, 8, 4))["loss"]  # one point: nothing is left to compare
    tensor(2.)
    """
    if size is not None and not size >= 2:
        raise UserError(f"w_mse got sub-batches of size {size}, which have no covariance: pass at least 2, better 2 D.")
    if whitening not in get_args(Whitening):
        hint = suggest(whitening, get_args(Whitening), otherwise=f"pass {' or '.join(get_args(Whitening))}.")
        raise UserError(f"w_mse got whitening={whitening!r}: {hint}")
    whiten = partial(cholesky, eps=eps) if whitening == "cholesky" else partial(spectral, g=torch.rsqrt)
    generator = torch.Generator().manual_seed(seed)
    distance = whitened_distance(z, whiten, size=size, iterations=iterations, generator=generator)
    return combine({"w_mse": (1.0, distance)})


class WMSE(SlicedLoss, function=w_mse): ...


def whitened_distance(
    z: Tensor, whiten: Callable[[Tensor], Tensor], *, size: int | None, iterations: int, generator: torch.Generator
) -> Tensor:
    """2 - 2 cos between the whitened views of a sample, mean over samples and pairs of views of z (V, N, D).

    Random sub-batches of about `size` samples, the same for all views, are whitened; None is all N samples.

    >>> whitened_distance(torch.eye(2)[:, None], lambda x: x, size=None, iterations=1, generator=torch.Generator())
    tensor(2.)
    """
    samples, losses = z.shape[1], []
    parts = max(1, samples // size) if size is not None else 1
    for _ in range(iterations):
        for rows in torch.randperm(samples, generator=generator).to(z.device).tensor_split(parts):
            white = normalize(torch.stack([whiten(view) for view in (z if parts == 1 else z.index_select(1, rows))]))
            cosine = mean_of([(a * b).sum(1) for a, b in combinations(white, 2)])
            losses.append((2 - 2 * cosine).sum())  # a sum, since the sub-batches may differ by one sample
    return torch.stack(losses).sum() / (iterations * samples)


def cholesky(view: Tensor, eps: float) -> Tensor:
    """Rows L^-1 x of a view (n, D), for its centered x and the covariance L L^T (divisor n - 1, plus a ridge).

    >>> white = cholesky(torch.tensor([[3.0, 1.0], [-3.0, 1.0], [0.0, -2.0]]), 1e-8)
    >>> white.T.cov().allclose(torch.eye(2), atol=1e-6)
    True
    """
    x, _ = center(view, "batch", dtype=torch.float64)
    white, failed = triangular_white(x, eps / x.shape[1])
    if bool(failed) and not bool(x.isfinite().all()):
        return x.to(view.dtype) * torch.nan
    if bool(failed) or (eps == 0 and len(x) <= x.shape[1]):
        raise UserError(
            f"w_mse cannot whiten {len(x)} samples of {x.shape[1]} features, because their covariance is not of full "
            "rank: take sub-batches of more samples, or a larger eps."
        )
    return white.to(view.dtype) * math.sqrt(len(x) - 1)

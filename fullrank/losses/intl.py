"""INTL (Weng et al., "Modulate Your Spectrum", 2024), arXiv:2305.16789. V views, N samples, D features."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from fullrank.errors import UserError
from fullrank.losses.declaration import Point, declare
from fullrank.losses.module import EmbeddingLoss, PairLoss
from fullrank.losses.terms import STEPS, WEIGHT, Terms, combine, embedding_loss
from fullrank.stats import Axis, newton, normalize


def intl_beta(size: int) -> float:
    """Weight of the trace loss for a size x size covariance by the rule of the authors' code, 0.01 (log2(size) - 3).

    The rule is zero or negative up to size 8; the floor 0.01, its value at 16, is ours.

    Args:
        size: Rows of the covariance, at least 1.

    >>> intl_beta(256), intl_beta(4)
    (0.05, 0.01)
    """
    return max(0.01, 0.01 * (math.log2(size) - 3))


def _trace_of_a_point(batch_size: int) -> float:
    """The weighted trace loss of one view: one direction among the samples keeps its variance."""
    return intl_beta(batch_size) * batch_size * (1 - 1 / batch_size) ** 2


@declare(
    formula="2 − 2c + β Σ (1 − variance)², after T Newton steps of whitening",
    cost="NDK + TK³",
    weights={"trace": lambda z: intl_beta(z.shape[1])},
    breaks={
        "rotation": "centers every sample over its features",
        "mean over pairs": "pairs with the anchor, view 0, only",
        "order of views": "view 0 is the anchor",
    },
    point=Point(lambda batch_size: 2 * _trace_of_a_point(batch_size)),
    blind_to=('norm and offset, of each sample or each feature. Near one point axis="batch" has next to no gradient.'),
)
@embedding_loss(settings={"iterations": STEPS, "beta": WEIGHT})
def intl(z: Tensor, *, axis: Axis = "channel", iterations: int = 4, beta: float | None = None) -> Terms:
    """INTL: Newton-whiten each view, then align it with view 0 and push all variances towards 1.

    This is the authors' code. The term `similarity` is 2 - 2 cos to the anchor, view 0, averaged over the other views.
    The term `trace` is the sum of (1 - variance)^2 over the whitened samples or features, averaged over the same views,
    plus that of the anchor. The trace has a floor: 210 per view is the optimum at size 256 with 4 iterations.

    Args:
        z: Embeddings (V, N, D).
        axis: What is whitened: "channel", the authors' default, the samples with their N x N covariance, "batch" the
            features with their D x D covariance.
        iterations: Steps of Newton's iteration; 0 centers, and whitens nothing.
        beta: Weight of `trace`; None takes `intl_beta` of N or D, whichever is whitened.

    >>> intl(torch.ones(2, 8, 4), axis="batch", beta=0.05)["loss"]  # one point: 2 + 2 beta D
    tensor(2.4000)
    """
    whitened = _whiten(z, axis, iterations)
    trace = _trace(whitened, axis)
    cosine = (normalize(whitened[1:]) * normalize(whitened[0])).sum(2)
    weight = _weight(z, axis, beta)
    return combine({"similarity": (1.0, 2 - 2 * cosine.mean()), "trace": (weight, trace[1:].mean() + trace[0])})


class INTL(EmbeddingLoss, function=intl): ...


@declare(
    formula="INTL with whitened targets that get no gradient",
    cost="NDK + TK³",
    weights={"trace": lambda z: intl_beta(z.shape[1])},
    point=Point(_trace_of_a_point),
    blind_to="what `intl` is blind to.",
)
@embedding_loss(min_views=1, settings={"iterations": STEPS, "beta": WEIGHT})
def intl_with_teacher(
    prediction: Tensor, target: Tensor, *, axis: Axis = "channel", iterations: int = 4, beta: float | None = None
) -> Terms:
    """INTL between a student's embeddings and a teacher's embeddings of other views, which get no gradient.

    This is the authors' code with multi-crop (`intl_m`), where the teacher sees view 0 alone (T = 1) and the student
    only the other views. The term `similarity` is 2 - 2 cos of the Newton-whitened embeddings, averaged over all pairs
    of student and teacher. The term `trace` is as in `intl`, averaged over the student's views, without one for the
    target. The two directions are not added up.

    Args:
        prediction: The student's embeddings (V, N, D).
        target: The teacher's embeddings (T, N, D) of other views of the same samples.
        axis: As in `intl`.
        iterations: As in `intl`.
        beta: As in `intl`.

    >>> intl_with_teacher(torch.ones(1, 8, 4), torch.ones(1, 8, 4), axis="batch", beta=0.05)["loss"]  # 2 + beta D
    tensor(2.2000)
    """
    whitened = _whiten(prediction, axis, iterations)
    fixed = _whiten(target.detach().to(prediction.dtype), axis, iterations)
    cosine = torch.einsum("vnd,tnd->vtn", normalize(whitened), normalize(fixed))
    weight = _weight(prediction, axis, beta)
    return combine({"similarity": (1.0, 2 - 2 * cosine.mean()), "trace": (weight, _trace(whitened, axis).mean())})


class INTLWithTeacher(PairLoss, function=intl_with_teacher): ...


def _whiten(z: Tensor, axis: Axis, iterations: int) -> Tensor:
    """The views of z (V, N, D), each whitened separately."""
    if axis == "channel" and z.shape[2] < 2:
        raise UserError(
            'intl got embeddings of one feature, along which axis="channel" has no variance: pass 2 or more.'
        )
    return torch.stack([newton(view, iterations, axis=axis) for view in z])


def _trace(whitened: Tensor, axis: Axis) -> Tensor:
    """Sum of (1 - variance)^2 of each view, (V,): of the output covariance only the diagonal."""
    return (1 - whitened.var(2 if axis == "channel" else 1)).square().sum(1)


def _weight(z: Tensor, axis: Axis, beta: float | None) -> float:
    """beta, or the rule's for the covariance that is whitened: N x N or D x D."""
    return intl_beta(z.shape[1] if axis == "channel" else z.shape[2]) if beta is None else beta

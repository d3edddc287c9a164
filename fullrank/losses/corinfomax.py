"""CorInfoMax (Ozsoy et al., 2022), arXiv:2209.07999, and the mutual information it approximates. z (V, N, D)."""

from __future__ import annotations

import math
from itertools import combinations

import torch
from torch import Tensor, nn

from fullrank.errors import UserError
from fullrank.losses.declaration import declare
from fullrank.losses.module import EmbeddingLoss
from fullrank.losses.terms import CONSTANT, SHARE, WEIGHT, Terms, combine, embedding_loss, finite_or
from fullrank.stats import eigvalsh, log_determinant, normalize


@declare(
    formula="500 mean squared difference − Σ log det(R + εI)/D, R: running covariance",
    cost="ND² + D³",
    weights={"invariance": 500.0},
    point=-2 * math.log(1e-8),
    blind_to=("the norm. A batch that is exactly one point gets next to no gradient; almost one point, a large one."),
)
class CorInfoMax(nn.Module):
    """CorInfoMax: pull the views together and keep the volume of each view's running covariance.

    The term `invariance` is the mean squared difference of two views, over elements and pairs of views. The term
    `log_determinant` is -(1/D) log det(R + eps I), summed over two views; with V views, it is twice the mean. In the
    authors' order,

        mean <- mean_memory * mean + (1 - mean_memory) * batch mean
        R <- covariance_memory * R + (1 - covariance_memory) * batch covariance about the new mean (divisor N)

    and the loss takes the new R. The gradient goes through both lines, but not into the old state. R starts as the
    identity and the mean at zero; a module in eval mode leaves its state as it is. Each view has a state of its own, so
    pass the views in the same order every time. The state is float64, and is in `state_dict`.

    The invariance weight 500 is the default of the authors' code, and that of their commands for Tiny-ImageNet and
    ImageNet-100 (CIFAR-10: 250, CIFAR-100: 1000, ImageNet: 2000). The eps 1e-8 is that of all their commands (the
    code's own is 1e-6). Both memories of 0.01 are those for CIFAR and ImageNet-100 (Tiny-ImageNet and ImageNet: 0.1).
    Rows have unit length, as in all their commands: without it the loss is unbounded below. The optimum of
    `log_determinant` is then 2 log D, with R = I / D. Take N >= 4 D, since a batch of N <= D has no volume of its own.

    Args:
        features: Number of features D of the embeddings.
        views: Number of views V of the embeddings.
        invariance: Weight of `invariance`.
        covariance_memory: Share of the old covariance that is kept at each step, from 0 to 1.
        mean_memory: Share of the old mean that is kept at each step, from 0 to 1.
        eps: What is added to the eigenvalues of R, not negative.
        normalized: Whether rows are scaled to length 1 first.

    Raises:
        UserError: z is not (views, N, features), or R + eps I is not positive definite (eps is too small).

    >>> loss = CorInfoMax(features=4)
    >>> loss(torch.zeros(2, 8, 4))["log_determinant"]  # one point: all that is left is the memory of R, 0.01 I
    tensor(9.2103)
    """

    mean: Tensor
    covariance: Tensor

    def __init__(
        self,
        features: int,
        views: int = 2,
        *,
        invariance: float = 500.0,
        covariance_memory: float = 0.01,
        mean_memory: float = 0.01,
        eps: float = 1e-8,
        normalized: bool = True,
    ) -> None:
        for name, memory in (("covariance_memory", covariance_memory), ("mean_memory", mean_memory)):
            SHARE.check("CorInfoMax", name, memory)
        WEIGHT.check("CorInfoMax", "invariance", invariance)
        WEIGHT.check("CorInfoMax", "eps", eps)
        super().__init__()
        self.invariance = invariance
        self.covariance_memory, self.mean_memory = covariance_memory, mean_memory
        self.eps, self.normalized = eps, normalized
        self.register_buffer("mean", torch.zeros(views, features, dtype=torch.float64))
        self.register_buffer("covariance", torch.eye(features, dtype=torch.float64).repeat(views, 1, 1))

    def forward(self, z: Tensor) -> Terms:
        """The terms of z (V, N, D); in training mode, this also advances the state by one step."""
        return corinfomax(z, self)

    def spectra(self) -> dict[str, Tensor]:
        """Eigenvalues (D,) of the running covariance of each view, largest first, for watching them during training.

        Rows of unit length give them a sum of at most 1, so that the log-determinant is largest when all are 1 / D.
        """
        values = eigvalsh(self.covariance.double()).flip(-1)
        return {f"covariance_of_view_{view}": row for view, row in enumerate(values, start=1)}

    def step(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The next mean (V, D) and covariance (V, D, D) after x (V, N, D), differentiable in x."""
        mean = self.mean_memory * self.mean.double() + (1 - self.mean_memory) * x.mean(1)
        centered = x - mean[:, None]
        batch = centered.mT @ centered / x.shape[1]
        return mean, self.covariance_memory * self.covariance.double() + (1 - self.covariance_memory) * batch


@embedding_loss()
def corinfomax(z: Tensor, state: CorInfoMax) -> Terms:
    """What a `CorInfoMax` computes, as a function, so that its input is checked like that of every loss."""
    views, _, features = z.shape
    if (views, features) != state.mean.shape:
        made_for = "{} views of {} features".format(*state.mean.shape)
        raise UserError(f"corinfomax got z of shape {tuple(z.shape)}, but was made for {made_for}: pass those.")
    x = normalize(z.double()) if state.normalized else z.double()
    mean, covariance = state.step(x)
    volume = _log_determinant(covariance, state.eps)  # (V,)
    if state.training:
        state.mean.copy_(finite_or(state.mean, mean.detach()))
        state.covariance.copy_(finite_or(state.covariance, covariance.detach()))
    squared = 2 * (x - x.mean(0)).square().sum(0) / (views - 1)  # (N, D), the mean over pairs of views
    return combine(
        {
            "invariance": (state.invariance, squared.mean().to(z.dtype)),
            "log_determinant": (1.0, (-2 * volume.mean() / features).to(z.dtype)),
        }
    )


@declare(
    formula="2/D (log det of both views' joint C − of each view's), of C + εI",
    cost="ND² + D³",
    point=0.0,
    blind_to=(
        "the norm; and, for eps -> 0, to every invertible linear map of a view: the views need not agree. "
        "Take N well above 2 D: with fewer samples than that, views are correlated by their number alone."
    ),
)
@embedding_loss(settings={"eps": CONSTANT})
def log_determinant_mutual_information(z: Tensor, *, eps: float = 1e-6, normalized: bool = True) -> Terms:
    """Minus 4/D times the log-determinant mutual information of two views, averaged over pairs of views.

    I = (log det(R_1 + eps I) + log det(R_2 + eps I) - log det(R_12 + eps I)) / 2 in nats, with the covariances R_1 and
    R_2 (D x D, divisor N) and R_12 of both views side by side (2D x 2D). It is zero for views that are uncorrelated; as
    eps goes to 0, it is -1/2 sum log(1 - rho^2) over the canonical correlations. CorInfoMax bounds this objective from
    below. The value is that of the authors' LDMI code with one eps (their default) for the batch alone, without its
    running covariances. The terms are the determinants of the single views and of the pairs.

    Args:
        z: Embeddings (V, N, D); take N well above 2 D.
        eps: What is added to the eigenvalues of the covariances, above 0.
        normalized: Whether rows are scaled to length 1 first.

    >>> x = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
    >>> log_determinant_mutual_information(torch.stack([x, x]))["loss"]  # equal views of unit rows: 2 log(2 D eps)
    tensor(-24.8584)
    """
    features = z.shape[2]
    x = normalize(z.double()) if normalized else z.double()
    x = x - x.mean(1, keepdim=True)
    # The sum and the difference of two views are a rotation of the pair, and exact where the views agree.
    pairs = [torch.cat([a + b, a - b], 1) / math.sqrt(2) for a, b in combinations(x, 2)]
    single, joint = (torch.stack([_log_volume(y, eps) for y in ys]).mean() / features for ys in (list(x), pairs))
    return combine({"single": (1.0, (-4 * single).to(z.dtype)), "joint": (1.0, (2 * joint).to(z.dtype))})


class LogDeterminantMutualInformation(EmbeddingLoss, function=log_determinant_mutual_information): ...


def _log_volume(x: Tensor, eps: float) -> Tensor:
    """log det(X^T X / N + eps I) of centered x (N, K), on the smaller side by Sylvester's identity."""
    n, k = x.shape
    if n <= k:  # the constant, which centering took away, is set to 1: its rounding would not be small against eps
        return _log_determinant((x @ x.T + 1) / n, eps) + (k - n + 1) * math.log(eps) - math.log1p(eps)
    return _log_determinant(x.T @ x / n, eps)


def _log_determinant(covariance: Tensor, eps: float) -> Tensor:
    """log det(R + eps I) of symmetric covariances (..., D, D), in float64."""
    ridge = eps * torch.eye(covariance.shape[-1], dtype=torch.float64, device=covariance.device)
    return log_determinant((covariance + covariance.mT) / 2 + ridge)

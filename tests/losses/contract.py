"""The laws of a loss, one function each: every check raises AssertionError when the loss breaks the law."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from itertools import combinations

import torch
from torch import Tensor

from fullrank.errors import UserError
from fullrank.losses import Terms
from fullrank.stats import hill, spectrum

Loss = Callable[[Tensor], Terms]


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def spread_cloud(n: int, d: int) -> Tensor:
    """(n, d) centered, all min(n - 1, d) variances equal, sized for an average feature variance of 1 when n > d."""
    x = noise(n, d)
    left, sizes, right = torch.linalg.svd(x - x.mean(0), full_matrices=False)
    alive = sizes > 1e-9
    cloud: Tensor = n**0.5 * left[:, alive] @ right[alive]
    return cloud


def subspace(d: int, rank: int, seed: int = 1) -> Tensor:
    """Projector (d, d) onto a random subspace that leans on every feature."""
    basis: Tensor = torch.linalg.qr(noise(d, rank, seed=seed)).Q
    return basis @ basis.T


def one_point(z: Tensor) -> Tensor:
    return noise(1, z.shape[1], seed=2).expand_as(z)


def few_dimensions(z: Tensor) -> Tensor:
    flat = z @ subspace(z.shape[1], rank=4)
    return flat * float(z.norm() / flat.norm())


def few_clusters(z: Tensor) -> Tensor:
    return z[torch.arange(len(z)) % 4]


COLLAPSES: tuple[Callable[[Tensor], Tensor], ...] = (one_point, few_dimensions, few_clusters)


def aligned(z: Tensor, views: int = 2) -> Tensor:
    return torch.stack([z] * views)


def value(loss: Loss, z: Tensor) -> float:
    return float(loss(z)["loss"])


def gradient(loss: Loss, z: Tensor) -> Tensor:
    leaf = z.detach().clone().requires_grad_()
    (answer,) = torch.autograd.grad(loss(leaf)["loss"], leaf)
    return answer


def descend(loss: Loss, z: Tensor) -> Tensor:
    """One step down the gradient that moves z (N, D), seen by both views, by a thousandth of its size."""
    direction = gradient(loss, aligned(z)).sum(0)
    assert direction.norm() * z.norm() > 1e-6, "no gradient"  # what is left is rounding
    return z - 1e-3 * float(z.norm() / direction.norm()) * direction


def relative_spread(z: Tensor) -> float:
    return float((z - z.mean(0)).norm() / z.norm())


def check_ordering(loss: Loss, n: int, d: int, collapse: Callable[[Tensor], Tensor]) -> None:
    cloud = spread_cloud(n, d)
    assert value(loss, aligned(cloud)) < value(loss, aligned(collapse(cloud))) - 1e-3


def check_norm_collapse(loss: Loss) -> None:
    """Shrinking a spread cloud towards zero costs something, or the loss does not see the norm at all."""
    cloud = aligned(spread_cloud(64, 16))
    full, half, tiny = (value(loss, scale * cloud) for scale in (1.0, 0.5, 1e-4))
    unseen = math.isclose(full, half, abs_tol=1e-9) and math.isclose(full, tiny, abs_tol=1e-9)
    assert unseen or full < half < tiny


def check_step_from_one_point(loss: Loss, n: int, d: int) -> None:
    start = one_point(spread_cloud(n, d)) + 1e-2 * noise(n, d, seed=3)
    assert relative_spread(descend(loss, start)) > relative_spread(start) + 3e-4  # most of the step goes there


def check_step_raises_rank(loss: Loss, n: int, d: int) -> None:
    start = few_dimensions(spread_cloud(n, d)) + 1e-2 * noise(n, d, seed=3)
    assert hill(spectrum(descend(loss, start)), 1.0) > hill(spectrum(start), 1.0) + 1e-7


def escape(loss: Loss, seed: int, *, ratio: float) -> float:
    """Rate of log(relative spread) as 64 samples descend, each by its own gradient, from `ratio` around one point.

    The samples are free, and the same in both views; 16 features of mean square 1.
    """
    point = noise(1, 16, seed=seed)
    z = 4 * point / point.norm() + ratio * noise(64, 16, seed=seed + 100)
    force, x = -64 * gradient(loss, aligned(z)).sum(0), z - z.mean(0)
    return float((force * x).sum() / x.square().sum() - (force * z).sum() / z.square().sum())


def revival(loss: Loss, seed: int, *, ratio: float = 1e-3) -> float:
    """Rate of the log of what 64 samples have in 12 of 16 dimensions, as they descend as in `escape`.

    Four dimensions are alive, of mean square 4; the others start with `ratio` of noise.
    """
    cloud, kept = spread_cloud(64, 16), subspace(16, rank=4, seed=seed)
    missing = torch.eye(16, dtype=torch.float64) - kept
    z = 2 * cloud @ kept + ratio * noise(64, 16, seed=seed + 100) @ missing
    residue = (z - z.mean(0)) @ missing
    return -64 * float((gradient(loss, aligned(z)).sum(0) * residue).sum() / residue.square().sum())


def check_revival(loss: Loss) -> None:
    assert min(revival(loss, seed) for seed in range(5)) > 1e-4


def check_log_is_objective(loss: Loss, weights: Mapping[str, float]) -> None:
    """Terms not named in `weights` count once."""
    terms = loss(noise(3, 12, 6))
    expected = sum(weights.get(name, 1.0) * float(term) for name, term in terms.items() if name != "loss")
    assert set(weights) <= set(terms)
    assert len(terms) >= 2
    torch.testing.assert_close(float(terms["loss"]), expected, rtol=1e-12, atol=0)
    assert all(term.ndim == 0 for term in terms.values())


def check_gradient(loss: Loss, views: int, n: int, d: int) -> None:
    z = (1.5 * noise(views, n, d, seed=n)).requires_grad_()
    assert torch.autograd.gradcheck(lambda leaf: loss(leaf)["loss"], (z,), raise_exception=False)


def check_reference(loss: Loss, reference: Callable[[Tensor], Tensor], z: Tensor) -> None:
    """Value and gradient equal those of a plain formula."""
    torch.testing.assert_close(loss(z)["loss"], reference(z), rtol=1e-9, atol=1e-10)
    expected = gradient(lambda leaf: {"loss": reference(leaf)}, z)
    torch.testing.assert_close(gradient(loss, z), expected, rtol=1e-7, atol=1e-10)


def check_half_precision(loss: Loss, dtype: torch.dtype) -> None:
    """Half-precision input costs its own rounding and nothing more, alone and under autocast."""
    z = noise(2, 8, 16).to(dtype)
    expected = loss(z.float())
    with torch.autocast("cpu", dtype=dtype):
        under_autocast = loss(z.float())
    for terms in (loss(z), under_autocast):
        for name, term in terms.items():
            assert term.dtype == torch.float32
            assert torch.equal(term, expected[name])
    exact = gradient(loss, z.float())
    assert torch.equal(gradient(loss, z), exact.to(dtype))


def check_double_precision(loss: Loss) -> None:
    z = noise(2, 8, 16)
    assert loss(z)["loss"].dtype == torch.float64
    torch.testing.assert_close(value(loss, z.float()), value(loss, z), rtol=1e-5, atol=1e-6)


def check_finite(loss: Loss, z: Tensor) -> None:
    assert all(bool(term.isfinite()) for term in loss(z).values())
    assert bool(gradient(loss, z).isfinite().all())


def check_nan_is_not_hidden(loss: Loss) -> None:
    z = noise(2, 8, 4)
    z[0, 3, 1] = math.nan
    try:
        answer = value(loss, z)
    except (RuntimeError, UserError):  # an eigendecomposition or a Cholesky factor may refuse instead
        return
    assert math.isnan(answer)


def check_permutation(loss: Loss) -> None:
    z = noise(2, 9, 6)
    order = torch.randperm(9, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(value(loss, z[:, order]), value(loss, z), rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(gradient(loss, z[:, order]), gradient(loss, z)[:, order], rtol=1e-8, atol=1e-10)


def check_view_order(loss: Loss) -> None:
    z = noise(3, 9, 6)
    torch.testing.assert_close(value(loss, z[[2, 0, 1]]), value(loss, z), rtol=1e-10, atol=1e-10)


def check_pairing(loss: Loss) -> None:
    """Which sample a view belongs to matters: mixing up the pairs costs something."""
    z = noise(1, 16, 6) + 0.1 * noise(2, 16, 6, seed=1)
    mixed = torch.stack([z[0], z[1].roll(1, 0)])
    assert value(loss, mixed) > value(loss, z) + 1e-3


def check_rotation(loss: Loss) -> None:
    z, rotation = noise(2, 9, 6), torch.linalg.qr(noise(6, 6, seed=1)).Q
    torch.testing.assert_close(value(loss, z @ rotation), value(loss, z), rtol=1e-10, atol=1e-10)


def check_views_by_pairs(loss: Loss) -> None:
    """Three views cost the mean of their three pairs."""
    z = noise(3, 9, 6)
    by_pairs = [value(loss, z[list(pair)]) for pair in combinations(range(3), 2)]
    torch.testing.assert_close(value(loss, z), sum(by_pairs) / 3, rtol=1e-10, atol=1e-10)

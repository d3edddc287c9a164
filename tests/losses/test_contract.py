"""A test of the tests: losses that are wrong on purpose, as some that were published, and the law each one breaks."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from fullrank.losses import Terms, combine, embedding_loss, infonce, uniformity, vicreg, w2
from fullrank.stats import normalize
from tests.losses import contract
from tests.losses.contract import Loss


def log_det(z: Tensor, sign: float) -> Terms:
    """Coding rate of unit rows; released code exists with the sign +1."""
    rows = normalize(z).flatten(0, 1)
    gram = torch.eye(z.shape[2], dtype=z.dtype) + rows.T @ rows * z.shape[2] / len(rows) / 0.2
    return combine({"coding_rate": (sign, torch.logdet(gram) / 2)})


def flipped(z: Tensor) -> Terms:
    return combine({"uniformity": (-1.0, uniformity(z)["loss"])})


def pull_to_zero(z: Tensor) -> Terms:
    """Invariance with a weight decay: zero is the optimum."""
    return combine({"loss_of_views": (1.0, z.var(0).mean()), "size": (1.0, z.square().mean())})


def detached(z: Tensor) -> Terms:
    """W2 whose gradient goes astray, as when an all-reduce throws it away."""
    return combine({"w2": (1.0, w2(z.detach())["loss"] + 0.0 * z.sum())})


def weights_apart(z: Tensor) -> Terms:
    terms = vicreg(z)
    return {**terms, "loss": terms["loss"] + terms["variance"]}


def half(z: Tensor) -> Terms:
    """No decorator: autocast reaches the matmul."""
    return combine({"similarity": (1.0, (z[0] @ z[1].T).square().mean())})


def plain_w2(z: Tensor) -> Terms:
    """W2 by autograd through the eigenvalues, without a guard."""
    rows = normalize(z).flatten(0, 1)
    covariance = (rows - rows.mean(0)).T @ (rows - rows.mean(0)) / len(rows)
    spread = torch.linalg.eigvalsh(covariance).sqrt().sum() / z.shape[2] ** 0.5
    return combine({"w2": (1.0, (2 - 2 * spread).sqrt())})


@embedding_loss()
def first_half_only(z: Tensor) -> Terms:
    return combine({"infonce": (1.0, infonce(z[:, : z.shape[1] // 2])["loss"])})


@embedding_loss()
def unpaired(z: Tensor) -> Terms:
    return uniformity(z)


@embedding_loss()
def nan_hider(z: Tensor) -> Terms:
    return combine({"uniformity": (1.0, uniformity(z)["loss"].nan_to_num())})


BROKEN: tuple[tuple[Callable[..., None], Loss, tuple[object, ...]], ...] = (
    *((contract.check_ordering, flipped, (64, 16, collapse)) for collapse in contract.COLLAPSES),
    *((contract.check_ordering, lambda z: log_det(z, 1.0), (64, 16, collapse)) for collapse in contract.COLLAPSES),
    (contract.check_ordering, pull_to_zero, (64, 16, contract.few_dimensions)),
    (contract.check_norm_collapse, pull_to_zero, ()),
    (contract.check_step_from_one_point, flipped, (64, 16)),
    (contract.check_step_from_one_point, lambda z: log_det(z, 1.0), (64, 16)),
    (contract.check_step_from_one_point, pull_to_zero, (64, 16)),
    (contract.check_step_from_one_point, detached, (64, 16)),
    (contract.check_step_raises_rank, lambda z: log_det(z, 1.0), (64, 16)),
    (contract.check_step_raises_rank, pull_to_zero, (64, 16)),
    (contract.check_revival, flipped, ()),
    (contract.check_revival, lambda z: log_det(z, 1.0), ()),
    (contract.check_log_is_objective, weights_apart, ({"invariance": 25.0, "variance": 25.0},)),
    (contract.check_gradient, detached, (2, 6, 3)),
    (contract.check_half_precision, half, (torch.bfloat16,)),
    (contract.check_double_precision, lambda z: w2(z.float()), ()),
    (contract.check_finite, plain_w2, (torch.ones(2, 8, 4),)),
    (contract.check_nan_is_not_hidden, nan_hider, ()),
    (contract.check_permutation, first_half_only, ()),
    (contract.check_pairing, unpaired, ()),
    (contract.check_rotation, vicreg, ()),
)


@pytest.mark.parametrize(("law", "broken", "args"), BROKEN)
def test_a_broken_loss_is_caught(law: Callable[..., None], broken: Loss, args: tuple[object, ...]) -> None:
    with pytest.raises(AssertionError):
        law(broken, *args)


@pytest.mark.parametrize("collapse", contract.COLLAPSES)
def test_the_right_sign_of_the_coding_rate_passes(collapse: Callable[[Tensor], Tensor]) -> None:
    contract.check_ordering(lambda z: log_det(z, -1.0), 64, 16, collapse)
    contract.check_step_from_one_point(lambda z: log_det(z, -1.0), 64, 16)
    contract.check_revival(lambda z: log_det(z, -1.0))

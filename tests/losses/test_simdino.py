"""SimDINO prevents collapse by itself, so with the targets of its own predictions it is under the laws of a loss."""

from __future__ import annotations

import math
from functools import partial

import pytest
import torch
from torch import Tensor

from fullrank.losses import Terms, simdino
from fullrank.losses.declaration import declaration
from fullrank.testing import check_loss
from fullrank.testing.clouds import aligned, noise
from fullrank.testing.loss_values import value
from tests.losses.reference import check_reference


def of_itself(z: Tensor) -> Terms:
    """No predictor and no teacher: the target is the prediction, without gradient."""
    return simdino(z, z)


def naive(z: Tensor, target: Tensor, eps: float, expansion: float | None) -> Tensor:
    views, n, d = z.shape
    s, t = (torch.nn.functional.normalize(x, dim=2) for x in (z, target))
    pairs = [(a, b) for a in range(views) for b in range(views) if a != b]
    cosine = torch.stack([(s[a] * t[b]).sum(1).mean() for a, b in pairs]).mean()
    rows, m = s.flatten(0, 1), views * n
    gamma = (d + n * views) / (d * n * views) if expansion is None else expansion
    return -cosine - gamma / 2 * torch.logdet(torch.eye(d, dtype=z.dtype) + d / (m * eps) * rows.T @ rows)


@pytest.mark.parametrize(("views", "n", "d"), [(2, 12, 4), (2, 3, 12), (3, 4, 4)])
@pytest.mark.parametrize("eps", [0.5, 0.05])
@pytest.mark.parametrize("expansion", [None, 0.3])
def test_equals_the_formula_on_both_sides(views: int, n: int, d: int, eps: float, expansion: float | None) -> None:
    target = noise(views, n, d, seed=1)
    loss = partial(simdino, target=target, eps=eps, expansion=expansion)
    check_reference(loss, partial(naive, target=target, eps=eps, expansion=expansion), noise(views, n, d))


@pytest.mark.parametrize("eps", [0.5, 0.05])
def test_one_point_and_the_optimum(eps: float) -> None:
    point, frame = aligned(torch.ones(8, 4).double()), aligned(torch.eye(4).double().repeat(2, 1))
    gamma = (4 + 16) / (4 * 16)
    loss = partial(simdino, eps=eps)
    assert float(loss(point, point)["loss"]) == pytest.approx(-1 - gamma / 2 * math.log1p(4 / eps), abs=1e-12)
    assert float(loss(frame, frame)["loss"]) == pytest.approx(-1 - gamma * 2 * math.log1p(1 / eps), abs=1e-12)


OWN = ["point", "shape", "escape", "revival", "rank", "pairing", "NaN", "rotation", "terms"]
OWN += ["escape of few samples", "order of samples", "order of views"]


@pytest.mark.parametrize("law", OWN)
def test_it_repels_collapse_by_itself_and_holds_what_a_loss_of_embeddings_does(law: str) -> None:
    check_loss(of_itself, law=law, weights=declaration(simdino).weights)


def test_collapsed_targets_are_not_seen() -> None:
    """The declared blindness: one target is reached by one prediction, and the rate is that of predictions only."""
    cloud, point = noise(2, 8, 4), torch.ones(2, 8, 4).double()
    assert float(simdino(cloud, point)["rate"]) == float(simdino(cloud, cloud)["rate"])
    assert value(of_itself, point) == pytest.approx(-1 + (20 / 64) * float(simdino(point, point)["rate"]))

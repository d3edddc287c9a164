"""SwAV: codes of equal shares, predicted across views."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from fullrank.errors import UserError
from fullrank.losses import SwAV
from fullrank.losses.swav import sinkhorn
from fullrank.testing.clouds import aligned, noise, one_point, spread_cloud
from fullrank.testing.loss_values import relative_spread
from tests.losses.reference import check_reference


def published_codes(scores: Tensor, eps: float, iterations: int) -> Tensor:
    """The algorithm of the paper: exp, then rows and columns of Q (K, N) divided by their sums, in turn."""
    q = torch.exp(scores / eps).T
    k, n = q.shape
    q = q / q.sum()
    for _ in range(iterations):
        q = q / q.sum(1, keepdim=True) / k
        q = q / q.sum(0, keepdim=True) / n
    return (q * n).T


def naive(z: Tensor, swav: SwAV, older: Tensor | None = None) -> Tensor:
    u, c = (torch.nn.functional.normalize(x.to(z.dtype), dim=-1) for x in (z, swav.prototypes.detach()))
    losses = []
    for b in range(min(swav.views, len(u))):
        balanced = u[b] if older is None else torch.cat([older[b], u[b]])
        codes = published_codes((balanced @ c.T).detach(), swav.eps, swav.iterations)[-z.shape[1] :]
        others = [view for a, view in enumerate(u) if a != b]
        losses += [-(codes * torch.log_softmax(view @ c.T / swav.temperature, 1)).sum(1).mean() for view in others]
    return torch.stack(losses).mean()


@pytest.fixture
def swav() -> SwAV:
    torch.manual_seed(0)
    return SwAV(features=4, prototypes=7)


@pytest.mark.parametrize(("views", "n"), [(2, 12), (2, 3), (4, 6)])
def test_equals_the_paper_with_codes_of_the_first_two_views(swav: SwAV, views: int, n: int) -> None:
    swav.requires_grad_(False)
    check_reference(swav, lambda z: naive(z, swav), noise(views, n, 4))


def test_codes_are_balanced_over_the_queue_too_once_it_is_full() -> None:
    torch.manual_seed(0)
    swav = SwAV(features=4, prototypes=7, queue=10)
    batches = [noise(3, 6, 4, seed=seed) for seed in range(4)]
    older = torch.zeros(2, 10, 4).double()
    for step, z in enumerate(batches):
        expected = naive(z, swav, older if step >= 2 else None)  # 12 of 10 are there
        assert float(swav(z)["loss"].detach()) == pytest.approx(float(expected), rel=1e-5)
        unit = torch.nn.functional.normalize(z[:2], dim=2)
        older = torch.cat([unit, older], 1)[:, :10]
        torch.testing.assert_close(swav.queue, older.float())


def test_the_queue_rests_in_evaluation_and_before_its_time() -> None:
    swav = SwAV(features=4, prototypes=7, queue=4)
    swav.eval()(noise(2, 6, 4))
    swav.train()(noise(2, 6, 4), with_queue=False)
    assert int(swav.queued) == 0
    assert not bool(swav.queue.any())


@pytest.mark.parametrize("queue", [0, 4])
def test_fewer_views_than_it_was_made_for_are_refused(queue: int) -> None:
    three = SwAV(features=4, views=3, prototypes=7, queue=queue)
    with pytest.raises(UserError, match=r"made for 3 first views, but got 2: pass those, or views=2\."):
        three(noise(2, 6, 4))


def test_the_temperature_may_be_learned_and_the_codes_are_targets() -> None:
    learned = torch.nn.Parameter(torch.tensor(0.1))
    SwAV(features=4, prototypes=7, temperature=learned)(noise(2, 6, 4))["loss"].backward()  # type: ignore[arg-type]
    assert learned.grad is not None
    for name, value in (("eps", learned), ("eps", learned * 2), ("iterations", learned), ("queue", learned)):
        with pytest.raises(UserError, match=f"SwAV got {name}.*(with a gradient|pass a whole)"):
            SwAV(features=4, prototypes=7, **{name: value})  # type: ignore[arg-type]


def test_the_prototypes_get_the_gradient_of_the_softmax_at_fixed_codes(swav: SwAV) -> None:
    z = noise(2, 6, 4)
    swav(z)["loss"].backward()
    weights = swav.prototypes.detach().double().requires_grad_()
    u, c = torch.nn.functional.normalize(z, dim=2), torch.nn.functional.normalize(weights, dim=1)
    codes = [published_codes((view @ c.T).detach(), 0.05, 3) for view in u]
    pairs = ((0, 1), (1, 0))
    terms = [-(codes[b] * torch.log_softmax(u[a] @ c.T / 0.1, 1)).sum(1).mean() for a, b in pairs]
    (expected,) = torch.autograd.grad(torch.stack(terms).mean(), weights)
    assert swav.prototypes.grad is not None
    torch.testing.assert_close(swav.prototypes.grad.double(), expected, rtol=1e-4, atol=1e-7)


def test_the_length_of_prototypes_is_not_seen(swav: SwAV) -> None:
    z, before = noise(2, 6, 4), swav.prototypes.detach().clone()
    first = float(swav(z)["loss"].detach())
    with torch.no_grad():
        swav.prototypes.copy_(before * torch.arange(1, 8)[:, None])
    assert float(swav(z)["loss"].detach()) == pytest.approx(first, rel=1e-6)


@pytest.mark.parametrize("iterations", [1, 3, 200])
def test_codes_are_shares_of_samples_and_in_the_end_of_prototypes(iterations: int) -> None:
    codes = sinkhorn(noise(2, 12, 5), eps=0.3, iterations=iterations)
    assert torch.allclose(codes.sum(2), torch.ones(2, 12).double())
    balanced = torch.allclose(codes.sum(1), torch.full((2, 5), 12 / 5).double(), rtol=1e-6)
    assert balanced == (iterations == 200)


def test_codes_do_not_overflow_where_the_exponential_does() -> None:
    scores = torch.tensor([[1.0, -1.0], [-1.0, 1.0]])
    assert torch.equal(sinkhorn(scores, eps=1e-3, iterations=3), torch.eye(2))
    assert not bool(published_codes(scores, 1e-3, 3).isfinite().all())  # exp(1000)


@pytest.mark.parametrize("k", [5, 64])
def test_equal_prototypes_cost_ln_k_whatever_the_embeddings(k: int) -> None:
    swav = SwAV(features=4, prototypes=k)
    torch.nn.init.ones_(swav.prototypes)
    for z in (noise(2, 8, 4), torch.ones(2, 8, 4), torch.zeros(2, 8, 4)):
        assert float(swav(z)["loss"].detach()) == pytest.approx(math.log(k), rel=1e-6)


def test_one_point_costs_at_least_ln_k_and_is_no_optimum(swav: SwAV) -> None:
    cloud = spread_cloud(16, 4)
    assert float(swav(aligned(one_point(cloud)))["loss"].detach()) > math.log(7)
    assert float(swav(aligned(cloud))["loss"].detach()) < math.log(7)


def test_training_of_embeddings_and_prototypes_leaves_almost_one_point() -> None:
    torch.manual_seed(0)
    swav = SwAV(features=8, prototypes=16)
    z = (one_point(spread_cloud(32, 8)) + 1e-2 * noise(32, 8, seed=3)).float().requires_grad_()
    steps = torch.optim.Adam([z, *swav.parameters()], lr=0.03)
    for _ in range(100):
        steps.zero_grad()
        swav(torch.stack([z, z]))["loss"].backward()
        steps.step()
    assert relative_spread(z.detach()) > 0.7


def test_the_prototypes_are_in_the_checkpoint(swav: SwAV) -> None:
    other, z = SwAV(features=4, prototypes=7), noise(2, 6, 4)
    assert not torch.equal(other(z)["loss"], swav(z)["loss"])
    other.load_state_dict(swav.state_dict())
    assert torch.equal(other(z)["loss"], swav(z)["loss"])


def test_another_width_is_explained(swav: SwAV) -> None:
    with pytest.raises(UserError, match="made for 4 features"):
        swav(noise(2, 6, 5))


def test_a_batch_of_one_is_explained(swav: SwAV) -> None:
    with pytest.raises(UserError, match="a batch of one sample"):
        swav(torch.randn(2, 1, swav.prototypes.shape[1]))

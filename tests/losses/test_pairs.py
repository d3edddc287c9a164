from __future__ import annotations

import pytest
import torch
from torch.nn.functional import cosine_similarity

from fullrank.errors import UserError
from fullrank.losses import NNCLR, MoCo
from fullrank.losses.pairs import cross_view_cosine
from fullrank.testing.clouds import noise


@pytest.mark.parametrize(("views", "seen"), [(2, 2), (3, 3), (4, 2), (2, 1), (3, 1)])
def test_the_mean_goes_over_pairs_of_different_views(views: int, seen: int) -> None:
    prediction, target = noise(views, 6, 5), noise(seen, 6, 5, seed=1)
    pairs = [(a, b) for a in range(views) for b in range(seen) if a != b]
    expected = sum(float(cosine_similarity(prediction[a], target[b]).mean()) for a, b in pairs) / len(pairs)
    assert float(cross_view_cosine(prediction, target)) == pytest.approx(expected, abs=1e-12)


def test_the_target_has_no_gradient() -> None:
    target = noise(2, 6, 5).requires_grad_()
    assert not cross_view_cosine(noise(2, 6, 5, seed=1), target).requires_grad
    assert torch.isfinite(cross_view_cosine(torch.zeros(2, 6, 5), target))


@pytest.mark.parametrize("loss", [MoCo, NNCLR])
@pytest.mark.parametrize("size", [0, -3, 8.0])
def test_a_queue_without_room_is_refused(loss: type[MoCo | NNCLR], size: int) -> None:
    with pytest.raises(UserError, match=rf"{loss.__name__} got size={size}: pass a whole number of at least 1\."):
        loss(4, size=size)

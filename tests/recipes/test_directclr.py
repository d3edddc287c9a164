"""DirectCLR's heads in its recipe: the sum over groups of features, and what cannot be asked for."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import cross_entropy

from fullrank.errors import UserError
from fullrank.nn import encoder
from fullrank.recipes.directclr import DirectCLR, grouped_infonce
from fullrank.testing.clouds import noise


def test_the_grouped_loss_is_the_sum_of_eight_symmetrized_infonces() -> None:
    a, b = noise(2, 12, 32)
    expected = torch.zeros((), dtype=torch.float64)
    for start in range(0, 32, 4):  # 8 groups of 4
        x, y = (z[:, start : start + 4] / z[:, start : start + 4].norm(dim=1, keepdim=True) for z in (a, b))
        logits = x @ y.T / 0.1
        expected += (cross_entropy(logits, torch.arange(12)) + cross_entropy(logits.T, torch.arange(12))) / 2
    found = grouped_infonce(torch.stack([a, b]), temperature=0.1)
    torch.testing.assert_close(found["loss"], expected)
    torch.testing.assert_close(found["infonce"], expected)


def test_the_group_head_trains_every_feature() -> None:
    torch.manual_seed(0)
    method = DirectCLR(head="group").build(encoder("tiny", image_size=16, channels=1))
    h = torch.randn(2, 8, 512, requires_grad=True)
    method.loss({"embedding": torch.stack([method.projector(view) for view in h])})["loss"].backward()
    assert h.grad is not None
    assert bool((h.grad.abs().sum((0, 1)) > 0).all())


@pytest.mark.parametrize("d0", [0, -3, 513])
def test_a_number_of_features_that_the_representation_has_not_is_refused(d0: int) -> None:
    with pytest.raises(UserError, match=rf"--d0 {d0} is out of range: pass 1 to 512"):
        DirectCLR(d0=d0).build(encoder("tiny", image_size=16, channels=1))

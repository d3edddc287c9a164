"""The head on features that were computed once: from a file as from memory."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from fullrank.errors import UserError
from fullrank.transfer.frozen.head import fit_head
from fullrank.transfer.frozen.stored import Stored
from fullrank.transfer.options import Changes
from fullrank.transfer.protocols import protocol

LABELS = torch.arange(200) % 2


def two_clouds(seed: int, others: Tensor) -> Tensor:
    """Eight features that tell the classes apart, and others beside them."""
    generator = torch.Generator().manual_seed(seed)
    apart = torch.randn(200, 8, generator=generator) + 4 * LABELS[:, None] - 2
    return torch.cat([apart, others.expand(200, -1)], 1)


def top1(train: Stored, test: Tensor, **changes: int) -> list[float]:
    how = protocol("ours", image_size=8).linear
    assert how is not None
    scores = fit_head(train, LABELS, test, LABELS, Changes(**changes).of(how), classes=2, seed=0)
    return [one.top1 for one in scores]


@pytest.mark.parametrize("deviation", [0.0, 1e-6, 1e-5, 1e-4, 1e-3])
def test_features_that_hardly_vary_are_no_offset_between_a_file_and_the_test_set(deviation: float) -> None:
    """A file rounds to float16: of means up to 3, by up to 0.001."""
    generator = torch.Generator().manual_seed(9)
    means = 3 * torch.rand(1, 16, generator=generator)
    train, test = (two_clouds(seed, means + deviation * torch.randn(200, 16, generator=generator)) for seed in (0, 1))
    for bank in (Stored(train), Stored(train.half().numpy())):
        assert top1(bank, test)[-1] >= 0.9


def test_a_feature_is_standardized_as_far_as_its_rounding_lets_it_be() -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(4000, 6, generator=generator) * torch.tensor([1.0, 100.0, 1e-2, 1e-6, 1e-5, 0.0])
    x += torch.tensor([0.0, 300.0, 1.0, 0.0, 1.0, 5.0])
    for bank, varying in ((Stored(x), [0, 1, 2, 3, 4]), (Stored(x.half().numpy()), [0, 1, 2, 3])):
        z = bank.standardized().take(torch.arange(4000))
        assert z.std(0, correction=0).nonzero().flatten().tolist() == varying
        torch.testing.assert_close(z.std(0, correction=0)[varying], torch.ones(len(varying)), atol=1e-3, rtol=0)
        torch.testing.assert_close(z.mean(0), torch.zeros(6), atol=5e-3, rtol=0)


def test_epochs_act_on_the_head_that_takes_the_place_of_logistic_regression() -> None:
    x = two_clouds(0, torch.zeros(1, 0))
    file = Stored(x.half().numpy())
    assert [len(top1(file, x)), len(top1(file, x, epochs=3)), len(top1(Stored(x), x, epochs=3))] == [50, 3, 1]


def test_what_float16_cannot_hold_is_an_error_in_the_test_set_too() -> None:
    x = two_clouds(0, torch.zeros(1, 1))
    with pytest.raises(UserError, match="raise --memory"):
        top1(Stored(x.half().numpy()), x + 1e6)

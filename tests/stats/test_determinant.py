from __future__ import annotations

import pytest
import torch

from fullrank.errors import UserError
from fullrank.stats import log_determinant


def test_value_and_gradient_are_those_of_slogdet() -> None:
    x = torch.randn(3, 5, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    a = (x @ x.mT + torch.eye(5)).requires_grad_()
    torch.testing.assert_close(log_determinant(a), torch.linalg.slogdet(a).logabsdet)
    (ours,) = torch.autograd.grad(log_determinant(a).sum(), a)
    (theirs,) = torch.autograd.grad(torch.linalg.slogdet(a).logabsdet.sum(), a)
    torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("a", [torch.zeros(2, 2), -torch.eye(2)])
def test_what_is_not_positive_definite_is_refused(a: torch.Tensor) -> None:
    with pytest.raises(UserError, match="not positive definite"):
        log_determinant(a)


@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
def test_what_is_not_finite_is_nan_beside_what_is(bad: float) -> None:
    a = torch.stack([torch.eye(2), torch.full((2, 2), bad)]).requires_grad_()
    value = log_determinant(a)
    assert value.isnan().tolist() == [False, True]
    value.sum().backward()
    assert a.grad is not None
    assert a.grad.isfinite().flatten(1).all(1).tolist() == [True, False]

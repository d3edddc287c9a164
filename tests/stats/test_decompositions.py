"""NaN and infinity are NaN in what comes of a decomposition and in its gradient; what is finite stays bit for bit."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from fullrank.stats import eigh, eigvalsh, matrix_function, nuclear_norm, principal
from fullrank.testing.clouds import noise

OF_MATRICES: dict[str, Callable[[Tensor], Tensor]] = {
    "eigvalsh": lambda x: eigvalsh(x.T @ x),
    "values of eigh": lambda x: eigh(x.T @ x)[0],
    "vectors of eigh": lambda x: eigh(x.T @ x)[1],
    "matrix_function": lambda x: matrix_function(x.T @ x, torch.sqrt),
    "nuclear_norm": nuclear_norm,
    "principal": lambda x: principal(x, torch.rsqrt),
}


@pytest.mark.parametrize("bad", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("size", [4, 200])  # LAPACK raises for few dimensions, and answers for many
@pytest.mark.parametrize("name", OF_MATRICES)
def test_what_is_not_finite_is_nan_with_its_gradient(name: str, size: int, bad: float) -> None:
    x = noise(7, size)
    x[3, 1] = bad
    x.requires_grad_()
    value = OF_MATRICES[name](x)
    assert value.isnan().all()
    value.sum().backward()
    assert x.grad is not None
    assert x.grad.isnan().any()


def test_what_is_finite_stays_bit_for_bit() -> None:
    a = noise(2, 9, 5).mT @ noise(2, 9, 5)
    expected = torch.linalg.eigh(a)
    values, vectors = eigh(a)
    assert torch.equal(values, expected.eigenvalues)
    assert torch.equal(vectors, expected.eigenvectors)
    assert torch.equal(eigvalsh(a), torch.linalg.eigvalsh(a))


def test_a_matrix_beside_one_that_is_not_finite_keeps_its_value_and_gradient() -> None:
    x = noise(9, 5)
    a = torch.stack([x.T @ x, torch.full((5, 5), torch.nan)]).requires_grad_()
    values = eigvalsh(a)
    assert values.isnan().any(1).tolist() == [False, True]
    values.square().sum().backward()
    assert a.grad is not None
    torch.testing.assert_close(a.grad[0], 2 * x.T @ x)
    assert a.grad[1].isnan().all()

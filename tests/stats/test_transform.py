"""Spectral transformations; the numbered checks are those of section 4 of the INTL specification."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from fullrank.errors import UserError
from fullrank.stats import Axis, center, matrix_function, newton, power, principal, spectral

AXES: tuple[Axis, ...] = ("batch", "channel")


def cloud(n: int, d: int, seed: int = 0) -> Tensor:
    z = torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return z * torch.linspace(0.3, 2.0, d, dtype=torch.float64)


def covariance(z: Tensor, axis: Axis = "batch") -> Tensor:
    return (z if axis == "batch" else z.T).T.cov()


def f(x: Tensor, iterations: int) -> Tensor:
    """The scalar Newton iteration: f_0 = 1, f <- (3 f - x f^3) / 2."""
    value = torch.ones_like(x)
    for _ in range(iterations):
        value = 1.5 * value - 0.5 * x * value**3
    return value


def published(z: Tensor, iterations: int) -> Tensor:
    """The published recursion on the D x D covariance, P <- (3 P - P^3 S) / 2, batch axis."""
    sigma = covariance(z)
    trace = sigma.trace()
    p = torch.eye(len(sigma), dtype=z.dtype)
    for _ in range(iterations):
        p = 1.5 * p - 0.5 * p @ p @ p @ (sigma / trace)
    return (z - z.mean(0)) @ p / trace.sqrt()


@pytest.mark.parametrize("iterations", [*range(7), 8])
@pytest.mark.parametrize(("n", "d"), [(40, 6), (6, 40)])
def test_intl_check_03_newton_is_the_scalar_iteration_on_the_spectrum(n: int, d: int, iterations: int) -> None:
    z = cloud(n, d)
    eigenvalues, vectors = torch.linalg.eigh(covariance(z))
    x = eigenvalues.clamp_min(0) / eigenvalues.sum()
    root = vectors @ torch.diag(f(x, iterations) / eigenvalues.sum().sqrt()) @ vectors.T
    whitened = newton(z, iterations, axis="batch")
    torch.testing.assert_close(whitened, (z - z.mean(0)) @ root, rtol=1e-11, atol=1e-11)
    h = x * f(x, iterations) ** 2
    torch.testing.assert_close(covariance(whitened), vectors @ torch.diag(h) @ vectors.T, rtol=1e-10, atol=1e-11)
    torch.testing.assert_close(whitened, published(z, iterations), rtol=1e-10, atol=1e-11)


def test_intl_check_04_no_step_and_one_step() -> None:
    z = cloud(50, 5)
    sigma = covariance(z)
    torch.testing.assert_close(newton(z, 0, axis="batch"), (z - z.mean(0)) / sigma.trace().sqrt())
    assert float(covariance(newton(z, 0, axis="batch")).trace()) == pytest.approx(1.0)
    x = torch.linalg.eigvalsh(sigma) / sigma.trace()
    torch.testing.assert_close(torch.linalg.eigvalsh(covariance(newton(z, 1, axis="batch"))), x * (3 - x) ** 2 / 4)


def test_intl_check_05_many_steps_are_zca_where_the_published_order_explodes() -> None:
    basis = torch.linalg.qr(cloud(400, 8, seed=1))[0]
    basis = torch.linalg.qr(basis - basis.mean(0))[0] * math.sqrt(399)  # covariance exactly I
    mild = basis * torch.linspace(1.0, math.sqrt(2.0), 8, dtype=torch.float64)
    eye = torch.eye(8, dtype=torch.float64)
    torch.testing.assert_close(covariance(newton(mild, 12, axis="batch")), eye, rtol=0, atol=1e-12)
    hard = basis * torch.logspace(0, 2, 8, dtype=torch.float64)  # condition number 1e4
    torch.testing.assert_close(covariance(newton(hard, 30, axis="batch")), eye, rtol=0, atol=1e-9)
    medium = basis * torch.logspace(0, 1, 8, dtype=torch.float64)  # condition number 100
    medium = medium @ torch.linalg.qr(cloud(8, 8, seed=2))[0]
    exploded = published(medium, 16)
    assert not bool(((covariance(exploded) - eye).abs() < 1e-3).all())
    torch.testing.assert_close(covariance(newton(medium, 16, axis="batch")), eye, rtol=0, atol=1e-9)


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("p", [0.0, 0.25, 0.45, 0.5, 0.75])
@pytest.mark.parametrize(("n", "d"), [(60, 6), (6, 60)])
def test_intl_check_06_powers_move_the_spectrum_and_nothing_else(n: int, d: int, p: float, axis: Axis) -> None:
    z = cloud(n, d)
    before, vectors = torch.linalg.eigh(covariance(z, axis))
    live = before > 1e-9 * before.max()
    after = covariance(spectral(z, power(p), axis=axis), axis)
    expected = torch.where(live, before.clamp_min(1e-300) ** (1 - 2 * p), 0.0)
    torch.testing.assert_close(after, vectors @ torch.diag(expected) @ vectors.T, rtol=1e-8, atol=1e-8)
    spread = expected[live]
    kappa = before[live].max() / before[live].min()
    assert float(spread.max() / spread.min()) == pytest.approx(float(kappa ** abs(1 - 2 * p)))


def test_power_zero_is_the_identity_and_one_half_whitens() -> None:
    z = cloud(60, 6)
    torch.testing.assert_close(spectral(z, power(0.0)), z - z.mean(0))
    torch.testing.assert_close(covariance(spectral(z, power(0.5))), torch.eye(6, dtype=torch.float64))


@pytest.mark.parametrize(
    "transform", [lambda z, axis: newton(z, 4, axis=axis), lambda z, axis: spectral(z, power(0.4), axis=axis)]
)
@pytest.mark.parametrize(("n", "d"), [(9, 4), (4, 9)])
def test_intl_check_08_the_axes_are_transposes_with_their_invariances(
    n: int, d: int, transform: Callable[[Tensor, Axis], Tensor]
) -> None:
    z = cloud(n, d)
    channel, batch = transform(z, "channel"), transform(z, "batch")
    torch.testing.assert_close(channel, transform(z.T, "batch").T)
    torch.testing.assert_close(transform(z + torch.arange(n)[:, None], "channel"), channel)
    torch.testing.assert_close(transform(z + torch.arange(d), "batch"), batch)
    rotation = torch.linalg.qr(cloud(d, d, seed=5))[0]
    torch.testing.assert_close(transform(z @ rotation, "batch"), batch @ rotation)


@pytest.mark.parametrize("axis", AXES)
def test_intl_check_08_newton_ignores_the_scale(axis: Axis) -> None:
    z = cloud(9, 4)
    torch.testing.assert_close(newton(z * 1e3, 4, axis=axis), newton(z, 4, axis=axis))


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize(("n", "d"), [(7, 4), (4, 7)])
def test_intl_check_15_gradients(n: int, d: int, axis: Axis) -> None:
    z = cloud(n, d).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: newton(x, 4, axis=axis), z)
    if axis == "batch" and n > d:
        assert torch.autograd.gradcheck(lambda x: spectral(x, power(0.3), axis=axis), z)


@pytest.mark.parametrize("axis", AXES)
def test_intl_check_16_float32_is_close_to_float64(axis: Axis) -> None:
    z = torch.randn(256, 2048, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    single = newton(z.float(), 4, axis=axis).double()
    assert float((single - newton(z, 4, axis=axis)).abs().max()) < 1e-4


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("z", [torch.zeros(6, 4), torch.ones(6, 4), torch.outer(torch.arange(6.0), torch.ones(4))])
def test_constant_and_rank_one_inputs_stay_finite(z: Tensor, axis: Axis) -> None:
    leaf = z.clone().requires_grad_()
    out = newton(leaf, 4, axis=axis)
    out.square().sum().backward()
    assert bool(out.isfinite().all())
    assert leaf.grad is not None
    assert bool(leaf.grad.isfinite().all())
    assert bool(spectral(z, power(0.5), axis=axis).isfinite().all())


def test_huge_and_tiny_norms_give_the_same_transform() -> None:
    z = cloud(9, 4).float()
    for scale in (1e-30, 1e30):
        torch.testing.assert_close(newton(z * scale, 4, axis="batch"), newton(z, 4, axis="batch"))


@pytest.mark.parametrize("g", [torch.sqrt, torch.log, torch.exp, power(0.5)])
def test_matrix_function_gradient_at_distinct_and_equal_eigenvalues(g: Callable[[Tensor], Tensor]) -> None:
    root = torch.linalg.qr(cloud(5, 5, seed=2))[0]

    def of_symmetric(x: Tensor) -> Tensor:
        return matrix_function((x + x.T) / 2, g)

    for values in ([1.0, 2.0, 3.0, 4.0, 5.0], [2.0, 2.0, 2.0, 4.0, 4.0], [3.0] * 5):
        a = root @ torch.diag(torch.tensor(values, dtype=torch.float64)) @ root.T
        assert torch.autograd.gradcheck(of_symmetric, a.requires_grad_())


def test_matrix_function_of_a_constant_g_has_no_gradient() -> None:
    a = torch.eye(3, requires_grad=True)
    matrix_function(a, lambda eigenvalues: torch.ones(len(eigenvalues))).sum().backward()
    assert a.grad is not None
    assert float(a.grad.abs().sum()) == 0.0


def test_a_constant_centers_to_exact_zeros_and_nan_stays() -> None:
    x, divisor = center(torch.full((7, 3), 0.1), "batch")
    assert (float(x.abs().max()), divisor) == (0.0, 6)
    assert bool(center(torch.tensor([[1.0, math.nan], [0.0, 1.0]]), "batch")[0].isnan().any())


def by_definition(z: Tensor, p: float) -> Tensor:
    """L^-p U^T x with numpy's sign-free eigenvectors, signed by their entry of largest magnitude."""
    x = z - z.mean(0)
    eigenvalues, vectors = torch.linalg.eigh(covariance(z))
    columns = []
    for index in reversed(range(len(eigenvalues))):
        axis = vectors[:, index]
        if axis[axis.abs().argmax()] < 0:
            axis = -axis
        columns.append(x @ axis * eigenvalues[index] ** (-p))
    return torch.stack(columns, 1)


@pytest.mark.parametrize("transform", [spectral, principal])
def test_a_parameter_of_the_function_has_its_gradient_and_no_second_derivative(
    transform: Callable[[Tensor, Callable[[Tensor], Tensor]], Tensor],
) -> None:
    z = cloud(8, 3).requires_grad_()
    p = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x, q: transform(x, lambda values: values**-q), (z, p))
    (slope,) = torch.autograd.grad(transform(z, lambda values: values**-p).square().sum(), p, create_graph=True)
    with pytest.raises(UserError, match="no second derivative"):
        torch.autograd.grad(slope, z)


@pytest.mark.parametrize("p", [0.0, 0.3, 0.5])
def test_principal_components_are_in_order_with_a_sign_that_is_fixed(p: float) -> None:
    z = cloud(40, 5) + 7
    torch.testing.assert_close(principal(z, power(p)), by_definition(z, p), rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(principal(-z, power(p)), -principal(z, power(p)))  # the axes stay, the rows turn round
    shuffled = z[:, torch.tensor([3, 1, 4, 0, 2])]
    torch.testing.assert_close(principal(shuffled, power(p)), principal(z, power(p)))


@pytest.mark.parametrize(("n", "d"), [(60, 6), (6, 60), (9, 9)])
def test_principal_components_whiten_and_turn_zca_only(n: int, d: int) -> None:
    z = cloud(n, d)
    white, zca = principal(z, torch.rsqrt), spectral(z, torch.rsqrt)
    live = min(n - 1, d)
    expected = torch.diag((torch.arange(min(n, d)) < live).double())  # the components beyond the rank are zero
    torch.testing.assert_close(covariance(white), expected, rtol=0, atol=1e-8)
    torch.testing.assert_close(white @ white.T, zca @ zca.T, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("p", [0.0, 0.3, 0.5])
@pytest.mark.parametrize(("n", "d"), [(8, 4), (4, 8)])
def test_gradient_of_separated_principal_components(n: int, d: int, p: float) -> None:
    z = cloud(n, d).requires_grad_()
    live = min(n - 1, d)
    step = 1e-5  # g of the null eigenvalue lifts rounding to the size of a step of 1e-6
    assert torch.autograd.gradcheck(lambda x: principal(x, power(p))[:, :live], z, eps=step)


@pytest.mark.parametrize(
    "z",
    [
        torch.zeros(6, 4),
        torch.ones(6, 4),
        torch.outer(torch.arange(6.0), torch.ones(4)),
        torch.cat([torch.eye(4), -torch.eye(4)]),
        torch.eye(4)[:3],
    ],
)
@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
def test_principal_components_and_their_gradient_are_finite_at_equal_eigenvalues(z: Tensor, kind: torch.dtype) -> None:
    leaf = z.to(kind).clone().requires_grad_()
    out = principal(leaf, torch.rsqrt)
    (out * torch.arange(out.numel()).reshape(out.shape)).sum().backward()
    assert bool(out.isfinite().all())
    assert leaf.grad is not None
    assert bool(leaf.grad.isfinite().all())


@pytest.mark.parametrize("z", [torch.cat([torch.eye(3), -torch.eye(3)]).double(), cloud(8, 3), cloud(4, 6)])
def test_what_no_rotation_changes_has_the_gradient_of_spectral_at_any_spectrum(z: Tensor) -> None:
    weights = cloud(len(z), len(z), seed=3)

    def gradient(transform: Callable[[Tensor, Callable[[Tensor], Tensor]], Tensor]) -> Tensor:
        leaf = z.clone().requires_grad_()
        rows = transform(leaf, power(0.3))
        return torch.autograd.grad((weights * (rows @ rows.T)).sum(), leaf)[0]

    expected = gradient(spectral)
    torch.testing.assert_close(gradient(principal), expected, rtol=1e-6, atol=1e-6)
    assert float(expected.abs().max()) > 0.1

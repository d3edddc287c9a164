from __future__ import annotations

import math
import re
from collections.abc import Callable
from functools import partial
from typing import Any, Literal

import pytest
import torch
from torch import Tensor

from fullrank.errors import UserError
from fullrank.losses import INTL, intl, intl_beta, intl_with_teacher, spectral_transformation
from fullrank.stats import newton
from fullrank.testing.clouds import aligned, noise
from fullrank.testing.derivative_laws import check_gradient
from fullrank.testing.loss_values import gradient, value
from tests.losses.reference import check_reference

Side = Literal["batch", "channel"]
AXES: tuple[Side, ...] = ("batch", "channel")
both_axes = pytest.mark.parametrize("axis", AXES)


def h(x: Tensor, iterations: int) -> Tensor:
    """Output eigenvalue of Newton's iteration by e_0 = 1 - x, e <- (3 e^2 + e^3) / 4, h = 1 - e."""
    e = 1 - x
    for _ in range(iterations):
        e = (3 * e**2 + e**3) / 4
    return 1 - e


def floor(size: int, iterations: int = 4) -> float:
    return size * float(1 - h(torch.tensor(1 / size, dtype=torch.float64), iterations)) ** 2


def published(z: Tensor, axis: Side) -> tuple[Tensor, Tensor]:
    """The authors' code for one view: the whole covariance, P <- 1.5 P - 0.5 P^3 S; transformed z, trace loss."""
    x = z - z.mean(0) if axis == "batch" else (z - z.mean(1, keepdim=True)).T  # columns are whitened
    covariance = x.T @ x / (len(x) - 1)
    trace = covariance.trace()
    p = torch.eye(len(covariance), dtype=z.dtype)
    for _ in range(4):
        p = 1.5 * p - 0.5 * p @ p @ p @ covariance / trace
    white = x @ p / trace.sqrt()
    output = white - white.mean(0)
    diagonal = (output.T @ output / (len(x) - 1)).diagonal()
    return white if axis == "batch" else white.T, (1 - diagonal).square().sum()


def authors(z: Tensor, axis: Side, beta: float) -> Tensor:
    """2 - 2 cos against view 0 plus beta times both trace losses, averaged over the other views."""
    anchor, anchor_trace = published(z[0], axis)
    losses = []
    for view in z[1:]:
        white, trace = published(view, axis)
        unit, target = white / white.norm(dim=1, keepdim=True), anchor / anchor.norm(dim=1, keepdim=True)
        losses.append((unit - target).square().sum(1).mean() + beta * (trace + anchor_trace))
    return torch.stack(losses).mean()


def trace_of(z: Tensor, axis: Side = "batch", iterations: int = 4) -> float:
    return float(intl(aligned(z), axis=axis, iterations=iterations)["trace"]) / 2


@both_axes
@pytest.mark.parametrize("shape", [(2, 12, 5), (2, 5, 12), (3, 6, 4)])
def test_equals_the_authors_code_on_both_sides(axis: Side, shape: tuple[int, ...]) -> None:
    loss = partial(intl, axis=axis, beta=0.05)
    check_reference(loss, partial(authors, axis=axis, beta=0.05), 2 * noise(*shape) + 1)


@both_axes
def test_intl_check_01_similarity_is_two_minus_two_cosines(axis: Side) -> None:
    z = noise(2, 9, 6)
    first, second = (newton(view, 4, axis=axis) for view in z)
    cosine = torch.nn.functional.cosine_similarity(first, second).mean()
    assert float(intl(z, axis=axis)["similarity"]) == pytest.approx(2 - 2 * float(cosine), abs=1e-12)


@pytest.mark.parametrize("iterations", range(8))
def test_intl_check_02_two_forms_of_the_output_eigenvalue(iterations: int) -> None:
    x = torch.linspace(0, 1, 101, dtype=torch.float64)
    f = torch.ones_like(x)
    for _ in range(iterations):
        f = 1.5 * f - 0.5 * x * f**3
    answer = h(x, iterations)
    torch.testing.assert_close(answer, x * f**2, rtol=0, atol=1e-13)
    assert answer[0] == 0
    assert answer[-1] == 1
    assert bool((answer.diff() >= 0).all())
    assert bool((answer.diff(n=2) <= 1e-15).all())


@pytest.mark.parametrize(
    ("d", "iterations", "output", "trace"),
    [(8, 1, 0.2583, 4.40), (16, 4, 0.7933, 0.68), (64, 7, 0.9832, 0.02), (256, 4, 0.0952, 209.6), (512, 9, 0.930, 2.5)],
)
def test_intl_check_02_table_of_equal_spectra(d: int, iterations: int, output: float, trace: float) -> None:
    assert float(h(torch.tensor(1 / d), iterations)) == pytest.approx(output, abs=6e-4 if d == 512 else 6e-5)
    assert floor(d, iterations) == pytest.approx(trace, abs=0.06)


def test_intl_check_07_trace_floor() -> None:
    for seed in range(40):
        scales = noise(6, seed=seed).exp()
        assert trace_of(noise(20, 6, seed=seed) * scales) > floor(6)
    x = torch.linalg.qr(noise(20, 7)).Q
    even = torch.linalg.qr(x - x.mean(0)).Q[:, :6]  # centered and orthonormal: equal eigenvalues
    for iterations in (1, 4, 7):
        assert trace_of(even, iterations=iterations) == pytest.approx(floor(6, iterations), abs=1e-10)
    only_trace = gradient(lambda z: {"loss": intl(z, axis="batch")["trace"]}, aligned(even))
    assert float(only_trace.abs().max()) < 1e-12


def test_intl_check_07_trace_floor_over_spectra_and_bases() -> None:
    spectra = torch.distributions.Dirichlet(torch.full((20_000, 6), 0.5, dtype=torch.float64))
    torch.manual_seed(0)
    x = spectra.sample()
    basis = torch.linalg.qr(noise(20_000, 6, 6)).Q
    for iterations in (1, 4, 7):
        diagonal = (basis.square() @ h(x, iterations)[:, :, None])[:, :, 0]
        assert float((1 - diagonal).square().sum(1).min()) > floor(6, iterations) - 1e-12


def test_intl_check_08_channel_is_batch_of_the_transpose() -> None:
    x = noise(9, 5)
    channel, batch = newton(x, 4, axis="channel"), newton(x.T, 4, axis="batch").T
    torch.testing.assert_close(channel, batch, rtol=0, atol=1e-14)
    assert trace_of(x, "channel") == pytest.approx(trace_of(x.T, "batch"), abs=1e-12)


def test_intl_check_08_what_each_axis_does_not_see() -> None:
    z, size = noise(2, 9, 5), value(partial(intl, axis="batch"), noise(2, 9, 5))
    assert value(partial(intl, axis="batch"), 7 * z + noise(1, 1, 5, seed=1)) == pytest.approx(size, abs=1e-12)
    assert value(intl, 7 * z + noise(1, 9, 1, seed=1)) == pytest.approx(value(intl, z), abs=1e-12)
    assert value(intl, z + noise(1, 1, 5, seed=1)) != pytest.approx(value(intl, z), abs=1e-3)
    rotation = torch.linalg.qr(noise(5, 5, seed=2)).Q
    turned = newton(z[0] @ rotation, 4, axis="batch")
    torch.testing.assert_close(turned, newton(z[0], 4, axis="batch") @ rotation, rtol=0, atol=1e-13)


@pytest.mark.parametrize(
    ("axis", "n", "d", "iterations", "output", "trace"),
    [
        ("channel", 256, 2048, 4, 0.0946, 209.9),
        ("channel", 128, 4096, 4, 0.1805, 86.0),
        ("channel", 64, 256, 4, 0.316, 30.0),
        ("batch", 512, 64, 4, 0.3215, 29.5),
        ("channel", 256, 2048, 7, 0.643, 32.6),
    ],
)
def test_intl_check_09_gaussian_input(axis: Side, n: int, d: int, iterations: int, output: float, trace: float) -> None:
    z = noise(n, d)
    variance = newton(z, iterations, axis=axis).var(1 if axis == "channel" else 0).mean()
    assert float(variance) == pytest.approx(output, rel=5e-3)
    assert trace_of(z, axis, iterations) == pytest.approx(trace, rel=5e-3)


def test_intl_check_10_rank_one_is_finite_with_a_small_gradient() -> None:
    rank_one = noise(128, 1) * noise(1, 16, seed=1)
    white = newton(rank_one, 4, axis="batch")
    assert float(white.var(0).sum()) == pytest.approx(1.0, abs=1e-10)
    assert 16 * (1 - 1 / 16) ** 2 <= trace_of(rank_one) <= 15
    step = gradient(partial(intl, axis="batch"), aligned(rank_one))
    assert bool(step.isfinite().all())
    assert 0 < float(step.norm()) < 0.1


def test_intl_check_11_beta_rule() -> None:
    table = {32: 0.02, 64: 0.03, 128: 0.04, 256: 0.05, 512: 0.06, 1024: 0.07, 2048: 0.08, 4096: 0.09, 8192: 0.10}
    assert {size: round(intl_beta(size), 12) for size in table} == table
    assert all(intl_beta(size) == 0.01 for size in (1, 2, 8, 15, 16))  # the floor is ours


def test_intl_check_11_the_rule_takes_the_size_of_what_is_whitened() -> None:
    z = noise(2, 64, 32)
    assert value(intl, z) == pytest.approx(value(partial(intl, beta=0.03), z), abs=1e-12)
    batch = partial(intl, axis="batch")
    assert value(batch, z) == pytest.approx(value(partial(batch, beta=0.02), z), abs=1e-12)


@both_axes
def test_intl_check_12_many_views_are_the_mean_over_pairs_with_the_anchor(axis: Side) -> None:
    z, loss = noise(4, 9, 5), partial(intl, axis=axis)
    pairs = [value(loss, z[[0, i]]) for i in range(1, 4)]
    assert value(loss, z) == pytest.approx(sum(pairs) / 3, abs=1e-12)
    terms = loss(z)
    each = [float(published(view, axis)[1]) for view in z]
    assert float(terms["trace"]) == pytest.approx(each[0] + sum(each[1:]) / 3, abs=1e-10)


@both_axes
def test_intl_check_12_with_a_teacher_the_target_gets_neither_gradient_nor_trace(axis: Side) -> None:
    """The authors' intl_m: sum over the student's views of l(view, target) + beta trace(view), over their number."""
    target, *student = 2 * noise(4, 9, 5) + 1
    fixed = published(target, axis)[0]

    def authors_with_teacher(views: Tensor) -> Tensor:
        losses = []
        for white, trace in [published(view, axis) for view in views]:
            unit, aim = white / white.norm(dim=1, keepdim=True), fixed / fixed.norm(dim=1, keepdim=True)
            losses.append((unit - aim).square().sum(1).mean() + 0.05 * trace)
        return torch.stack(losses).mean()

    teaching = target[None].clone().requires_grad_()
    taught = partial(intl_with_teacher, target=teaching, axis=axis, beta=0.05)
    check_reference(taught, authors_with_teacher, torch.stack(student))
    taught(torch.stack(student).requires_grad_())["loss"].backward()
    assert teaching.grad is None


@both_axes
def test_intl_check_12_two_views_with_a_teacher_are_the_loss_without_the_anchors_trace(axis: Side) -> None:
    z = noise(2, 9, 5)
    plain, taught = intl(z, axis=axis), intl_with_teacher(z[1:], z[:1], axis=axis)
    anchor = float(published(z[0], axis)[1])
    assert float(taught["similarity"]) == pytest.approx(float(plain["similarity"]), abs=1e-12)
    assert float(taught["trace"]) == pytest.approx(float(plain["trace"]) - anchor, abs=1e-10)
    assert float(intl_with_teacher(z[:1], z[1:], axis=axis)["trace"]) == pytest.approx(anchor, abs=1e-10)


@both_axes
@pytest.mark.parametrize(("n", "d"), [(6, 3), (3, 6)])
def test_intl_check_15_gradient(axis: Side, n: int, d: int) -> None:
    check_gradient(partial(intl, axis=axis), 2, n, d)


@both_axes
def test_intl_check_16_float32_is_close_to_float64(axis: Side) -> None:
    z = noise(256, 2048)
    difference = newton(z.float(), 4, axis=axis).double() - newton(z, 4, axis=axis)
    assert float(difference.abs().max()) < 1e-4
    pair = aligned(z)
    assert value(partial(intl, axis=axis), pair.float()) == pytest.approx(
        value(partial(intl, axis=axis), pair), rel=1e-5
    )


def test_without_the_trace_loss_a_point_among_samples_is_free() -> None:
    """Newton's iteration alone collapses: rank one costs nothing until the trace loss is added."""
    rank_one = aligned(noise(64, 1) * noise(1, 16, seed=1))
    assert value(partial(intl, axis="batch", beta=0.0), rank_one) == pytest.approx(0.0, abs=1e-10)
    healthy, collapsed = (value(partial(intl, axis="batch"), z) for z in (aligned(noise(64, 16)), rank_one))
    assert healthy < collapsed
    assert math.isclose(collapsed, 2 * 0.01 * trace_of(rank_one[0]), abs_tol=1e-10)


def test_one_feature_has_no_variance_along_channels() -> None:
    with pytest.raises(UserError, match="embeddings of one feature"):
        intl(torch.randn(2, 8, 1))
    assert bool(intl(torch.randn(2, 8, 1), axis="batch")["loss"].isfinite())


@pytest.mark.parametrize(
    ("axis", "said"),
    [("chanel", "did you mean channel?"), ("features", "pass batch or channel."), (0, "pass batch or")],
)
def test_an_unknown_axis_is_refused(axis: Any, said: str) -> None:
    z = noise(2, 8, 4)
    asked: list[Callable[[], object]] = [
        lambda: intl(z, axis=axis),
        lambda: INTL(axis=axis)(z),
        lambda: intl_with_teacher(z, z, axis=axis),
        lambda: spectral_transformation(z, axis=axis),
    ]
    for call in asked:
        with pytest.raises(UserError, match=f"axis={axis!r}: {re.escape(said)}"):
            call()
    with pytest.raises(UserError, match='axis="batch" only'):
        spectral_transformation(z, axis=axis, components=True)


def test_no_iterations_whiten_nothing() -> None:
    z = noise(2, 8, 4)
    centered = z - z.mean(2, keepdim=True)
    cosine = torch.nn.functional.cosine_similarity(centered[0], centered[1]).mean()
    assert float(intl(z, iterations=0)["similarity"]) == pytest.approx(float(2 - 2 * cosine), rel=1e-9)

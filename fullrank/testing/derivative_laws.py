"""The laws of a loss about its derivatives: of first and second order, and by torch.func."""

from __future__ import annotations

import torch

from fullrank.errors import UserError
from fullrank.testing.clouds import noise
from fullrank.testing.loss_values import Loss, fail, gradient, sizes, value


def check_gradient(loss: Loss, views: int, n: int, d: int) -> None:
    """Fail where the gradient at noise (views, n, d) is not that of central differences."""
    z, step = 1.5 * noise(views, n, d, seed=n), 1e-6
    found, expected = gradient(loss, z).flatten(), torch.empty(z.numel(), dtype=z.dtype)
    for at in range(z.numel()):
        moved = torch.zeros_like(expected)
        moved[at] = step
        shift = moved.view_as(z)
        expected[at] = (value(loss, z + shift) - value(loss, z - shift)) / (2 * step)
    error = (found - expected).abs() - 1e-3 * expected.abs()
    worst = int(error.argmax())
    if not float(error[worst]) < 1e-5:
        fail(
            f"on noise, {sizes(z)}, a derivative is {float(found[worst]):g} by autograd and "
            f"{float(expected[worst]):g} by differences"
        )


def differentiable(loss: Loss) -> None:
    """The gradient is that of the value."""
    for views, n, d in ((2, 6, 3), (2, 4, 6), (3, 3, 2)):
        check_gradient(loss, views, n, d)


def twice_differentiable(loss: Loss) -> None:
    """The gradient of a gradient is that of differences, or a sentence says that there is none."""
    for n, d in ((12, 6), (5, 8)):
        z, direction, step = 1.5 * noise(2, n, d, seed=n), noise(2, n, d, seed=1), 1e-5
        leaf = z.clone().requires_grad_()
        (slope,) = torch.autograd.grad(loss(leaf)["loss"], leaf, create_graph=True)
        expected = (gradient(loss, z + step * direction) - gradient(loss, z - step * direction)) / (2 * step)
        if not slope.requires_grad:
            found = torch.zeros_like(leaf)
        else:
            try:
                (found,) = torch.autograd.grad((slope * direction).sum(), leaf)
            except (UserError, NotImplementedError):
                return
        error = float((found - expected).abs().max())
        if not error <= 1e-4 * float(expected.abs().max()) + 1e-7:
            fail(f"on noise, {sizes(z)}, a second derivative is off by {error:g}, and the largest is "
                 f"{float(expected.abs().max()):g}")  # fmt: skip


def functional(loss: Loss) -> None:
    """torch.func.grad gives the gradient of autograd."""
    z = 1.5 * noise(2, 8, 5, seed=0)
    try:
        found = torch.func.grad(lambda rows: loss(rows)["loss"])(z)
    except RuntimeError as error:
        fail(f"torch.func.grad does not work on it: {error}")
    off = float((found - gradient(loss, z)).abs().max())
    if not off < 1e-10:
        fail(f"on noise, {sizes(z)}, torch.func.grad and autograd differ by {off:g}")

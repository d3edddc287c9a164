"""The laws of a loss of predictions and targets, both (V, N, D), one function each, as in `loss_laws`."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from fullrank.errors import UserError
from fullrank.losses import Terms
from fullrank.stats import normalize
from fullrank.testing.clouds import noise
from fullrank.testing.derivative_laws import check_gradient
from fullrank.testing.loss_laws import nan_is_seen as nan_of_embeddings
from fullrank.testing.loss_values import fail, number_format

PairLoss = Callable[[Tensor, Tensor], Terms]


def pair(views: int = 2) -> tuple[Tensor, Tensor]:
    """Predictions and targets, (views, 6, 5) each."""
    prediction, target = noise(2, views, 6, 5)
    return prediction, target


def _value(loss: PairLoss, prediction: Tensor, target: Tensor) -> float:
    return float(loss(prediction, target)["loss"].detach())


def no_gradient_to_targets(loss: PairLoss) -> None:
    """The target gets no gradient."""
    prediction, target = (z.requires_grad_() for z in pair())
    answer = loss(prediction, target)["loss"]
    (slope,) = torch.autograd.grad(answer, target, allow_unused=True)
    if slope is not None and bool((slope != 0).any()):
        fail(f"on noise of 2 views of 6 samples, the target has a gradient of size {float(slope.norm()):.3g}")


def differentiable(loss: PairLoss) -> None:
    """The gradient of the prediction is that of the value."""
    for views in (2, 3):
        target = pair(views)[1]
        check_gradient(lambda z, target=target: loss(z, target), views, 6, 5)  # type: ignore[misc]


def matching(loss: PairLoss) -> None:
    """Predictions that are the targets of the other view cost less than others."""
    prediction, target = pair()
    together, apart = _value(loss, normalize(target.flip(0)), target), _value(loss, prediction, target)
    if not together < apart:
        fail(f"6 predictions cost {together:.6g} where they are the other view's targets, and {apart:.6g} elsewhere")


def scale(loss: PairLoss) -> None:
    """The scale of embeddings does not matter."""
    prediction, target = (z.float() for z in pair())
    expected = _value(loss, prediction, target)
    for size in (1e-30, 1e30):
        found = _value(loss, prediction * size, target * size)
        if not math.isclose(found, expected, rel_tol=1e-5):
            fail(f"noise costs {expected:.6g}, and times {size:g} {found:.6g}")


def finite(loss: PairLoss) -> None:
    """Constants and any norm stay finite."""
    inputs = [(f"a constant {fill:g}", torch.full((2, 4, 5), fill)) for fill in (0.0, 1.0)]
    inputs += [(f"noise times {size:g}", size * noise(2, 6, 5).float()) for size in (1e-30, 1e30)]
    for what, z in inputs:
        leaf = z.clone().requires_grad_()
        answer = loss(leaf, z)["loss"]
        (slope,) = torch.autograd.grad(answer, leaf)
        if not math.isfinite(float(answer.detach())) or not bool(slope.isfinite().all()):
            finite_slope = "" if bool(slope.isfinite().all()) else ", and the gradient is not finite"
            fail(f"on {what}, float32, the loss is {float(answer.detach()):g}{finite_slope}")


def nan_is_seen(loss: PairLoss) -> None:
    """NaN or infinity in a prediction is one in the loss and in the gradient."""
    nan_of_embeddings(lambda z: loss(z, noise(*z.shape, seed=1)))


def half_precision(loss: PairLoss) -> None:
    """Half precision costs its own rounding and nothing more."""
    for dtype in (torch.bfloat16, torch.float16):
        prediction, target = (z.to(dtype) for z in pair())
        found, expected = _value(loss, prediction, target), _value(loss, prediction.float(), target.float())
        if not math.isclose(found, expected, rel_tol=1e-5, abs_tol=1e-6):
            fail(f"on noise of {number_format(prediction)} it costs {found:.8g}, of the same in float32 {expected:.8g}")


def order_of_samples(loss: PairLoss) -> None:
    """The order of samples does not matter."""
    prediction, target = pair()
    order = torch.randperm(6, generator=torch.Generator().manual_seed(1))
    found, expected = _value(loss, prediction[:, order], target[:, order]), _value(loss, prediction, target)
    if not math.isclose(found, expected, rel_tol=1e-6, abs_tol=1e-6):
        fail(f"6 samples cost {expected:.10g}, in another order {found:.10g}")


def refuses(loss: PairLoss) -> None:
    """What is not a floating (V, N, D) tensor, or does not match, is refused with a sentence."""
    good = torch.ones(2, 6, 5)
    both = [(bad, bad) for bad in (good[0], good.long(), good[:0])]
    one = [(good, bad) for bad in (good[0], good.long(), good[:, :4], good[:, :, :3])]
    for prediction, target in both + one:
        shapes = f"{tuple(prediction.shape)} and {tuple(target.shape)} of {number_format(target)}"
        try:
            answer = _value(loss, prediction, target)
        except (UserError, ValueError, TypeError) as error:
            if len(str(error).split()) > 3:
                continue
            fail(f"predictions and targets of {shapes} are refused with {str(error)!r}, without the remedy")
        fail(f"predictions and targets of {shapes} are taken, and cost {answer:g}")


PAIR_LAWS: dict[str, Callable[[PairLoss], None]] = {
    "target": no_gradient_to_targets,
    "gradient": differentiable,
    "matching": matching,
    "scale": scale,
    "finite": finite,
    "NaN": nan_is_seen,
    "half precision": half_precision,
    "order of samples": order_of_samples,
    "input": refuses,
}
"""Law -> its check, by the names of `fullrank.losses.declaration.LAWS`; "terms" and "plateau" need a declaration."""

"""The laws of a loss, one function each: it raises AssertionError with the input and the numbers that break the law."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import combinations

import torch
from torch import Tensor

from fullrank.errors import UserError
from fullrank.stats import hill, spectrum
from fullrank.testing.clouds import aligned, few_clusters, few_dimensions, noise, one_point, spread_cloud
from fullrank.testing.derivative_laws import differentiable, functional, twice_differentiable
from fullrank.testing.loss_values import (
    Loss,
    descend,
    fail,
    gradient,
    number_format,
    relative_spread,
    revival,
    sizes,
    value,
)

Law = Callable[[Loss], None]
SHAPES = ((64, 16), (16, 32))  # samples, features


def check_finite(loss: Loss, z: Tensor, what: str = "this input") -> None:
    """Fail where a term or the gradient of z (V, N, D) is infinite or NaN."""
    for name, term in loss(z).items():
        if not bool(term.isfinite()):
            fail(f"on {what}, {sizes(z)}, {number_format(z)}, {name} is {float(term.detach())}")
    if not bool(gradient(loss, z).isfinite().all()):
        fail(f"on {what}, {sizes(z)}, {number_format(z)}, the gradient is not finite")


def point(loss: Loss) -> None:
    """A cloud costs less than one point."""
    _ordered(loss, "one point", one_point)


def shape(loss: Loss) -> None:
    """A cloud costs less than one of few dimensions, and of few clusters."""
    _ordered(loss, "4 dimensions", few_dimensions)
    _ordered(loss, "4 clusters", few_clusters)


def _ordered(loss: Loss, what: str, collapse: Callable[[Tensor], Tensor]) -> None:
    for n, d in SHAPES:
        cloud = spread_cloud(n, d)
        spread, collapsed = value(loss, aligned(cloud)), value(loss, aligned(collapse(cloud)))
        if not spread < collapsed - 1e-3:
            fail(f"{n} samples of {d} features cost {spread:.6g} spread and {collapsed:.6g} in {what}")


def norm(loss: Loss) -> None:
    """Shrinking a spread cloud towards zero costs something, or the loss does not see the norm at all."""
    cloud = aligned(spread_cloud(64, 16))
    full, half, tiny = (value(loss, scale * cloud) for scale in (1.0, 0.5, 1e-4))
    unseen = math.isclose(full, half, abs_tol=1e-9) and math.isclose(full, tiny, abs_tol=1e-9)
    if not (unseen or full < half < tiny):
        fail(f"a spread cloud costs {full:.6g}, {half:.6g} at half of its size and {tiny:.6g} at a ten-thousandth")


def escape(loss: Loss) -> None:
    """A step from almost one point spreads, with more samples than features."""
    _escapes(loss, *SHAPES[0])


def escape_of_few_samples(loss: Loss) -> None:
    """A step from almost one point spreads, with fewer samples than features."""
    _escapes(loss, *SHAPES[1])


def _escapes(loss: Loss, n: int, d: int) -> None:
    start = one_point(spread_cloud(n, d)) + 1e-2 * noise(n, d, seed=3)
    before, after = relative_spread(start), relative_spread(descend(loss, start))
    if not after > before + 3e-4:  # most of the step goes there
        fail(f"{n} samples of {d} features around one point have a relative spread of {before:.5f}, then {after:.5f}")


def rank(loss: Loss) -> None:
    """A step from almost four dimensions raises the effective rank."""
    for n, d in SHAPES:
        start = few_dimensions(spread_cloud(n, d)) + 1e-2 * noise(n, d, seed=3)
        before, after = (float(hill(spectrum(z), 1.0)) for z in (start, descend(loss, start)))
        if not after > before + 1e-7:
            fail(f"{n} samples of {d} features have an effective rank of {before:.7f}, and after a step {after:.7f}")


def revives(loss: Loss) -> None:
    """What is left in missing dimensions grows, from five starts."""
    slowest = min(revival(loss, seed) for seed in range(5))
    if not slowest > 1e-4:
        fail(f"of 64 samples in 4 of 16 dimensions, what is in the other 12 grows at a rate of {slowest:.3g}")


def pairing(loss: Loss) -> None:
    """Which sample a view belongs to matters: mixing up the pairs costs something."""
    z = noise(1, 16, 6) + 0.1 * noise(2, 16, 6, seed=1)
    right, mixed = value(loss, z), value(loss, torch.stack([z[0], z[1].roll(1, 0)]))
    if not mixed > right + 1e-3:
        fail(f"16 samples cost {right:.6g} in pairs, and {mixed:.6g} with every view beside that of another sample")


def finite(loss: Loss) -> None:
    """Constants, dead features, duplicates and norms up to 1e4 stay finite, and in float64 up to 1e15."""
    for dtype in (torch.float32, torch.float64):
        for fill in (0.0, 1.0, 0.1, 1000.3):
            for n, d in ((2, 5), (8, 4), (4, 8)):
                check_finite(loss, torch.full((2, n, d), fill, dtype=dtype), f"a constant {fill:g}")
    for scale in (1e-30, 1e-15, 1.0, 1e4):
        _scaled(loss, scale, torch.float32)
    _scaled(loss, 1e15, torch.float64)
    z = noise(2, 8, 6).float()
    z[:, :, 2] = 0.0
    z[:, 3] = z[:, 4]
    z[:, 5] = 0.0
    check_finite(loss, z, "a dead feature and duplicates")


def large_norms(loss: Loss) -> None:
    """Norms of 1e15 stay finite in float32."""
    _scaled(loss, 1e15, torch.float32)


def _scaled(loss: Loss, scale: float, dtype: torch.dtype) -> None:
    for n, d in ((2, 2), (2, 5), (8, 4), (4, 8)):
        check_finite(loss, (scale * noise(3, n, d)).to(dtype), f"noise times {scale:g}")


def half_precision(loss: Loss) -> None:
    """Half-precision input costs its own rounding and nothing more, alone and under autocast."""
    for dtype in (torch.bfloat16, torch.float16):
        z = noise(2, 8, 16).to(dtype)
        expected, slope = loss(z.float()), gradient(loss, z.float())
        with torch.autocast("cpu", dtype=dtype):
            under_autocast = loss(z.float())
        narrow = number_format(z)
        for where, terms in ((f"of {narrow}", loss(z)), (f"under autocast to {narrow}", under_autocast)):
            for name, term in terms.items():
                if term.dtype != torch.float32 or not torch.equal(term, expected[name]):
                    found, exact = float(term.detach()), float(expected[name].detach())
                    of_float32 = f"of the same in float32 {exact:.8g}"
                    fail(f"on noise {where}, {name} is {found:.8g} in {number_format(term)}; {of_float32}")
        if not torch.equal(gradient(loss, z), slope.to(dtype)):
            fail(f"on noise of {narrow}, the gradient is not that in float32, rounded")


def double_precision(loss: Loss) -> None:
    """float64 stays, and has the value of float32."""
    z = noise(2, 8, 16)
    wide, narrow = loss(z)["loss"], value(loss, z.float())
    if wide.dtype != torch.float64:
        fail(f"on noise of float64, the loss is of {number_format(wide)}")
    _close(float(wide.detach()), narrow, "on noise, in float64 and in float32", relative=1e-5, absolute=1e-6)


def nan_is_seen(loss: Loss) -> None:
    """NaN or infinity in the input is one in the loss and in the gradient, so that a loop can skip the step."""
    for n, d in SHAPES:
        for bad, what in ((math.nan, "NaN"), (math.inf, "infinity")):
            z = noise(2, n, d)
            z[0, 3, 1] = bad
            try:
                answer, slope = value(loss, z), gradient(loss, z)
            except (RuntimeError, UserError, ValueError) as error:
                fail(f"with {what} in the input, it raises {type(error).__name__}")
            if math.isfinite(answer):
                fail(f"with {what} in the input, the loss is {answer:.6g}")
            if bool(slope.isfinite().all()):
                fail(f"with {what} in the input, the gradient is finite")


def order_of_samples(loss: Loss) -> None:
    """The order of samples does not matter."""
    z, order = noise(2, 9, 6), torch.randperm(9, generator=torch.Generator().manual_seed(0))
    _close(value(loss, z[:, order]), value(loss, z), "with 9 samples in another order and as they are")
    torch.testing.assert_close(
        gradient(loss, z[:, order]),
        gradient(loss, z)[:, order],
        rtol=1e-8,
        atol=1e-10,
        msg="with 9 samples in another order, the gradient is not that in this order",
    )


def order_of_views(loss: Loss) -> None:
    """The order of views does not matter."""
    z = noise(3, 9, 6)
    _close(value(loss, z[[2, 0, 1]]), value(loss, z), "with 3 views in another order and as they are")


def rotation(loss: Loss) -> None:
    """A rotation of the features does not matter."""
    z, turn = noise(2, 9, 6), torch.linalg.qr(noise(6, 6, seed=1)).Q
    _close(value(loss, z @ turn), value(loss, z), "with 6 features turned and as they are")


def mean_over_pairs(loss: Loss) -> None:
    """Three views cost the mean of their three pairs."""
    z = noise(3, 9, 6)
    by_pairs = [value(loss, z[list(pair)]) for pair in combinations(range(3), 2)]
    _close(value(loss, z), sum(by_pairs) / 3, "of 3 views, and the mean of their 3 pairs")


def refuses(loss: Loss) -> None:
    """What is not a floating (V, N, D) tensor with samples is refused with a sentence."""
    for z in (torch.zeros(4, 3), torch.zeros(2, 4, 3, dtype=torch.long), torch.zeros(2, 0, 3)):
        what = f"an input of shape {tuple(z.shape)} and {number_format(z)}"
        try:
            answer = value(loss, z)
        except (UserError, ValueError, TypeError) as error:
            if len(str(error).split()) > 3:
                continue
            fail(f"{what} is refused with {str(error)!r}, without the remedy")
        fail(f"{what} is taken, and costs {answer:g}")


def _close(found: float, expected: float, where: str, *, relative: float = 1e-10, absolute: float = 1e-10) -> None:
    if not math.isclose(found, expected, rel_tol=relative, abs_tol=absolute):
        fail(f"{where}, it costs {found:.10g} and {expected:.10g}")


LOSS_LAWS: dict[str, Law] = {
    "point": point,
    "shape": shape,
    "norm": norm,
    "escape": escape,
    "escape of few samples": escape_of_few_samples,
    "rank": rank,
    "revival": revives,
    "pairing": pairing,
    "gradient": differentiable,
    "second derivative": twice_differentiable,
    "functional": functional,
    "finite": finite,
    "large norms": large_norms,
    "half precision": half_precision,
    "double precision": double_precision,
    "NaN": nan_is_seen,
    "order of samples": order_of_samples,
    "order of views": order_of_views,
    "rotation": rotation,
    "mean over pairs": mean_over_pairs,
    "input": refuses,
}
"""Law -> its check, by the names of `fullrank.losses.declaration.LAWS`; "terms" and "plateau" need a declaration."""

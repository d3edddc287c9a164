"""Hyperspherical energy of weights (Liu et al., 2018), arXiv:1805.09298, as in HSR-BYOL, arXiv:2105.00925."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn

from fullrank.errors import UserError, suggest
from fullrank.stats import normalize

_CLOSEST = 2e-6  # of 1 - cosine; below it float32 holds only rounding, which a power would blow up to a kick


def hyperspherical_energy(
    weight: Tensor,
    *,
    power: Literal[0, 1, 2] = 2,
    angular: bool = False,
    half_space: bool = False,
    pairs: int | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Mean of distance^-power (of log 1/distance at power 0) over pairs of the directions of the rows of a weight.

    The distance of two rows scaled to length 1 is the chord sqrt(2 - 2 cos), or the angle in radians. Low energy is
    diverse: orthonormal rows have 1/2 at power 2, and the minimum for K <= D + 1 is (K - 1) / (2 K). Fewer than two
    rows have 0. Random rows in many dimensions are within a few percent of the minimum, so the term needs a weight of 1
    to 10 to act. Rows closer than a chord of 2e-3 count as that close and do not repel each other, so something else
    must separate duplicates. The defaults are ours; the settings of HSR-BYOL are not known to us.

    Blind to: the norms (the gradient is orthogonal to each row).

    Args:
        weight: Rows (K, D) of floating-point numbers.
        power: 0, 1 or 2.
        angular: Whether the distance is the angle in radians (the authors' code divides it by pi).
        half_space: Whether the opposite of every row is added, pairs of opposites included, so that w and -w count as
            redundant.
        pairs: Number of random pairs for an unbiased estimate without a K x K matrix; None takes all pairs.
        generator: Draws the pairs, on the device of the weight; None is torch's own.

    Returns:
        The energy, a number.

    Raises:
        UserError: The weight is not a floating (K, D) tensor, the power is not one of these, or pairs < 1.

    >>> hyperspherical_energy(torch.eye(3))
    tensor(0.5000)
    >>> hyperspherical_energy(torch.tensor([[1.0, 0.0], [-2.0, 0.0]]), power=1)  # opposite: 1 / 2
    tensor(0.5000)
    """
    _check(weight, power, pairs)
    with torch.autocast(weight.device.type, enabled=False):
        rows = normalize(weight if weight.dtype == torch.float64 else weight.float())
        count = len(rows)
        if count < 2:
            return rows.sum() * 0.0
        cosine = _all_cosines(rows) if pairs is None else _some_cosines(rows, pairs, generator)
        energy = _energy(cosine, power, angular).mean()
        if not half_space:
            return energy
        mirrored = _energy(-cosine, power, angular).mean()
        opposite = _energy(cosine.new_tensor(-1.0), power, angular)  # of each row and its own opposite
        return ((count - 1) * (energy + mirrored) + opposite) / (2 * count - 1)


def compressive_energy(
    weight: Tensor,
    *,
    dims: int = 40,
    projections: int = 20,
    power: Literal[0, 1, 2] = 2,
    half_space: bool = True,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Hyperspherical energy of a weight in `dims` random dimensions, averaged over Gaussian projections.

    This is CoMHE with random projections (Lin et al., 2020, arXiv:1906.04892), with 40 dimensions and 20 projections as
    in the authors' logs. In fewer dimensions the energy of random rows leaves more to gain. Each call draws new
    projections. No flag of a training adds it: pass it to `layer_energy` in a loss or loop of your own.

    Blind to: the norms, and what no projection shows.

    Args:
        weight: Rows (K, D) of floating-point numbers.
        dims: Dimensions of a projection, at least 1.
        projections: Number of projections, at least 1.
        power: 0, 1 or 2, as in `hyperspherical_energy`.
        half_space: As in `hyperspherical_energy`.
        generator: Draws the projections, on the device of the weight; None is torch's own.

    Returns:
        The energy, a number.

    Raises:
        UserError: dims or projections is below 1, or `hyperspherical_energy` refuses the weight or the power.

    >>> g = torch.Generator().manual_seed(0)
    >>> compressive_energy(torch.eye(2), dims=1, projections=3, power=1, half_space=False, generator=g) > 0.5
    tensor(True)
    """
    if dims < 1 or projections < 1:
        raise UserError(f"compressive_energy got dims={dims}, projections={projections}: pass at least one of each.")
    _check(weight, power, None)
    energies = []
    with torch.autocast(weight.device.type, enabled=False):
        wide = weight if weight.dtype == torch.float64 else weight.float()
        for _ in range(projections):
            shape = (weight.shape[1], dims)
            projection = torch.randn(shape, generator=generator, device=wide.device, dtype=wide.dtype)
            energies.append(hyperspherical_energy(wide @ projection, power=power, half_space=half_space))
    return torch.stack(energies).mean()


def layer_energy(
    module: nn.Module,
    *,
    energy: Callable[[Tensor], Tensor] = hyperspherical_energy,
    reduction: Literal["sum", "mean"] = "sum",
) -> Tensor:
    """Energy of the weights of every linear and convolutional layer of a module, one row per output unit.

    Kernels (O, I, h, w) are flattened to (O, I h w). Biases, norms, and layers with a single output are left out. Pass
    only what is trained, since the energy of a teacher is a constant.

    Args:
        module: The network.
        energy: Energy of one weight (K, D), such as functools.partial(hyperspherical_energy, power=0,
            half_space=True).
        reduction: "sum" over layers, as Liu et al. have it, or "mean".

    Returns:
        The energy of all layers, a number.

    Raises:
        UserError: The module has no such layer, or the reduction is unknown.

    >>> net = nn.Sequential(nn.Linear(4, 3, bias=False), nn.ReLU(), nn.Linear(3, 1))
    >>> nn.init.orthogonal_(net[0].weight) is net[0].weight
    True
    >>> layer_energy(net)
    tensor(0.5000, grad_fn=<SumBackward0>)
    """
    if reduction not in ("sum", "mean"):
        hint = suggest(str(reduction), ("sum", "mean"), otherwise="pass sum or mean.")
        raise UserError(f"layer_energy got reduction={reduction!r}: {hint}")
    energies = [energy(weight.flatten(1)) for weight in weights_of_layers(module)]
    if not energies:
        raise UserError("layer_energy found no linear or convolutional layer with two outputs: pass another network.")
    stacked = torch.stack(energies)
    return stacked.sum() if reduction == "sum" else stacked.mean()


def weights_of_layers(module: nn.Module) -> list[Tensor]:
    """The weights that have an energy: of linear and convolutional layers with two outputs or more.

    >>> [weight.shape for weight in weights_of_layers(nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 1)))]
    [torch.Size([3, 4])]
    """
    layers = (part for part in module.modules() if isinstance(part, nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d))
    return [layer.weight for layer in layers if len(layer.weight) > 1]


def _all_cosines(rows: Tensor) -> Tensor:
    """Cosines (K (K - 1) / 2,) of the pairs i < j."""
    above = torch.ones(len(rows), len(rows), dtype=torch.bool, device=rows.device).triu(1)
    return (rows @ rows.T).masked_select(above)


def _some_cosines(rows: Tensor, pairs: int, generator: torch.Generator | None) -> Tensor:
    """Cosines (pairs,) of random pairs i != j, drawn with replacement."""
    count, device = len(rows), rows.device
    first = torch.randint(count, (pairs,), generator=generator, device=device)
    step = torch.randint(1, count, (pairs,), generator=generator, device=device)
    return (rows[first] * rows[(first + step) % count]).sum(1)


def _energy(cosine: Tensor, power: int, angular: bool) -> Tensor:
    """f(distance) of each cosine; at the clamps, where a direction is undefined, the gradient is zero."""
    inside = cosine.clamp(-1 + torch.finfo(cosine.dtype).eps, 1 - _CLOSEST)
    if angular:
        angle = inside.acos()
        return -angle.log() if power == 0 else angle**-power
    squared = 2 - 2 * inside
    return -0.5 * squared.log() if power == 0 else squared ** (-power / 2)


def _check(weight: Tensor, power: int, pairs: int | None) -> None:
    if weight.ndim != 2 or not weight.is_floating_point():
        raise UserError(
            f"The energy got a weight of shape {tuple(weight.shape)} and {weight.dtype}: "
            "pass floating (rows, features), kernels flattened."
        )
    if power not in (0, 1, 2):
        raise UserError(f"The energy got power={power}: pass 0, 1 or 2.")
    if pairs is not None and pairs < 1:
        raise UserError(f"The energy got pairs={pairs}: pass at least 1, or None for all.")

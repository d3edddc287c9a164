"""The layers of a network in their order, for what fine-tuning does by depth: freeze the first, slow the early."""

from __future__ import annotations

import re

from torch import Tensor, nn

from fullrank.errors import UserError
from fullrank.nn.encoder import Encoder

_BLOCK = re.compile(r"^(?:[A-Za-z_]\w*\.)*?(?:\d+\.)+")  # up to the first run of numbers: blocks.3., layer1.0.


def layers(model: nn.Module) -> list[list[str]]:
    """The names of a network's parameters by layer: the stem, the numbered blocks, and with the last what follows.

    A norm alone belongs to the layer before it.

    Args:
        model: Any network, whose parameters are listed in the order of their names.

    >>> layers(nn.Sequential(nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 3)))
    [['0.weight', '1.weight', '1.bias'], ['3.weight', '3.bias']]
    """
    named = [(name, parameter, _BLOCK.match(name)) for name, parameter in model.named_parameters()]
    blocks = {match.group() for _, parameter, match in named if match and parameter.ndim > 1}
    found: list[list[str]] = [[]]
    block = ""
    for name, _, match in named:
        if match and match.group() in blocks - {block}:
            block = match.group()
            found += [[]] if found[-1] else []
        found[-1].append(name)
    return found


def freeze(encoder: Encoder, count: int, *, norms: bool = False) -> None:
    """Keep the first `count` layers as they are: no gradient, and norms that keep their statistics.

    With `norms`, those of all other layers keep their statistics too, while their scales and shifts learn.

    Args:
        encoder: The encoder, which is changed in place.
        count: Layers from the first on, by `layers`; 0 freezes none.
        norms: Whether all norms keep their statistics.

    Raises:
        UserError: The encoder has fewer layers.
    """
    found = layers(encoder.model)
    if not 0 <= count <= len(found):
        raise UserError(f"--freeze {count} is not a number of layers of {encoder.name}: pass 0 to {len(found)}.")
    kept = {name for layer in found[:count] for name in layer}
    for path, module in encoder.model.named_modules():
        own = {f"{path}.{name}".removeprefix("."): each for name, each in module.named_parameters(recurse=False)}
        for name in own.keys() & kept:
            own[name].requires_grad_(False)
        if (norms or own.keys() & kept) and _keeps_statistics(module):
            encoder.frozen += (path,)
    encoder.train(encoder.training)


def has_statistics(network: nn.Module) -> bool:
    """Whether some layer keeps running statistics, as batch norm does.

    Args:
        network: Any module.

    >>> has_statistics(nn.BatchNorm1d(2)), has_statistics(nn.LayerNorm(2))
    (True, False)
    """
    return any(_keeps_statistics(layer) for layer in network.modules())


def _keeps_statistics(layer: nn.Module) -> bool:
    return getattr(layer, "running_mean", None) is not None


def rates(encoder: Encoder, decay: float) -> dict[Tensor, float]:
    """For each parameter the share of the learning rate: `decay` to the power of the layers that lie behind it.

    The last layer has `decay` itself, since the projector, whose share is 1, lies behind it.

    Args:
        encoder: The encoder.
        decay: The factor of a layer, in (0, 1]; 1 gives all the same rate.

    >>> from fullrank.nn.encoder import encoder
    >>> sorted(set(rates(encoder("tiny", image_size=16), 0.5).values()))
    [0.125, 0.25, 0.5]
    """
    found, named = layers(encoder.model), dict(encoder.model.named_parameters())
    return {named[name]: decay ** (len(found) - at) for at, layer in enumerate(found) for name in layer}

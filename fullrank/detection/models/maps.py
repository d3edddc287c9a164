"""The feature maps of an encoder by their strides, whichever library its network is of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from fullrank.errors import UserError, first_line
from fullrank.nn import Encoder

_PROBE = 128  # pixels of the image that strides are measured with
_COARSEST, _FINE = 32, 4  # strides of a pyramid
_MOST = 4  # maps


@dataclass(frozen=True)
class Level:
    """One map: its place in the network, its stride and its channels."""

    place: Any
    stride: int
    channels: int


class Maps(nn.Module):
    """The last map of each stride from 4 to 32, finest first: images (N, C, H, W) to maps (N, c, H/s, W/s)."""

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.model = encoder.model
        self.levels = _levels(encoder)
        self._seen: dict[str, Tensor] = {}
        if not _has_maps(self.model):
            for level in self.levels:
                self.model.get_submodule(level.place).register_forward_hook(self._keeper(level.place))

    def forward(self, images: Tensor) -> list[Tensor]:
        """The maps."""
        places = [level.place for level in self.levels]
        if _has_maps(self.model):
            return _maps(self.model, images, indices=places)
        self.model(images)
        maps = [self._seen[place] for place in places]
        self._seen.clear()
        return maps

    def _keeper(self, place: str) -> Any:
        def keep(module: nn.Module, inputs: object, output: Tensor) -> None:
            self._seen[place] = output

        return keep


def _has_maps(model: nn.Module) -> bool:
    return hasattr(model, "forward_intermediates")


def _maps(model: Any, images: Tensor, indices: list[int] | None = None) -> list[Tensor]:
    maps: list[Tensor] = model.forward_intermediates(images, indices=indices, intermediates_only=True)
    return maps


def _levels(encoder: Encoder) -> tuple[Level, ...]:
    """The maps that a pyramid is built on; raises UserError where there is none."""
    model, training = encoder.model, encoder.model.training
    model.eval()
    try:
        with torch.no_grad():
            shapes = _shapes(model, torch.zeros(1, encoder.channels, _PROBE, _PROBE))
    except (ArithmeticError, AssertionError, IndexError, RuntimeError, TypeError, ValueError) as error:
        first = first_line(error).rstrip(".")
        raise UserError(
            f"{encoder.name} cannot take images of any size, as a detector must ({first}): use a convolutional network."
        ) from None
    finally:
        model.train(training)
    last = {_PROBE // shape[2]: Level(place, _PROBE // shape[2], shape[1]) for place, shape in shapes.items()}
    chosen = [last[stride] for stride in sorted(last) if _FINE <= stride <= _COARSEST]
    if not chosen:
        raise UserError(
            f"{encoder.name} has no feature map of a stride from {_FINE} to {_COARSEST}: use another network."
        )
    return tuple(chosen[-_MOST:])


def _shapes(model: nn.Module, image: Tensor) -> Mapping[Any, Sequence[int]]:
    """The shapes of all square maps, in the order in which they are made."""
    if _has_maps(model):
        return {at: found.shape for at, found in enumerate(_maps(model, image)) if _square(found)}
    shapes: dict[str, Sequence[int]] = {}

    def note(place: str) -> Any:
        def keep(module: nn.Module, inputs: object, output: object) -> None:
            if isinstance(output, Tensor) and _square(output):
                shapes.pop(place, None)
                shapes[place] = tuple(output.shape)

        return keep

    hooks = [module.register_forward_hook(note(place)) for place, module in model.named_modules() if place]
    try:
        model(image)
    finally:
        for hook in hooks:
            hook.remove()
    return shapes


def _square(found: Tensor) -> bool:
    return found.ndim == 4 and found.shape[2] == found.shape[3] and _PROBE % found.shape[2] == 0


def freeze_unused(maps: Maps, channels: int) -> None:
    """Let the parameters that no map depends on be, so that every one that is trained has a gradient."""
    training = maps.training
    maps.eval()
    image = torch.zeros(1, channels, _PROBE, _PROBE)
    total = torch.stack([found.sum() for found in maps(image)]).sum()
    used = [parameter for parameter in maps.parameters() if parameter.requires_grad]
    gradients = torch.autograd.grad(total, used, allow_unused=True)
    for parameter, gradient in zip(used, gradients, strict=True):
        parameter.requires_grad_(gradient is not None)
    maps.train(training)

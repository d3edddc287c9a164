"""Whether memory holds an encoder, found before any is taken for it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import torch
from torch import Tensor, nn

from fullrank.errors import UserError
from fullrank.stats.sketch.memory import free_memory, require_memory

_LEAST = 2 * 4 * 8  # bytes of a pixel in two images in float32, and in the first maps of them at the very least


def require_room(name: str, side: int, channels: int) -> None:
    """Raise UserError where memory does not even hold what the first layers make of two images."""
    if _LEAST * channels * side**2 > free_memory():
        raise UserError(too_large(name, side, channels))


def too_large(name: str, side: int, channels: int) -> str:
    """The sentence about images that are too large."""
    what = f"{side} x {side} px with {channels} channels"
    return f"'{name}' needs more memory for {what} than there is: use smaller images."


def without_values(build: Callable[[], nn.Module]) -> nn.Module | None:
    """A model whose tensors take no memory; None where it computes with their values while it is made.

    >>> without_values(lambda: nn.Linear(10**6, 10**6)).weight.device.type
    'meta'
    """
    try:
        with torch.device("meta"):
            return build().eval()
    except NotImplementedError:
        return None


def require_room_for_model(name: str, model: nn.Module | None, side: int, channels: int) -> None:
    """Raise UserError where memory does not hold the weights of a model, and twice what a layer makes of two images.

    `model` is one `without_values`. A training takes more by far.
    """
    if model is None:
        return
    weights = sum(value.numel() * value.element_size() for value in model.state_dict().values())
    require_memory(weights, f"The weights of '{name}'", "use a smaller model")
    largest = 0

    def note(_: nn.Module, taken: tuple[object, ...], made: object) -> None:
        nonlocal largest
        largest = max(largest, sum(4 * each.numel() for each in (*taken, made) if isinstance(each, Tensor)))

    for layer in model.modules():
        if not [*layer.children()]:
            layer.register_forward_hook(note)
    with suppress(Exception), torch.no_grad():  # whatever the model itself will raise, too
        model(torch.zeros(2, channels, side, side, device="meta"))
    if weights + 2 * largest > free_memory():
        raise UserError(too_large(name, side, channels))

"""A trained encoder as one file: weights, and what is needed to use them."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from fullrank.errors import UserError
from fullrank.nn.encoder import Encoder, encoder


@dataclass(frozen=True, eq=False)
class SavedEncoder:
    """An encoder in eval mode, and the mean and standard deviation (by channel, of pixels in [0, 1]) of its input.

    `loss_features` is how many of the first features entered the loss by themselves; None where all did.
    """

    encoder: Encoder
    mean: tuple[float, ...]
    std: tuple[float, ...]
    loss_features: int | None = None

    def __call__(self, images: Tensor) -> Tensor:
        """Representation (N, width) of images uint8 (N, C, S, S), on their device."""
        mean, std = (images.new_tensor(values, dtype=torch.float32).view(-1, 1, 1) for values in (self.mean, self.std))
        representation: Tensor = self.encoder((images.float() / 255 - mean) / std)
        return representation

    def untrained(self, seed: int) -> SavedEncoder:
        """The same network with fresh weights, as a baseline."""
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            fresh = encoder(self.encoder.name, image_size=self.encoder.image_size, channels=self.encoder.channels)
        return replace(self, encoder=fresh.eval())


def encoder_bytes(
    trained: Encoder, *, mean: tuple[float, ...], std: tuple[float, ...], loss_features: int | None = None
) -> bytes:
    """The content of an encoder.safetensors file; the arguments are the fields of a `SavedEncoder`.

    >>> content = encoder_bytes(encoder("tiny", image_size=28, channels=1), mean=(0.5,), std=(0.25,))
    >>> len(content) > 300_000
    True
    """
    about = {
        "name": trained.name,
        "image_size": trained.image_size,
        "channels": trained.channels,
        "mean": mean,
        "std": std,
        "loss_features": loss_features,
    }
    tensors = {name: value.detach().cpu().contiguous() for name, value in trained.state_dict().items()}
    content: bytes = save(tensors, metadata={"fullrank": json.dumps(about)})
    return content


def load_encoder(path: Path) -> SavedEncoder:
    """Read an encoder.safetensors file; no code in it is run. UserError if it is missing or not one of FullRank's."""
    try:
        with safe_open(path, framework="pt") as file:
            about = json.loads((file.metadata() or {})["fullrank"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is no dict)
        fresh = encoder(about["name"], image_size=about["image_size"], channels=about["channels"])
        fresh.load_state_dict(tensors)
    except FileNotFoundError as error:
        raise UserError(
            f"{path} is missing: finish the training with `fullrank train --resume {path.parent}`."
        ) from error
    except (SafetensorError, KeyError, ValueError, RuntimeError, OSError) as error:
        raise UserError(f"{path} is no encoder of FullRank ({error}): train again.") from error
    return SavedEncoder(fresh.eval(), tuple(about["mean"]), tuple(about["std"]), about.get("loss_features"))

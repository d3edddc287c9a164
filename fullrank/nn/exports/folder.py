"""What exports share: the note beside the weights, pixels in the graph, and what a published network must be."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from fullrank.errors import UserError
from fullrank.nn.encoder import OBJECT, Encoder, Stem
from fullrank.nn.encoder_file import SavedEncoder, require_plausible
from fullrank.nn.tiny import TINY
from fullrank.runs.reading import NOTE, parse_json, read_text
from fullrank.runs.trusted import is_file_of_code

ELSEWHERE = "export it by --to onnx or --to torch-export, which keep any network"


@dataclass(frozen=True)
class About:
    """What is needed to use an export, as it stands in fullrank.json."""

    format: str
    name: str
    stem: Stem
    image_size: int
    channels: int
    width: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    recipe: str | None
    versions: dict[str, str]
    range: tuple[float, float] | None = None

    @classmethod
    def of(cls, saved: SavedEncoder, name: str) -> About:
        """That of an encoder that is written in a format."""
        of = saved.encoder
        pixels = (tuple(saved.mean), tuple(saved.std))
        shape = (of.image_size, of.channels, of.width)
        return cls(name, of.name, of.stem, *shape, *pixels, saved.recipe, dict(saved.versions), saved.range)

    def write(self, folder: Path) -> None:
        """Write it."""
        (folder / NOTE).write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> About:
        """Read it; raises UserError where it is damaged."""
        try:
            content: dict[str, Any] = parse_json(read_text(folder / NOTE))
            require_plausible(content)
            if not isinstance(content["format"], str) or type(content["width"]) is not int:
                raise ValueError("it does not say its format and the width of its features")
            lists = {name: tuple(value) for name, value in content.items() if isinstance(value, list)}
            return cls(**{**content, **lists})
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise UserError(f"{folder / NOTE} cannot be read ({error}): export again.") from None


class Pixels(nn.Module):
    """An encoder of images float (N, C, S, S) in [0, 1], which are normalized inside.

    >>> from fullrank.nn.encoder import encoder
    >>> saved = SavedEncoder(encoder("tiny", image_size=16).eval(), (0.5,) * 3, (0.25,) * 3)
    >>> Pixels(saved)(torch.zeros(2, 3, 16, 16)).shape
    torch.Size([2, 512])
    """

    mean: Tensor
    std: Tensor

    def __init__(self, saved: SavedEncoder) -> None:
        super().__init__()
        self.model = saved.encoder.model
        self.register_buffer("mean", torch.tensor(saved.mean).view(-1, 1, 1))
        self.register_buffer("std", torch.tensor(saved.std).view(-1, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        """Images (N, C, S, S) in [0, 1] to features (N, width)."""
        features: Tensor = self.model((images - self.mean) / self.std)
        return features


class Called(nn.Module):
    """A function of images as a module."""

    def __init__(self, call: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.call = call

    def forward(self, images: Tensor) -> Tensor:
        """What the function gives."""
        return self.call(images)


def whole(about: About, call: Callable[[Tensor], Tensor]) -> SavedEncoder:
    """The encoder of an export that normalizes pixels itself: here nothing is done to them."""
    of = {"width": about.width, "name": about.name, "channels": about.channels, "image_size": about.image_size}
    made = Encoder(Called(call), stem=about.stem, **of).eval()  # type: ignore[arg-type]
    pixels = ((0.0,) * about.channels, (1.0,) * about.channels)
    inside = (about.mean, about.std)
    return SavedEncoder(made, *pixels, recipe=about.recipe, versions=about.versions, inside=inside)


def as_published(saved: SavedEncoder, library: str) -> str:
    """The name of the network in a library; one of the user's own, or with our first layers, raises a UserError."""
    of = saved.encoder
    if of.name in TINY or is_file_of_code(of.name) or of.name.startswith(OBJECT):
        raise UserError(f"{of.name} is not a network of {library}: {ELSEWHERE}.")
    if of.stem == "small" and not hasattr(of.model, "patch_embed"):
        raise UserError(
            f"This {of.name} has first layers for small images, which {library} has no name for: {ELSEWHERE}, or train "
            "with --stem imagenet."
        )
    return of.name

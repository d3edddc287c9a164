"""A state dict under the names of torchvision, without the classifier."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from fullrank.errors import UserError
from fullrank.nn.encoder import Encoder, encoder
from fullrank.nn.encoder_file import SavedEncoder, tensors_of
from fullrank.nn.exports.folder import ELSEWHERE, About, as_published

USE = """\
import torch
import torchvision
from safetensors.torch import load_file

model = torchvision.models.get_model("NAME", weights=None)
missing = model.load_state_dict(load_file("FOLDER/model.safetensors"), strict=False)
assert not missing.unexpected_keys  # missing are the classifier's alone
"""


def write(saved: SavedEncoder, folder: Path) -> None:
    """Write it; raises UserError for a network that torchvision does not have under the same names of tensors."""
    name = torchvision_name(as_published(saved, "torchvision"))
    theirs = _made(name, saved.encoder.image_size, saved.encoder.channels).model.state_dict()
    ours = tensors_of(saved.encoder.model)
    if {key: value.shape for key, value in ours.items()} != {key: value.shape for key, value in theirs.items()}:
        raise UserError(
            f"{saved.encoder.name} has other tensors than torchvision's {name}: pass --to timm, or {ELSEWHERE}."
        )
    save_file(ours, folder / "model.safetensors", metadata={"format": "pt"})


def torchvision_name(name: str) -> str:
    """What torchvision calls a network of ours; raises UserError where it has none.

    >>> torchvision_name("torchvision/resnet18"), torchvision_name("resnet50.a1_in1k")
    ('resnet18', 'resnet50')
    """
    from torchvision import models

    bare = name.removeprefix("torchvision/").partition(".")[0]
    if bare not in models.list_models(module=models):
        raise UserError(f"{name} is not a network of torchvision: pass --to timm, or {ELSEWHERE}.")
    return bare


def _made(name: str, image_size: int, channels: int) -> Encoder:
    with torch.random.fork_rng():
        return encoder(f"torchvision/{name}", image_size=image_size, channels=channels, stem="imagenet")


def read(folder: Path, about: About) -> SavedEncoder:
    """The encoder, as torchvision makes it."""
    made = _made(torchvision_name(about.name), about.image_size, about.channels)
    made.model.load_state_dict(load_file(folder / "model.safetensors"))
    return SavedEncoder(made.eval(), about.mean, about.std, recipe=about.recipe, versions=about.versions)

"""A ResNet under the names of detectron2's backbone, as MoCo's converter has them, in a file that holds no code."""

from __future__ import annotations

import re
from pathlib import Path

import torch
from torch import Tensor

from fullrank.errors import UserError
from fullrank.nn.encoder_file import SavedEncoder, tensors_of
from fullrank.nn.exports import torchvision
from fullrank.nn.exports.folder import ELSEWHERE, About, as_published

USE = """\
# in a configuration of detectron2, with a ResNet backbone of this depth
MODEL:
  WEIGHTS: "FOLDER/model.pth"
  PIXEL_MEAN: [MEAN255]
  PIXEL_STD: [STD255]
  RESNETS: {STRIDE_IN_1X1: False, NORM: "SyncBN"}
INPUT: {FORMAT: "RGB"}
"""
_RESNET = re.compile(r"^(?:conv1|bn1|layer[1-4]\.\d+\.(?:conv[123]|bn[123]|downsample\.[01]))\.")


def theirs(name: str) -> str:
    """The name of a tensor of a ResNet in detectron2.

    >>> theirs("conv1.weight"), theirs("layer1.0.downsample.1.bias")
    ('stem.conv1.weight', 'res2.0.shortcut.norm.bias')
    """
    name = name if name.startswith("layer") else f"stem.{name}"
    name = re.sub(r"^layer(\d)", lambda match: f"res{int(match.group(1)) + 1}", name)
    name = re.sub(r"\bbn([123])\b", r"conv\1.norm", name)
    return name.replace("downsample.0", "shortcut").replace("downsample.1", "shortcut.norm")


def write(saved: SavedEncoder, folder: Path) -> None:
    """Write model.pth; raises UserError for another network than a ResNet with ImageNet's stem."""
    name = as_published(saved, "detectron2")
    tensors = tensors_of(saved.encoder.model)
    if not all(_RESNET.match(each) for each in tensors):
        raise UserError(f"{name} is not a ResNet as detectron2 has them: {ELSEWHERE}.")
    kept = {theirs(each): value for each, value in tensors.items() if not each.endswith("num_batches_tracked")}
    torch.save({"model": kept, "matching_heuristics": True, "__author__": "FullRank"}, folder / "model.pth")


def read(folder: Path, about: About) -> SavedEncoder:
    """The encoder, with the tensors under torchvision's names again."""
    content: dict[str, dict[str, Tensor]] = torch.load(folder / "model.pth", weights_only=True)
    made = torchvision._made(torchvision.torchvision_name(about.name), about.image_size, about.channels)
    ours = made.model.state_dict()
    found = {name: content["model"][theirs(name)] for name in ours if not name.endswith("num_batches_tracked")}
    made.model.load_state_dict({**ours, **found})
    return SavedEncoder(made.eval(), about.mean, about.std, recipe=about.recipe, versions=about.versions)

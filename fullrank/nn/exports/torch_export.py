"""A program of torch.export, which normalizes its pixels and takes any number of images, and needs no code of ours."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor

from fullrank.nn.encoder_file import SavedEncoder
from fullrank.nn.exports.folder import About, Pixels, whole

USE = """\
import torch

model = torch.export.load("FOLDER/model.pt2").module()
features = model(torch.zeros(4, CHANNELS, SIZE, SIZE))  # in [0, 1]; the program normalizes them
"""


def write(saved: SavedEncoder, folder: Path) -> None:
    """Write model.pt2: images float32 (batch, C, S, S) in [0, 1] to features (batch, width)."""
    of = saved.encoder
    images = torch.rand(2, of.channels, of.image_size, of.image_size)
    shapes = ({0: torch.export.Dim("batch", min=1)},)
    program = torch.export.export(Pixels(saved).cpu().eval(), (images,), dynamic_shapes=shapes)
    note = {"fullrank.json": json.dumps(asdict(About.of(saved, "torch-export")))}
    torch.export.save(program, folder / "model.pt2", extra_files=note)


def read(folder: Path, about: About) -> SavedEncoder:
    """The encoder; torch may unpickle what is in the file, so that only a trusted one is to be read."""
    program = torch.export.load(folder / "model.pt2").module()

    def call(images: Tensor) -> Tensor:
        features: Tensor = program(images)
        return features

    return whole(about, call)

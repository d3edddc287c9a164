"""The encoder that a detector begins from: trained, of another framework, or none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from fullrank.data.sources.load import IMAGENET_MEAN, IMAGENET_STD
from fullrank.detection.models.build import for_any_size
from fullrank.errors import UserError
from fullrank.evaluation.embed import identity
from fullrank.evaluation.model import open_model
from fullrank.nn import SavedEncoder, encoder
from fullrank.nn.weights import published_pixels


def open_encoder(
    source: str | None, backbone: str | None, *, seed: int, say: Callable[[str], None]
) -> tuple[SavedEncoder, dict[str, Any]]:
    """The encoder of a run, a file, an export or published weights, or an untrained `backbone`; what is kept of it."""
    if source is not None:
        model = open_model(source, network=backbone, say=say)
        for_any_size(model.encoder)  # a network of one's own is refused before anything is read
        return model, {"source": source, "place": model.place, "sha256": identity(model)}
    if backbone is None:
        raise UserError("Which encoder? Pass a run, a file or --weights, or --backbone NAME to begin from nothing.")
    mean, std, size = published_pixels(backbone) or (IMAGENET_MEAN, IMAGENET_STD, 224)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        made = encoder(backbone, image_size=size, stem="imagenet")
    say(f"{made.name} begins from nothing: random weights of seed {seed}.")
    return SavedEncoder(made.eval(), mean, std), {"source": "random weights"}

"""Methods of lightly (https://github.com/lightly-ai/lightly) beside ours: its heads, losses and defaults, our trainer.

Encoder, images, views, batch, optimizer, schedule and the widths of the heads are those of our recipe of the same
name. By its defaults lightly's SimCLR has the temperature 0.5 and batch norm behind both layers, its Barlow Twins and
VICReg have one layer more, and its BYOL begins at the momentum 0.996, as its example has it.
"""

from __future__ import annotations

import copy
import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from fullrank.losses import Terms
from fullrank.methods import JointEmbedding, Method, Outputs
from fullrank.nn import Encoder
from fullrank.recipes import Recipe


@dataclass(frozen=True)
class Peer:
    """Our recipe of the same method, and how lightly's is made of its encoder and widths."""

    recipe: str
    make: Callable[[Encoder, Recipe], Method]


def _heads() -> Any:
    return importlib.import_module("lightly.models.modules.heads")


def _losses() -> Any:
    return importlib.import_module("lightly.loss")


def _pairs(criterion: nn.Module) -> Callable[[Tensor], Terms]:
    """The objective of embeddings (2, N, D)."""
    return lambda z: {"loss": criterion(z[0], z[1])}


def _simclr(encoder: Encoder, recipe: Recipe) -> Method:
    head = _heads().SimCLRProjectionHead(encoder.width, *recipe.projector)
    return JointEmbedding(encoder, head, _pairs(_losses().NTXentLoss()))


def _barlow_twins(encoder: Encoder, recipe: Recipe) -> Method:
    head = _heads().BarlowTwinsProjectionHead(encoder.width, *recipe.projector)
    return JointEmbedding(encoder, head, _pairs(_losses().BarlowTwinsLoss()))


def _vicreg(encoder: Encoder, recipe: Recipe) -> Method:
    head = _heads().VICRegProjectionHead(encoder.width, *recipe.projector)
    return JointEmbedding(encoder, head, _pairs(_losses().VICRegLoss()))


class _BYOL(Method):
    """lightly's example of BYOL: two heads, a teacher of encoder and first head, and a cosine of its momentum."""

    def __init__(self, encoder: Encoder, recipe: Recipe) -> None:
        super().__init__()
        hidden, width = recipe.projector
        self.encoder = encoder
        self.projector = _heads().BYOLProjectionHead(encoder.width, hidden, width)
        self.predictor = _heads().BYOLPredictionHead(width, hidden, width)
        self.teacher = copy.deepcopy(nn.Sequential(self.encoder, self.projector)).requires_grad_(False)
        self.criterion = _losses().NegativeCosineSimilarity()
        self.utils = importlib.import_module("lightly.models.utils")
        self.schedule = importlib.import_module("lightly.utils.scheduler").cosine_schedule

    def forward(self, views: Sequence[Tensor]) -> Outputs:
        representation = torch.stack([self.encoder(view) for view in views])
        embedding = torch.stack([self.projector(h) for h in representation])
        prediction = torch.stack([self.predictor(z) for z in embedding])
        with torch.no_grad():
            target = torch.stack([self.teacher(view) for view in views])
        return {"representation": representation, "embedding": embedding, "prediction": prediction, "target": target}

    def loss(self, outputs: Outputs) -> Terms:
        (p0, p1), (t0, t1) = outputs["prediction"], outputs["target"]
        return {"loss": (self.criterion(p0, t1) + self.criterion(p1, t0)) / 2}

    def update(self, progress: float) -> None:
        momentum = self.schedule(round(1000 * progress), 1001, 0.996, 1.0)
        self.utils.update_momentum(self.encoder, self.teacher[0], momentum)
        self.utils.update_momentum(self.projector, self.teacher[1], momentum)


PEERS = {
    "lightly_simclr": Peer("simclr", _simclr),
    "lightly_byol": Peer("byol", _BYOL),
    "lightly_barlow_twins": Peer("barlow_twins", _barlow_twins),
    "lightly_vicreg": Peer("vicreg", _vicreg),
}

"""Joint embedding: every view through one encoder and one projector."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from fullrank.losses import Terms
from fullrank.nn import Encoder

Outputs = dict[str, Tensor]
"""Name -> (V, N, D): "representation" of the backbone, "embedding" of the projector, and what a method adds."""


class Method(nn.Module, ABC):
    """What is trained: a way from views to outputs, and the loss of the outputs of the whole batch.

    Attributes:
        encoder: The backbone.
        projector: From its output to the embedding.
        passes: Passes over the data that are done.
    """

    encoder: Encoder
    projector: nn.Module
    passes = 0.0

    @abstractmethod
    def forward(self, views: Sequence[Tensor]) -> Outputs:
        """Outputs of V views, each a batch of images (N, C, H, W); sizes may differ between views."""

    @abstractmethod
    def loss(self, outputs: Outputs) -> Terms:
        """Named terms and "loss" of the outputs, after they were gathered over processes."""

    def update(self, progress: float) -> None:
        """Called at the start of every step but the first, with the share of the training that is done, in [0, 1]."""

    def enter(self, passes: float) -> None:
        """Called at the start of every batch, with the passes over the data that are done; notes them."""
        self.passes = passes

    def held(self) -> list[nn.Parameter]:
        """The parameters that the optimizer's next step leaves as they are."""
        return []


def compile_networks(method: Method) -> None:
    """Let torch.compile translate the networks of a method when they are first called; their weights keep their names.

    Losses are left as they are: they take little time, and their decompositions in float64 gain nothing.

    Args:
        method: Whose networks are compiled, in place.
    """
    for name, network in method.named_children():
        if name != "objective":
            network.compile()


class JointEmbedding(Method):
    """Encoder, projector and an objective on the projector's embeddings (V, N, D).

    Each view is a forward pass of its own, so that batch norm sees one view at a time, as in the code of VICReg,
    Barlow Twins and INTL. An objective with state is an nn.Module, and so part of every checkpoint.

    Args:
        encoder: The backbone, whose output is the representation.
        projector: From the representation to the embedding.
        objective: From embeddings (V, N, D) to named terms and their "loss", as every loss of `fullrank.losses` does.
    """

    def __init__(self, encoder: Encoder, projector: nn.Module, objective: Callable[[Tensor], Terms]) -> None:
        super().__init__()
        self.encoder = encoder
        self.projector = projector
        self.objective = objective

    def forward(self, views: Sequence[Tensor]) -> Outputs:
        """representation (V, N, width) and embedding (V, N, D)."""
        representation = [self.encoder(view) for view in views]
        embedding = [self.projector(h) for h in representation]
        return {"representation": torch.stack(representation), "embedding": torch.stack(embedding)}

    def loss(self, outputs: Outputs) -> Terms:
        """The objective of the embedding."""
        return self.objective(outputs["embedding"])

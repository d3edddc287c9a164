"""Heads: the small perceptrons that papers put behind an encoder (projectors) or a projector (predictors)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn

from fullrank.errors import UserError
from fullrank.stats import normalize
from fullrank.stats.sketch.memory import require_memory

Norm = Literal["batch", "layer", "none"]
LastNorm = Literal["none", "batch", "batch-no-affine"]


def mlp(
    width: int,
    widths: Sequence[int],
    *,
    norm: Norm = "batch",
    bias: bool = False,
    last_bias: bool = True,
    last_norm: LastNorm = "none",
) -> nn.Sequential:
    """Perceptron (N, width) to (N, widths[-1]): linear, norm, ReLU for each hidden width, then the last linear.

    `bias` and `norm` are of the hidden layers, `last_bias` and `last_norm` of the last; no widths: the identity.

    The heads of the papers, on a ResNet-50 (2048):

    - SimCLR: `mlp(2048, [2048, 128], last_bias=False, last_norm="batch")` (DirectCLR's code for the baseline)
    - Barlow Twins: `mlp(2048, [8192, 8192, 8192], last_bias=False, last_norm="batch-no-affine")`
    - VICReg: `mlp(2048, [8192, 8192, 8192], bias=True, last_bias=False)`
    - INTL: `mlp(2048, [8192, 8192, 8192])`
    - CorInfoMax, CIFAR-10 on 512: `mlp(512, [2048, 2048, 64], norm="none", bias=True, last_bias=False)`
    - BYOL: `mlp(2048, [4096, 256], bias=True, last_bias=False)`, predictor the same on 256
    - W2 uniformity, CIFAR-10 on 512: `mlp(512, [2048, 2048, 256])`

    Args:
        width: Width of its input.
        widths: Widths of its layers; the last one is that of the output.
        norm: "batch", "layer" or "none", behind each hidden layer.
        bias: Whether the hidden layers have a bias.
        last_bias: Whether the last layer has one.
        last_norm: What follows the last layer.

    Raises:
        UserError: A width is below 1, or a norm is unknown.

    >>> mlp(512, [64, 16])
    Sequential(
      (0): Linear(in_features=512, out_features=64, bias=False)
      (1): BatchNorm1d(64, eps=1e-05, momentum=0.1, ...)
      (2): ReLU(inplace=True)
      (3): Linear(in_features=64, out_features=16, bias=True)
    )
    """
    if min([width, *widths]) < 1:
        raise UserError(f"A head of widths {[width, *widths]} has an empty layer: pass widths of at least 1.")
    weights = sum(a * b for a, b in pairwise([width, *widths]))
    require_memory(8 * weights, f"{weights:,} weights and their gradients", "pass a smaller --projector")
    layers: list[nn.Module] = []
    for hidden in widths[:-1]:
        layers += [nn.Linear(width, hidden, bias=bias), *_norm(norm, hidden), nn.ReLU(inplace=True)]
        width = hidden
    for last in widths[-1:]:
        layers += [nn.Linear(width, last, bias=last_bias), *_norm(last_norm, last)]
    return nn.Sequential(*layers)


class Prototypes(nn.Linear):
    """Cosines (N, K) of embeddings (N, D) with K trainable prototypes, in full precision: DINO's last layer.

    The authors' l2-normalized bottleneck and weight-normalized layer without gain. Lengths never matter.

    Args:
        features: Width D of the embeddings.
        prototypes: Their number K.

    >>> Prototypes(4, 16)(torch.ones(2, 4)).shape
    torch.Size([2, 16])
    """

    def __init__(self, features: int, prototypes: int) -> None:
        super().__init__(features, prototypes, bias=False)

    def forward(self, z: Tensor) -> Tensor:
        """(N, D) to (N, K), in [-1, 1]."""
        with torch.autocast(z.device.type, enabled=False):
            return normalize(z.to(self.weight.dtype)) @ normalize(self.weight).T


def _norm(name: Norm | LastNorm, width: int) -> list[nn.Module]:
    """The layer of this name, or none."""
    match name:
        case "none":
            return []
        case "batch":
            return [nn.BatchNorm1d(width)]
        case "batch-no-affine":
            return [nn.BatchNorm1d(width, affine=False)]
        case "layer":
            return [nn.LayerNorm(width)]
        case _:
            raise UserError(f"There is no norm '{name}': use batch, layer or none.")

"""The toy nets of DirectCLR (Jing, Vincent, LeCun & Tian, 2022): stacks of 16 x 16 layers on Gaussian data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from fullrank.papers.directclr.theory import euclidean_loss

FEATURES = 16
Loss = Literal["euclidean", "dot"]


@dataclass(frozen=True, kw_only=True)
class Nets:
    """S seeds of K nets of up to L layers, trained side by side; a net of fewer layers ends in identities."""

    weights: Tensor
    """(S, K, L, d, d)"""
    depths: tuple[int, ...]
    """Layers of each net; the rest are identities."""
    relu: tuple[bool, ...]
    """For each net: ReLU between its layers (never after the last)."""
    seeds: tuple[int, ...]
    """Of the weights, and of the batches that they are trained on."""

    def embed(self, x: Tensor) -> Tensor:
        """Embeddings (S, K, N, d) of inputs that broadcast to that."""
        for layer in range(self.weights.shape[2]):
            x = x @ self.weights[:, :, layer].mT
            bent = [relu and layer + 1 < depth for relu, depth in zip(self.relu, self.depths, strict=True)]
            if any(bent):
                x = torch.where(torch.tensor(bent)[:, None, None], x.relu(), x)
        return x


def uniform_layers(seeds: Sequence[int], nets: int) -> Nets:
    """One layer each, with torch's default start U(-1/4, 1/4); all nets of a seed start alike."""
    starts = [torch.rand(FEATURES, FEATURES, generator=_generator(seed)) / 2 - 0.25 for seed in seeds]
    weights = torch.stack(starts)[:, None, None].repeat(1, nets, 1, 1, 1)
    return Nets(weights=weights, depths=(1,) * nets, relu=(False,) * nets, seeds=tuple(seeds))


def decaying_layers(seeds: Sequence[int], depths: Sequence[int], relu: Sequence[bool]) -> Nets:
    """Layers that start with the singular values exp(-0.35 i), i = 0 ... 15, as in the authors' script.

    Their bases are those of a matrix of uniform numbers. Without equal singular values the alignment is unique.
    """
    weights = torch.eye(FEATURES).repeat(len(seeds), len(depths), max(depths), 1, 1)
    values = torch.diag(torch.exp(-0.35 * torch.arange(FEATURES)))
    for at, seed in enumerate(seeds):
        generator = _generator(seed)
        for layer in range(max(depths)):
            u, _, vh = torch.linalg.svd(torch.rand(FEATURES, FEATURES, generator=generator))
            having = [net for net, depth in enumerate(depths) if depth > layer]
            weights[at, having, layer] = u @ values @ vh
    return Nets(weights=weights, depths=tuple(depths), relu=tuple(relu), seeds=tuple(seeds))


def dot_loss(z: Tensor, other: Tensor) -> Tensor:
    """The loss of the authors' scripts: cross-entropy of z z'^T / 0.1 without unit rows, summed over N: (...,).

    Not eq. 2 of the paper: inner products, and negatives from the other view.

    >>> dot_loss(torch.ones(8, 4), torch.ones(8, 4))
    tensor(16.6355)
    """
    return -(z @ other.mT / 0.1).log_softmax(-1).diagonal(dim1=-2, dim2=-1).sum(-1)


def train(
    nets: Nets,
    variance: Tensor,
    *,
    loss: Loss = "euclidean",
    lr: float,
    steps: int,
    batch: int = 128,
    snapshots: int = 1,
    progress: Callable[[float], None] = lambda share: None,
) -> list[Nets]:
    """Plain gradient descent on the mean loss of a fresh batch each step; the nets at the start and `snapshots` times.

    x is N(0, I); the augmentation adds N(0, variance) with variance (K, d), in units of the data's. With the
    Euclidean loss the anchor is clean and the positive moved; with the dot product both views are moved by half of it,
    so that x' - x has the same variance. The authors draw from 10,000 fixed samples instead.
    """
    generators = [_generator(seed) for seed in nets.seeds]
    living = torch.arange(nets.weights.shape[2]) < torch.tensor(nets.depths)[:, None]  # (K, L)
    rate = lr * living[..., None, None]
    taken = [nets]
    for step in range(1, steps + 1):
        drawn = torch.stack([torch.randn(3, 1, batch, FEATURES, generator=each) for each in generators], 1)
        x, first, second = drawn  # (S, 1, N, d) each
        weights = nets.weights.detach().requires_grad_()
        nets = replace(nets, weights=weights)
        spread = variance.sqrt()[:, None]  # (K, 1, d)
        if loss == "euclidean":
            total = euclidean_loss(nets.embed(x), nets.embed(x + spread * first))
        else:
            half = spread / 2**0.5
            total = dot_loss(nets.embed(x + half * first), nets.embed(x + half * second))
        (gradient,) = torch.autograd.grad(total.sum() / batch, weights)
        nets = replace(nets, weights=weights.detach() - rate * gradient)
        if step * snapshots // steps > (step - 1) * snapshots // steps:
            taken.append(nets)
            progress(step / steps)
    return taken


def embedding_spectrum(nets: Nets, samples: int = 1000) -> Tensor:
    """Natural logarithms (S, K, d), largest first, of the eigenvalues of the embeddings' covariance, at least -35."""
    x = torch.randn(samples, FEATURES, generator=_generator(12345)).double()
    z = replace(nets, weights=nets.weights.double()).embed(x)
    z = z - z.mean(-2, keepdim=True)
    eigenvalues: Tensor = torch.linalg.svdvals(z).square() / samples
    return eigenvalues.clamp_min(torch.finfo(torch.float32).tiny).log().clamp_min(-35.0)


def product(nets: Nets) -> Tensor:
    """The linear map (S, K, d, d) of all layers, in float64."""
    whole = torch.eye(FEATURES, dtype=torch.float64)
    for layer in nets.weights.double().unbind(2):
        whole = layer @ whole
    return whole


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)

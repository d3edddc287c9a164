"""Small models that the rounds before did not have, and the tables that they learn from without equal rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.decomposition import TruncatedSVD
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss, normalize, softplus

from ..models import batches, mlp
from ..source import seed_of
from ..tables import als
from ..third import ROWS

Pairs = NDArray[np.int64]


def distinct(table: csr_matrix) -> NDArray[np.int64]:
    """The numbers of the rows of two or more entries; of rows with the same content the first."""
    table.sort_indices()
    seen: dict[bytes, int] = {}
    for number in np.flatnonzero(table.getnnz(axis=1) > 1).tolist():
        row = slice(table.indptr[number], table.indptr[number + 1])
        seen.setdefault(table.indices[row].tobytes() + table.data[row].tobytes(), number)
    return np.fromiter(seen.values(), dtype=np.int64)


def svd(vectorizer: Any, texts: list[str], *, dims: int = 64) -> Tensor:
    """Rows (N, dims) by a truncated SVD of what a vectorizer counts in texts, without equal rows."""
    table = vectorizer.fit_transform(texts)
    table = table[distinct(table)]
    return torch.from_numpy(TruncatedSVD(dims, random_state=0).fit_transform(table)[:ROWS]).float()


class _Masked(nn.Module):
    """A transformer of two layers on 16 pieces of an image of 16 px, which learns to fill in the hidden ones."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.into, self.out = nn.Linear(48, width), nn.Linear(width, 48)
        self.place, self.hidden = nn.Parameter(0.02 * torch.randn(16, width)), nn.Parameter(0.02 * torch.randn(width))
        layer = nn.TransformerEncoderLayer(width, 4, 2 * width, 0.0, "gelu", batch_first=True, norm_first=True)
        self.layers = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)

    def forward(self, pieces: Tensor, hide: Tensor | None = None) -> Tensor:
        tokens = self.into(pieces)
        if hide is not None:
            tokens = torch.where(hide[..., None], self.hidden, tokens)
        found: Tensor = self.layers(tokens + self.place)
        return found


def masked_autoencoder(rows: Tensor, *, seed: str) -> Tensor:
    """Means over the pieces (N, 64) of a small masked autoencoder on images of 16 px (N, 768) that saw half of them."""
    torch.manual_seed(seed_of(seed, "masked") % 2**31)
    pieces = rows.unflatten(1, (3, 4, 4, 4, 4)).permute(0, 2, 4, 1, 3, 5).flatten(3).flatten(1, 2)
    network = _Masked(64)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)
    for batch in batches(len(rows) // 2, 800, 64):
        hide = torch.rand(len(batch), 16).argsort(1) < 10
        loss = mse_loss(network.out(network(pieces[batch], hide))[hide], pieces[batch][hide])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.inference_mode():
        found: Tensor = network.eval()(pieces).mean(1)
    return found


def contrast(rows: Tensor, *, seed: str) -> Tensor:
    """Features (N, 32) by InfoNCE between two views of rows with half of the values hidden, learned on half of them."""
    torch.manual_seed(seed_of(seed, "contrast") % 2**31)
    rows = (rows - rows.mean(0)) / rows.std(0).clamp_min(1e-6)
    network = mlp(rows.shape[1], 128, 32)
    optimizer = torch.optim.Adam(network.parameters(), lr=2e-3)
    for batch in batches(len(rows) // 2, 600):
        batch = batch.unique()
        one, two = (normalize(network(rows[batch] * (torch.rand(len(batch), rows.shape[1]) < 0.5))) for _ in range(2))
        loss = cross_entropy(one @ two.T / 0.2, torch.arange(len(batch)))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.inference_mode():
        found: Tensor = network(rows * 0.5)
    return found


def skip_gram(pairs: Pairs, *, seed: str, dims: int = 48, steps: int = 3000) -> Tensor:
    """Vectors (N, dims) by skip-grams with 5 negative samples (Mikolov et al. 2013) of pairs (P, 2) of numbers."""
    torch.manual_seed(seed_of(seed, "skip-grams") % 2**31)
    chosen = torch.from_numpy(pairs)
    often = torch.bincount(chosen[:, 1]).double().pow(0.75)
    inner = nn.Parameter((torch.rand(int(chosen.max()) + 1, dims) - 0.5) / dims)
    outer = nn.Parameter(torch.zeros(len(often), dims))
    optimizer = torch.optim.Adam([inner, outer], lr=1e-2)
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = 1e-2 * (1 - step / steps)
        batch = chosen[torch.randint(len(chosen), (1024,))]
        center, beside = inner[batch[:, 0]], outer[batch[:, 1]]
        others = outer[torch.multinomial(often, 5 * 1024, replacement=True).unflatten(0, (1024, 5))]
        near, far = (center * beside).sum(1), (center[:, None] * others).sum(2)
        loss = softplus(-near).mean() + softplus(far).sum(1).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return inner.detach()


def factors(table: csr_matrix, *seed: str) -> tuple[Tensor, Tensor]:
    """Users and items by alternating least squares: at most 800 of each (N, 32), drawn by the seed."""
    shuffled = np.random.default_rng(seed_of(*seed)).permutation
    users, items = (torch.from_numpy(side[shuffled(len(side))[:ROWS]]).float() for side in als(table, 32))
    return users, items


def with_bias(table: csr_matrix, *, seed: str, dims: int = 32) -> Tensor:
    """Items (N, dims) by logistic factorization with a bias of each user and item (Johnson 2014), negatives by chance.

    The biases take what is popular, and are not among the dimensions.
    """
    torch.manual_seed(seed_of(seed, "bias") % 2**31)
    taken = table.tocoo()
    who, what = torch.from_numpy(taken.row).long(), torch.from_numpy(taken.col).long()
    factors = [nn.Parameter(0.1 * torch.randn(side, dims)) for side in table.shape]
    biases = [nn.Parameter(torch.zeros(side)) for side in table.shape]
    optimizer = torch.optim.Adam([*factors, *biases], lr=1e-2)
    for _ in range(2000):
        pick, other = torch.randint(len(who), (1024,)), torch.randint(table.shape[1], (1024,))
        user = factors[0][who[pick]]
        score = [
            (user * factors[1][item]).sum(1) + biases[0][who[pick]] + biases[1][item] for item in (what[pick], other)
        ]
        kept = sum(factor.square().mean() for factor in factors)
        loss = softplus(-score[0]).mean() + softplus(score[1]).mean() + 1e-3 * kept
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return factors[1].detach()


def waves(rows: Tensor, *, seed: str, frequency: float) -> Tensor:
    """Random Fourier features (N, 128) of rows (Rahimi & Recht 2007), of which the mean is taken."""
    random = torch.Generator().manual_seed(seed_of(seed, "waves"))
    directions = frequency * torch.randn(rows.shape[1], 128, generator=random)
    found = (rows @ directions + 2 * torch.pi * torch.rand(128, generator=random)).cos()
    return found - found.mean(0)

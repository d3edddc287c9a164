"""Tables of measurements (scikit-learn's breast cancer), and cells along branches: forests, kernels, small networks."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_breast_cancer
from sklearn.decomposition import NMF, PCA, TruncatedSVD
from sklearn.ensemble import RandomTreesEmbedding
from sklearn.kernel_approximation import Nystroem
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from ..models import batches, mlp
from ..source import Made, Source, seed_of


def _tumors() -> tuple[Tensor, Tensor]:
    rows, labels = load_breast_cancer(return_X_y=True)
    return torch.from_numpy((rows - rows.mean(0)) / rows.std(0)).float(), torch.from_numpy(labels)


def _forest(root: Path) -> Made:
    rows, labels = _tumors()
    leaves = RandomTreesEmbedding(200, max_depth=5, random_state=0).fit_transform(rows.numpy())
    return torch.from_numpy(TruncatedSVD(40, random_state=0).fit_transform(leaves)).float(), labels


def _kernel(root: Path) -> Made:
    rows, labels = _tumors()
    found = Nystroem(gamma=0.02, n_components=64, random_state=0).fit_transform(rows.numpy())
    return torch.from_numpy(found - found.mean(0)).float(), labels


def _two_classes(root: Path) -> Made:
    """The features of a classifier of two classes, 30 % of whose rows it was not trained on."""
    torch.manual_seed(seed_of("tumors") % 2**31)
    rows, labels = _tumors()
    features, head = mlp(30, 64, 32), nn.Linear(32, 2)
    optimizer = torch.optim.Adam([*features.parameters(), *head.parameters()], lr=1e-3)
    for batch in batches(400, 300):
        optimizer.zero_grad()
        cross_entropy(head(features(rows[batch])), labels[batch]).backward()
        optimizer.step()
    with torch.inference_mode():
        return features(rows), labels


def _branches() -> tuple[np.ndarray[tuple[int, int], np.dtype[np.float64]], Tensor]:
    """log(1 + CP10k) of 800 cells and 500 genes along three branches from one root."""
    random = np.random.default_rng(seed_of("branches"))
    branch, along = random.integers(3, size=800), random.random((800, 1))
    ends = random.normal(size=(3, 500)) * (random.random((3, 500)) < 0.2)
    common = random.normal(size=500) * (random.random(500) < 0.2)
    level = (
        np.log(random.gamma(0.5, size=500) + 0.01)
        + along.clip(max=0.4) * common
        + (along - 0.4).clip(0) * 4 * ends[branch]
    )
    programs = 0.3 * random.normal(size=(800, 12)) @ random.normal(size=(12, 500)) * 0.5
    counts = random.poisson(random.gamma(2.0, np.exp(level + programs) / 2.0) * random.lognormal(0, 0.3, size=(800, 1)))
    return np.log1p(counts / counts.sum(1, keepdims=True).clip(1) * 1e4), torch.from_numpy(branch)


def _cells(root: Path, *, parts: bool) -> Made:
    counts, branch = _branches()
    model = NMF(20, random_state=0, max_iter=400, tol=1e-3) if parts else PCA(40, random_state=0)
    return torch.from_numpy(model.fit_transform(counts)).float(), branch


def sources() -> Iterator[Source]:
    """Parts are not negative, and their loadings far from even."""
    yield Source("tumors, forest", "tables", "generic", "healthy", _forest)
    yield Source("tumors, kernel", "tables", "generic", "healthy", _kernel)
    yield Source("tumors, classifier of two classes", "tables", "supervised", "healthy", _two_classes)
    yield Source("cells on branches, PCA", "bio", "bio", "healthy", partial(_cells, parts=False))
    yield Source("cells on branches, NMF", "bio", "bio", "healthy", partial(_cells, parts=True))

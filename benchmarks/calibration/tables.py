"""Recommenders, graphs, cells and atoms: factorizations made here, and vectors out of packages."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

import h5py
import networkx as nx
import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, diags
from scipy.sparse.linalg import eigsh
from sklearn.decomposition import PCA

from benchmarks.sets.packages import wheel

from .source import Expected, Made, Source, seed_of
from .text import packages

ROWS = 800
Matrix = NDArray[np.float64]


def _synthetic_ratings() -> csr_matrix:
    """1,500 users x 800 items of 24 tastes; how often both occur falls like a power law."""
    random = np.random.default_rng(seed_of("ratings"))
    users, items = random.gamma(0.3, size=(1500, 24)), random.gamma(0.3, size=(800, 24))
    popular = np.arange(1, 801) ** -0.8
    rate = users @ items.T * popular * (0.3 + random.pareto(1.5, size=(1500, 1)))
    return csr_matrix(random.poisson(60 * rate / rate.mean() * 0.01).astype(float))


@cache
def _dependencies() -> csr_matrix:
    """Debian's packages x what they depend on, of those that 20 or more depend on, with 4 or more of these."""
    pairs = [
        (name, other)
        for name, fields in packages().items()
        for other in set(re.findall(r"(?:^|, )([a-z0-9][a-z0-9+.-]+)", fields.get("Depends", "")))
    ]
    names, others = (sorted(set(side)) for side in zip(*pairs, strict=True))
    row, column = {name: i for i, name in enumerate(names)}, {name: i for i, name in enumerate(others)}
    where = ([row[name] for name, _ in pairs], [column[other] for _, other in pairs])
    table = csr_matrix((np.ones(len(pairs)), where), shape=(len(names), len(others)))
    table = table[:, np.flatnonzero(table.getnnz(axis=0) >= 20)]
    table = table[np.flatnonzero(table.getnnz(axis=1) >= 4)][:8000]
    return table[:, np.flatnonzero(table.getnnz(axis=0) >= 4)]  # what nobody has taken keeps no factor


def als(ratings: csr_matrix, dims: int, *, weight: float = 20.0, ridge: float = 1.0) -> tuple[Matrix, Matrix]:
    """Alternating least squares for implicit feedback (Hu, Koren & Volinsky 2008), 8 rounds."""
    random = np.random.default_rng(seed_of("als", dims))
    sides = [ratings.tocsr(), ratings.T.tocsr()]
    factors = [random.normal(size=(side.shape[0], dims)) * 0.1 for side in sides]
    for turn in range(16):
        side, other = sides[turn % 2], factors[1 - turn % 2]
        gram = other.T @ other + ridge * np.eye(dims)
        for number in range(side.shape[0]):
            start, end = side.indptr[number], side.indptr[number + 1]
            seen, strength = other[side.indices[start:end]], weight * side.data[start:end]
            normal = gram + (seen * strength[:, None]).T @ seen
            factors[turn % 2][number] = np.linalg.solve(normal, seen.T @ (1 + strength))
    return factors[0], factors[1]


@cache
def _factors(of: str) -> tuple[Matrix, Matrix]:
    return als(_synthetic_ratings() if of == "ratings" else _dependencies(), 32)


def _recommender(root: Path, *, of: str, items: bool) -> Made:
    return torch.from_numpy(_factors(of)[int(items)][:ROWS]).float(), None


def _graph(of: str) -> csr_matrix:
    if of == "dependencies":
        table = _dependencies()
        shared = (table.T @ table).tolil()
        shared.setdiag(0)
        return csr_matrix(shared > 3).astype(float)[:1500, :1500]
    seed = seed_of(of) % 2**31
    if of == "blocks":
        chance = np.full((12, 12), 0.01) + 0.14 * np.eye(12)
        graph = nx.stochastic_block_model([80] * 12, chance.tolist(), seed=seed)
    else:
        graph = nx.powerlaw_cluster_graph(1000, 6, 0.5, seed=seed)
    return csr_matrix(nx.to_scipy_sparse_array(graph, dtype=float))


def connected(adjacency: csr_matrix) -> csr_matrix:
    largest = max(nx.connected_components(nx.from_scipy_sparse_array(adjacency)), key=len)
    kept = np.array(sorted(largest))
    return adjacency[kept][:, kept]


def spectral(adjacency: csr_matrix, dims: int) -> Matrix:
    """The first eigenvectors of the normalized adjacency, but for the trivial one."""
    scale = diags(1 / np.sqrt(np.asarray(adjacency.sum(axis=1)).ravel()))
    start = np.ones(adjacency.shape[0])
    values, vectors = eigsh(scale @ adjacency @ scale, k=dims + 1, v0=start)
    found: Matrix = (scale @ vectors)[:, np.argsort(-values)[1:]]
    return found


def walks(adjacency: csr_matrix, dims: int) -> Matrix:
    """DeepWalk as a factorization (Qiu et al. 2018): the logarithm of the mean of 5 powers of the walk."""
    degree = np.asarray(adjacency.sum(axis=1)).ravel()
    walk = (diags(1 / degree) @ adjacency).toarray()
    power, total = np.eye(len(walk)), np.zeros_like(walk)
    for _ in range(5):
        power = power @ walk
        total += power
    table = np.log(np.maximum(degree.sum() / 5 * total / degree, 1.0))
    u, s, _ = np.linalg.svd(table)
    found: Matrix = u[:, :dims] * np.sqrt(s[:dims])
    return found


def _of_graph(root: Path, *, of: str, embed: Callable[[csr_matrix, int], Matrix], dims: int) -> Made:
    return torch.from_numpy(embed(connected(_graph(of)), dims)[:ROWS].copy()).float(), None


def _cells(root: Path, *, genes: bool) -> Made:
    """700 blood cells (10x Genomics) as scanpy ships them: scaled genes, or their first 50 principal components."""
    file = next(wheel(root, "scanpy").rglob("10x_pbmc68k_reduced.h5ad"))
    with h5py.File(file) as opened:
        rows = opened["X"][()] if genes else opened["obsm"]["X_pca"]
    return torch.from_numpy(np.ascontiguousarray(rows)).float(), None


def _counts(root: Path, *, types: int, dims: int) -> Made:
    """Negative binomial counts of 800 cells and 600 genes, log(1 + CP10k), principal components."""
    random = np.random.default_rng(seed_of("counts", types))
    level = random.gamma(0.4, size=600) * np.exp(
        0.9 * random.normal(size=(types, 600)) * (random.random((types, 600)) < 0.3)
    )
    kind = random.integers(types, size=ROWS)
    programs = np.exp(0.5 * random.normal(size=(ROWS, 10)) @ random.normal(size=(10, 600)) * 0.4)
    mean = level[kind] * programs * random.lognormal(0, 0.4, size=(ROWS, 1))
    counts = random.poisson(random.gamma(2.0, mean / 2.0)).astype(float)
    scaled = np.log1p(counts / counts.sum(1, keepdims=True).clip(1) * 1e4)
    return torch.from_numpy(PCA(dims, random_state=0).fit_transform(scaled)).float(), torch.from_numpy(kind)


def _atoms(root: Path, *, file: str) -> Made:
    with next(wheel(root, "elementembeddings").rglob(file)).open(newline="") as opened:
        table: list[list[Any]] = list(csv.reader(opened))[1:]
    return torch.tensor([[float(value) for value in row[1:]] for row in table]), None


def sources() -> Iterator[Source]:
    """Eigenvectors of a graph are open: they may sit on a few of its nodes."""
    for of in ("ratings", "dependencies"):
        for items in (False, True):
            name = f"{of}, ALS {'items' if items else 'users'}"
            yield Source(name, "recsys", "recsys", "healthy", partial(_recommender, of=of, items=items))
    for of in ("blocks", "power law", "dependencies"):
        yield Source(f"{of}, spectral", "graph", "generic", "open", partial(_of_graph, of=of, embed=spectral, dims=16))
        yield Source(f"{of}, walks", "graph", "generic", "healthy", partial(_of_graph, of=of, embed=walks, dims=48))
    yield Source("blood cells, PCA", "bio", "bio", "healthy", partial(_cells, genes=False))
    yield Source("blood cells, genes", "bio", "bio", "healthy", partial(_cells, genes=True))
    for types in (1, 8):
        yield Source(f"counts of {types} cell types", "bio", "bio", "healthy", partial(_counts, types=types, dims=40))
    atoms: tuple[tuple[str, str, Expected], ...] = (
        ("species, SkipSpecies", "skipspecies_2022_10_28_dim200.csv", "healthy"),
        ("atoms, mat2vec", "mat2vec.csv", "open"),
        ("atoms, CHGNet", "chgnet.csv", "open"),
        ("atoms, MACE", "mace_mp0.csv", "open"),
        ("atoms, Orb", "orb_v2.csv", "open"),
        ("atoms, SevenNet", "sevennet.csv", "open"),
    )
    for name, file, expected in atoms:
        yield Source(name, "atoms", "generic", expected, partial(_atoms, file=file))

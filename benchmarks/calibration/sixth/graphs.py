"""Words that differ by one letter, and manuals that refer to one another; of nodes with equal neighbors one stays."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache, partial
from itertools import combinations
from pathlib import Path

import numpy as np
import torch
from scipy.sparse import csr_matrix
from torch import Tensor

from benchmarks.sets.packages import debian

from ..source import Made, Source, seed_of
from ..tables import connected, spectral, walks
from ..third import ROWS
from .models import Pairs, skip_gram
from .verses import manuals

Edges = set[tuple[str, str]]


def _ladder(root: Path) -> Edges:
    """English words of five letters, and those that one other letter makes of them."""
    words = next(debian(root, "wamerican").rglob("dict/american-english")).read_text(encoding="utf-8").split()
    alike: dict[str, list[str]] = {}
    for word in words:
        if re.fullmatch("[a-z]{5}", word):
            for at in range(5):
                alike.setdefault(f"{word[:at]}.{word[at + 1 :]}", []).append(word)
    return {pair for group in alike.values() for pair in combinations(sorted(group), 2)}


def _references(root: Path) -> Edges:
    """Manuals, and those that they name with their section."""
    pages = manuals(root)
    found = {
        (name, f"{to}.{section}")
        for name, text in pages.items()
        for to, section in re.findall(r"^\.BR (\S+) \((\d\w*)\)", text, flags=re.MULTILINE)
    }
    return {(name, to) for name, to in found if to in pages and to != name}


@cache
def _graph(root: Path, of: str) -> csr_matrix:
    return reduced({"ladder": _ladder, "references": _references}[of](root))


def reduced(edges: Edges) -> csr_matrix:
    """The largest component, of whose nodes with the same neighbors the first is kept, until there are no more."""
    names = {name: at for at, name in enumerate(sorted({name for edge in edges for name in edge}))}
    ends = np.array([(names[one], names[other]) for one, other in sorted(edges)]).T
    where = (np.concatenate(ends), np.concatenate(ends[::-1]))
    graph = csr_matrix((np.ones(2 * ends.shape[1]), where), shape=(len(names), len(names)))
    size = 0
    while size != graph.shape[0]:
        size = graph.shape[0]
        graph = connected((graph > 0).astype(float))
        graph.sort_indices()
        beside = [
            graph.indices[start:end].tobytes() for start, end in zip(graph.indptr, graph.indptr[1:], strict=False)
        ]
        first = np.array(sorted({near: at for at, near in reversed(list(enumerate(beside)))}.values()))
        graph = graph[first][:, first]
    return graph


def wandered(graph: csr_matrix, seed: str) -> Pairs:
    """Pairs of nodes at most 3 steps apart on 10 walks of 20 steps from each node."""
    random = np.random.default_rng(seed_of(seed, "wandered"))
    at = np.tile(np.arange(graph.shape[0]), 10)
    path = [at]
    for _ in range(20):
        degree = graph.indptr[at + 1] - graph.indptr[at]
        at = graph.indices[graph.indptr[at] + (random.random(len(at)) * degree).astype(int)].astype(np.int64)
        path.append(at)
    pairs = [np.stack([path[step], path[step + far]], 1) for far in (1, 2, 3) for step in range(21 - far)]
    both: Pairs = np.concatenate(pairs + [pair[:, ::-1] for pair in pairs])
    apart: Pairs = both[both[:, 0] != both[:, 1]]
    return apart


def _drawn(z: Tensor, of: str) -> Tensor:
    return z[torch.randperm(len(z), generator=torch.Generator().manual_seed(seed_of("sixth", of)))[:ROWS]]


def _of(
    root: Path, *, of: str, embed: Callable[[csr_matrix, int], np.ndarray[tuple[int, int], np.dtype[np.float64]]]
) -> Made:
    return _drawn(torch.from_numpy(embed(_graph(root, of), 32).copy()).float(), of), None


def _skip_grams(root: Path, *, of: str) -> Made:
    """DeepWalk (Perozzi et al. 2014) by sampled walks, as node2vec makes them with p = q = 1."""
    return _drawn(skip_gram(wandered(_graph(root, of), of), seed=of), of), None


def sources() -> Iterator[Source]:
    """Factorized walks and sampled ones; eigenvectors may sit on a few nodes and are open."""
    for of in ("ladder", "references"):
        name = {"ladder": "word ladders", "references": "manuals"}[of]
        yield Source(f"{name}, walks", "graphs", "generic", "healthy", partial(_of, of=of, embed=walks))
        yield Source(f"{name}, skip-grams of walks", "graphs", "generic", "healthy", partial(_skip_grams, of=of))
        yield Source(f"{name}, spectral", "graphs", "generic", "open", partial(_of, of=of, embed=spectral))

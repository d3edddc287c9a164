"""Other graphs: rings with shortcuts, caves, places, benchmark communities, modules that import each other."""

from __future__ import annotations

import ast
import sysconfig
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import networkx as nx
import torch

from ..source import Made, Source, seed_of
from ..tables import ROWS, connected, walks


def _modules() -> nx.Graph:
    """The modules of Python's standard library that import each other."""
    root = Path(sysconfig.get_path("stdlib"))
    graph = nx.Graph()
    for path in sorted(root.rglob("*.py")):
        if {"site-packages", "test", "tests", "idlelib", "lib2to3"} & set(path.parts):
            continue
        name = ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.Import):
                graph.add_edges_from((name, one.name) for one in node.names if one.name != name)
            elif isinstance(node, ast.ImportFrom) and node.module and node.module != name:
                graph.add_edge(name, node.module)
    return nx.k_core(graph, 2)


def _seeded(make: Callable[[int], nx.Graph], name: str) -> nx.Graph:
    return make(seed_of(name) % 2**31)


GRAPHS: dict[str, Callable[[], nx.Graph]] = {
    "small world": partial(_seeded, lambda seed: nx.watts_strogatz_graph(900, 10, 0.2, seed=seed), "small world"),
    "caves": partial(_seeded, lambda seed: nx.relaxed_caveman_graph(60, 15, 0.25, seed=seed), "caves"),
    "places": partial(_seeded, lambda seed: nx.random_geometric_graph(900, 0.07, seed=seed), "places"),
    "communities": partial(
        _seeded,
        lambda seed: nx.LFR_benchmark_graph(800, 3, 1.5, 0.2, average_degree=12, min_community=30, seed=seed),
        "communities",
    ),
    "preferential": partial(_seeded, lambda seed: nx.barabasi_albert_graph(900, 5, seed=seed), "preferential"),
    "modules": _modules,
}


def _walked(root: Path, *, of: str) -> Made:
    graph = nx.convert_node_labels_to_integers(GRAPHS[of]())
    graph.remove_edges_from(nx.selfloop_edges(graph))
    adjacency = connected(nx.to_scipy_sparse_array(graph, dtype=float, format="csr"))
    order = torch.randperm(adjacency.shape[0], generator=torch.Generator().manual_seed(0))
    return torch.from_numpy(walks(adjacency, 48)).float()[order[:ROWS]], None


def sources() -> Iterator[Source]:
    """Factorized walks: what they tell apart is who is near whom in the graph."""
    for of in GRAPHS:
        yield Source(f"{of}, walks", "graph", "generic", "healthy", partial(_walked, of=of))

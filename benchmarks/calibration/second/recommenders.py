"""Who takes what, factorized: packages their tags, maintainers what they depend on, files what they import."""

from __future__ import annotations

import ast
import re
import subprocess
import sysconfig
from collections.abc import Iterable, Iterator
from functools import cache, partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.decomposition import TruncatedSVD

from ..source import Made, Source, seed_of
from ..tables import ROWS, als
from ..text import packages

Matrix = NDArray[np.float64]


def _table(pairs: Iterable[tuple[str, str]], *, fewest: int) -> csr_matrix:
    """Users x items, in an order of their own, of users and items with so many or more."""
    counted = sorted(set(pairs))
    names, others = (sorted({pair[side] for pair in counted}) for side in (0, 1))
    row, column = {name: i for i, name in enumerate(names)}, {name: i for i, name in enumerate(others)}
    where = ([row[name] for name, _ in counted], [column[other] for _, other in counted])
    table = csr_matrix((np.ones(len(counted)), where), shape=(len(names), len(others)))
    for _ in range(5):  # who is left has so many of what is left
        table = table[:, np.flatnonzero(table.getnnz(axis=0) >= fewest)]
        table = table[np.flatnonzero(table.getnnz(axis=1) >= fewest)]
    random = np.random.default_rng(seed_of("order", fewest))
    return table[random.permutation(table.shape[0])[:4000]]


def _tags() -> Iterator[tuple[str, str]]:
    dump = subprocess.run(["apt-cache", "dumpavail"], check=True, capture_output=True, text=True).stdout
    for entry in dump.split("\n\n"):
        found = re.search(r"^Tag: (.*(?:\n .*)*)", entry, flags=re.MULTILINE)
        if found:
            name = entry.split("\n", 1)[0]
            yield from ((name, tag) for tag in re.findall(r"[a-z0-9-]+::[a-zA-Z0-9:+.-]+", found[1]))


def _maintainers() -> Iterator[tuple[str, str]]:
    for fields in packages().values():
        for other in re.findall(r"(?:^|, )([a-z0-9][a-z0-9+.-]+)", fields.get("Depends", "")):
            yield fields.get("Maintainer", ""), other


def _imports() -> Iterator[tuple[str, str]]:
    """Files of everything that is installed for this Python, and the names that they import."""
    for root in {sysconfig.get_path("stdlib"), sysconfig.get_path("purelib")}:
        for path in sorted(Path(root).rglob("*.py"))[:20_000]:
            try:
                nodes = ast.walk(ast.parse(path.read_bytes()))
            except (SyntaxError, ValueError):
                continue
            for node in nodes:
                if isinstance(node, ast.Import):
                    yield from ((str(path), name.name) for name in node.names)
                elif isinstance(node, ast.ImportFrom) and node.module:
                    yield str(path), node.module


@cache
def _taken(of: str) -> csr_matrix:
    return _table({"tags": _tags, "maintainers": _maintainers, "imports": _imports}[of](), fewest=5)


@cache
def _factors(of: str) -> tuple[Matrix, Matrix]:
    return als(_taken(of), 32)


def _als(root: Path, *, of: str, items: bool) -> Made:
    return torch.from_numpy(_factors(of)[int(items)][:ROWS]).float(), None


def _ranked(root: Path, *, of: str) -> Made:
    """Items by Bayesian personalized ranking (Rendle et al. 2009): a taken item before one by chance."""
    torch.manual_seed(seed_of("ranked", of) % 2**31)
    table = _taken(of).tocoo()
    users, items = (torch.nn.Parameter(0.1 * torch.randn(side, 32)) for side in table.shape)
    optimizer = torch.optim.Adam([users, items], lr=1e-2)
    who, what = torch.from_numpy(table.row).long(), torch.from_numpy(table.col).long()
    for _ in range(1500):
        pick, other = torch.randint(len(who), (1024,)), torch.randint(table.shape[1], (1024,))
        mine = users[who[pick]]
        gain = (mine * (items[what[pick]] - items[other])).sum(1)
        loss = torch.nn.functional.softplus(-gain).mean() + 1e-4 * (users.square().mean() + items.square().mean())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return items.detach()[:ROWS], None


def _svd(root: Path, *, of: str) -> Made:
    """Users by a truncated SVD of the table (PureSVD)."""
    return torch.from_numpy(TruncatedSVD(32, random_state=0).fit_transform(_taken(of))[:ROWS]).float(), None


def sources() -> Iterator[Source]:
    """Users, and items where there are enough of them; users of one history are one row, as in every such table."""
    for of in ("tags", "maintainers", "imports"):
        for items in (False, True):
            name = f"{of}, ALS {'items' if items else 'users'}"
            yield Source(name, "recsys", "recsys", "healthy", partial(_als, of=of, items=items))
        yield Source(f"{of}, BPR items", "recsys", "recsys", "healthy", partial(_ranked, of=of))
        yield Source(f"{of}, SVD users", "recsys", "recsys", "healthy", partial(_svd, of=of))

"""Text of another kind: the code of Python's standard library, and the names of Debian's packages."""

from __future__ import annotations

import ast
import hashlib
import sysconfig
from collections.abc import Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

import torch
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer

from ..source import Made, Source
from ..text import ROWS, in_order, minilm, packages, word_vectors


@cache
def _functions() -> list[str]:
    """Functions of three lines or more, in an order by hash, without their documentation."""
    found = set()
    for path in Path(sysconfig.get_path("stdlib")).rglob("*.py"):
        if {"site-packages", "test", "tests", "idlelib", "lib2to3"} & set(path.parts):
            continue
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.FunctionDef):
                node.body = node.body[1:] if ast.get_docstring(node) else node.body
                text = ast.unparse(node) if node.body else ""
                found |= {text} if text.count("\n") >= 3 else set()
    return sorted(found, key=lambda text: hashlib.sha256(text.encode()).digest())


def _encoded(root: Path, **settings: Any) -> Made:
    return minilm(root, [" ".join(text.split()) for text in _functions()[:ROWS]], **settings), None


def _names(root: Path) -> Made:
    """Names of packages by their runs of 2 to 4 characters."""
    names = in_order(set(packages()), 4000)
    table = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), min_df=5, sublinear_tf=True).fit_transform(names)
    table = table[table.getnnz(axis=1) > 3]
    return torch.from_numpy(TruncatedSVD(64, random_state=0).fit_transform(table)[:ROWS]).float(), None


def _tf_idf(root: Path) -> Made:
    table = TfidfVectorizer(min_df=3, token_pattern=r"[A-Za-z_]{3,}", sublinear_tf=True).fit_transform(_functions())
    return torch.from_numpy(TruncatedSVD(100, random_state=0).fit_transform(table)[:ROWS]).float(), None


def _identifiers(root: Path) -> Made:
    return word_vectors(_functions()[:20_000], 64), None


def sources() -> Iterator[Source]:
    """A model of sentences makes something of code, too."""
    settings: dict[str, Any] = {"layer": None, "trained": True}
    yield Source("code, MiniLM sentences", "code", "text", "healthy", partial(_encoded, **settings, pooled=True))
    yield Source("code, MiniLM tokens", "code", "text", "healthy", partial(_encoded, **settings, pooled=False))
    yield Source("code, TF-IDF and SVD", "code", "text", "healthy", _tf_idf)
    yield Source("code, word vectors", "code", "text", "healthy", _identifiers)
    yield Source("names of packages, TF-IDF and SVD", "code", "text", "healthy", _names)

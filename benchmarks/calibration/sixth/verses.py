"""Verses of the Bible, Linux manuals, French words and names of airports: sentences, words, letters, and a table.

A text is left out if another one begins with the same 12 words, which is about what the model of sentences reads, or if
it has the same words of four letters or more, which are what the others count.
"""

from __future__ import annotations

import csv
import gzip
import re
import zlib
from collections.abc import Iterable, Iterator
from functools import cache, partial
from pathlib import Path

import numpy as np
import torch
from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from torch import Tensor

from benchmarks.sets.packages import debian, wheel

from ..source import Made, Source, seed_of
from ..text import in_order, minilm, word_vectors
from ..third import ROWS
from .models import distinct, factors, skip_gram, svd, with_bias

VECTORIZERS = {
    "TF-IDF and SVD": partial(TfidfVectorizer, min_df=3, stop_words="english", sublinear_tf=True),
    "LSA of counts": partial(CountVectorizer, min_df=3),
}
_LETTERS = partial(TfidfVectorizer, analyzer="char_wb", ngram_range=(2, 4), min_df=3)


def once(texts: Iterable[str]) -> list[str]:
    """Of texts of 5 words or more, those that neither begin like one before nor have the same words, in their order."""
    begun: set[str] = set()
    made: set[frozenset[str]] = set()
    found = []
    for text in texts:
        words = text.lower().split()
        start, content = " ".join(words[:12]), frozenset(re.findall(r"[a-z]{4,}", text.lower()))
        if len(words) >= 5 and start not in begun and content not in made:
            found.append(text)
            begun.add(start)
            made.add(content)
    return found


@cache
def verses_of(root: Path, package: str) -> list[str]:
    """A Bible, without its marks, as SWORD's compressed files have it."""
    found = []
    for index in sorted(debian(root, package).rglob("*.bzs")):
        blocks = np.frombuffer(index.read_bytes(), dtype="<u4").reshape(-1, 3)
        text, places = index.with_suffix(".bzz").read_bytes(), index.with_suffix(".bzv").read_bytes()
        books = [zlib.decompress(text[start : start + size]) for start, size, _ in blocks]
        verses = np.frombuffer(places, dtype=[("book", "<u4"), ("start", "<u4"), ("size", "<u2")])
        for book, start, size in verses.tolist():
            verse = books[book][start : start + size].decode("utf-8", errors="replace")
            verse = re.sub(r"<(note|title)\b.*?</\1>|<[^>]*>", "", verse, flags=re.DOTALL)
            found.append(" ".join(verse.split()))
    return found


@cache
def manuals(root: Path) -> dict[str, str]:
    """The pages of Linux' manuals by name and section, without marks of their layout in the text."""
    found = {}
    for package in ("manpages", "manpages-dev"):
        for file in debian(root, package).rglob("man/man*/*.gz"):
            text = gzip.decompress(file.read_bytes()).decode("utf-8", errors="replace")
            if not file.is_symlink() and not text.startswith(".so"):
                found[file.stem] = text
    return found


def _sentences_of(page: str) -> Iterator[str]:
    """The first sentence of each paragraph of what a manual describes."""
    described = re.search(r"^\.SH DESCRIPTION\n(.*?)(?=^\.SH|\Z)", page, flags=re.DOTALL | re.MULTILINE)
    for paragraph in re.split(r"^\.(?:PP|TP|IP|SS|P).*\n", described[1] if described else "", flags=re.MULTILINE):
        lines = [re.sub(r"^\.[A-Z]{1,2} ", "", line) for line in paragraph.splitlines() if not line.startswith(".\\")]
        plain = re.sub(r"\\f.|\\[&|^c]", "", " ".join(line for line in lines if not line.startswith("."))).replace(
            "\\-", "-"
        )
        yield " ".join(plain.replace('"', "").split(". ")[0].split())


@cache
def _texts(root: Path, of: str, count: int) -> list[str]:
    if of == "verses":
        return once(in_order(set(verses_of(root, "sword-text-web")), 40_000))[:count]
    return once(in_order({one for page in manuals(root).values() for one in _sentences_of(page)}, 20_000))[:count]


def _sentences(root: Path, *, of: str, pooled: bool) -> Made:
    return minilm(root, _texts(root, of, ROWS), layer=None, trained=True, pooled=pooled), None


def _svd(root: Path, *, of: str, how: str) -> Made:
    return svd(VECTORIZERS[how](), _texts(root, of, 4000)), None


def _words(root: Path, *, of: str) -> Made:
    return word_vectors(_texts(root, of, 20_000), 64), None


def _skip_grams(root: Path) -> Made:
    """The 800 most frequent words, by those that are at most 3 words away."""
    texts = [re.findall(r"[a-z]{3,}", text.lower()) for text in _texts(root, "verses", 20_000)]
    return skip_gram(beside(texts, most=ROWS, far=3), seed="verses"), None


def beside(texts: list[list[str]], *, most: int, far: int) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
    """Pairs of numbers of the most frequent words that are so near to one another, both ways."""
    often: dict[str, int] = {}
    for text in texts:
        for word in text:
            often[word] = often.get(word, 0) + 1
    kept = {word: at for at, word in enumerate(sorted(often, key=lambda word: (-often[word], word))[:most])}
    numbers = [[kept.get(word, -1) for word in text] for text in texts]
    pairs = [
        (one, other)
        for text in numbers
        for at, one in enumerate(text)
        for other in text[max(at - far, 0) : at] + text[at + 1 : at + 1 + far]
        if one >= 0 <= other
    ]
    return np.array(pairs)


@cache
def _table(root: Path) -> csr_matrix:
    """Verses and the words of four letters or more in them, of verses of four of these or more, each set once."""
    counts = CountVectorizer(min_df=8, binary=True, stop_words="english", token_pattern=r"[a-z]{4,}")
    table = counts.fit_transform(_texts(root, "verses", 6000)).astype(float)
    table = table[np.flatnonzero(table.getnnz(axis=1) > 3)]
    return table[distinct(table)]


@cache
def _factors(root: Path) -> tuple[Tensor, Tensor]:
    return factors(_table(root), "sixth", "verses")


def _als(root: Path, *, items: bool) -> Made:
    return _factors(root)[int(items)], None


def _biased(root: Path) -> Made:
    z = with_bias(_table(root), seed="verses")
    return z[torch.randperm(len(z), generator=torch.Generator().manual_seed(seed_of("biases")))[:ROWS]], None


def _french(root: Path) -> Made:
    """Words by their letters; forms that begin with the same eight letters are one."""
    words = next(debian(root, "wfrench").rglob("dict/french")).read_text(encoding="utf-8").split()
    starts = {word[:8]: word for word in sorted(words, reverse=True) if len(word) > 5 and word.islower()}
    return svd(_LETTERS(), in_order(set(starts.values()), 4000)), None


def _airports(root: Path) -> Made:
    """Names of airports with a code of IATA by their letters."""
    with next(wheel(root, "airportsdata").rglob("airports.csv")).open(encoding="utf-8", newline="") as opened:
        names = {row["name"].removesuffix(" Airport") for row in csv.DictReader(opened) if row["iata"]}
    return svd(_LETTERS(), in_order({name for name in names if len(name) > 5}, 4000)), None


def sources() -> Iterator[Source]:
    """Sentences, words, letters, and verses as users of words."""
    for of in ("verses", "manuals"):
        yield Source(f"{of}, MiniLM sentences", "text", "text", "healthy", partial(_sentences, of=of, pooled=True))
        yield Source(f"{of}, TF-IDF and SVD", "text", "text", "healthy", partial(_svd, of=of, how="TF-IDF and SVD"))
        yield Source(f"{of}, word vectors", "text", "text", "healthy", partial(_words, of=of))
    yield Source("verses, MiniLM tokens", "text", "text", "healthy", partial(_sentences, of="verses", pooled=False))
    yield Source("verses, LSA of counts", "text", "text", "healthy", partial(_svd, of="verses", how="LSA of counts"))
    yield Source("verses, skip-grams", "text", "text", "healthy", _skip_grams)
    for items, what in ((False, "verses"), (True, "words")):
        yield Source(f"verses, ALS {what}", "recommender", "recsys", "healthy", partial(_als, items=items))
    yield Source("verses, words with biases", "recommender", "recsys", "healthy", _biased)
    yield Source("French words, TF-IDF and SVD", "text", "text", "healthy", _french)
    yield Source("names of airports, TF-IDF and SVD", "text", "text", "healthy", _airports)

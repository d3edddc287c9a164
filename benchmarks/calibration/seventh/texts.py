"""Perl's documentation, a Spanish Bible, German sayings and a hackers' dictionary, as sentences and as words."""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path

from benchmarks.sets.packages import debian

from ..sixth.models import skip_gram, svd
from ..sixth.verses import VECTORIZERS, beside, once, verses_of
from ..source import Made, Source
from ..text import in_order, minilm, word_vectors
from ..third import ROWS


def _perl(root: Path) -> Iterator[str]:
    """The first sentence of each paragraph of Perl's manuals, without marks of their layout."""
    for file in debian(root, "perl-doc").rglob("pod/*.pod"):
        for paragraph in file.read_text(encoding="utf-8", errors="replace").split("\n\n"):
            if not paragraph.startswith(("=", " ", "\t", "\n")):
                yield re.sub(r"\b[A-Z]<+ ?(.*?) ?>+", r"\1", " ".join(paragraph.split())).split(". ")[0]


def _sayings(root: Path) -> Iterator[str]:
    """Debian's German fortunes of at most 60 words: proverbs, quotations, jokes and recipes."""
    for file in debian(root, "fortunes-de").rglob("games/fortunes/de/*"):
        if file.is_file() and not file.is_symlink() and not file.suffix and file.name != "asciiart":
            for text in file.read_text(encoding="utf-8", errors="replace").split("\n%\n"):
                if len(text.split()) <= 60:
                    yield " ".join(text.split())


@cache
def jargon(root: Path) -> dict[str, str]:
    """The entries of the Jargon File by their lower name, with their references in braces."""
    file = next(debian(root, "jargon-text").rglob("jargon.txt.gz"))
    text = gzip.decompress(file.read_bytes()).decode("utf-8", errors="replace")
    parts = re.split(r"^   :([^:\n]+):.*\n", text, flags=re.MULTILINE)
    bodies = (" ".join(part.split()) for part in parts[2::2])
    return dict(zip((name.lower() for name in parts[1::2]), bodies, strict=True))


def _entries(root: Path) -> Iterator[str]:
    """The first sentence of each entry, without what stands before it in brackets or as a number."""
    for body in jargon(root).values():
        yield re.sub(r"[{}]", "", re.sub(r"^(\[[^]]*\] *|1\. *)+", "", body)).split(". ")[0]


def _verses(root: Path) -> list[str]:
    return verses_of(root, "sword-text-sparv")


OF: dict[str, Callable[[Path], Iterator[str] | list[str]]] = {
    "Perl": _perl,
    "Spanish verses": _verses,
    "German sayings": _sayings,
    "jargon": _entries,
}


@cache
def _texts(root: Path, of: str, count: int) -> list[str]:
    return once(in_order(set(OF[of](root)), 40_000))[:count]


def _sentences(root: Path, *, of: str, pooled: bool) -> Made:
    return minilm(root, _texts(root, of, ROWS), layer=None, trained=True, pooled=pooled), None


def _svd(root: Path, *, of: str, how: str) -> Made:
    return svd(VECTORIZERS[how](), _texts(root, of, 4000)), None


def _words(root: Path) -> Made:
    return word_vectors(_texts(root, "Perl", 20_000), 64), None


def _skip_grams(root: Path) -> Made:
    """The 800 most frequent words of Spanish verses, by those that are at most 3 words away."""
    texts = [re.findall(r"[a-záéíñóúü]{3,}", text.lower()) for text in _texts(root, "Spanish verses", 20_000)]
    return skip_gram(beside(texts, most=ROWS, far=3), seed="Spanish verses"), None


def sources() -> Iterator[Source]:
    """Sentences of each of the four, a factorization of each, tokens and two tables of words."""
    for of in OF:
        yield Source(f"{of}, MiniLM sentences", "text", "text", "healthy", partial(_sentences, of=of, pooled=True))
    yield Source("Perl, MiniLM tokens", "text", "text", "healthy", partial(_sentences, of="Perl", pooled=False))
    for of, how in (
        ("Perl", "TF-IDF and SVD"),
        ("Spanish verses", "LSA of counts"),
        ("German sayings", "TF-IDF and SVD"),
        ("jargon", "LSA of counts"),
    ):
        yield Source(f"{of}, {how}", "text", "text", "healthy", partial(_svd, of=of, how=how))
    yield Source("Perl, word vectors", "text", "text", "healthy", _words)
    yield Source("Spanish verses, skip-grams", "text", "text", "healthy", _skip_grams)

"""Peptides, fiddlers' tunes and openings of chess, as texts of their own alphabets."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from functools import cache, partial
from pathlib import Path

import numpy as np
import torch
from scipy.sparse import csr_matrix
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from torch import Tensor

from benchmarks.sets.packages import debian, wheel

from ..source import Made, Source
from ..text import in_order
from ..third import ROWS
from .models import distinct, factors, skip_gram
from .verses import beside

_STEPS = {letter: step for step, letter in enumerate("CDEFGABcdefgab")}
RHYTHMS = ("reel", "hornpipe", "slip", "jig", "polka", "march", "waltz", "strathspey", "air")
Labeled = dict[str, int]  # what is counted, each once, and its class


@cache
def _peptides(root: Path) -> Labeled:
    """modlAMP's peptides of 10 or more amino acids by whether they act against microbes."""
    with next(wheel(root, "modlamp").rglob("AMPvsUniProt.csv")).open(newline="") as opened:
        return {row[0]: int(row[1]) for row in list(csv.reader(opened))[1:] if len(row[0]) >= 10}


@cache
def _tunes(root: Path) -> Labeled:
    """Threes of steps between the notes of tunes in O'Neill's and Ryan's collections, and their rhythm.

    Notes are letters with octaves, without sharps and lengths, so that the same tune in two keys is one.
    """
    corpus = next(wheel(root, "music21").rglob("music21/corpus"))
    found: Labeled = {}
    for file in sorted([*corpus.glob("oneills1850/*.abc"), *corpus.glob("ryansMammoth/*.abc")]):
        for tune in re.split(r"^X:", file.read_text(encoding="utf-8", errors="replace"), flags=re.MULTILINE)[1:]:
            said = re.search(r"^R: *(.*)$", tune, flags=re.MULTILINE)
            kind = next((rhythm for rhythm in RHYTHMS if said and rhythm in said[1].lower()), None)
            body = re.sub(
                r'^[A-Za-z]:.*$|%.*$|"[^"]*"|![^!]*!', "", tune.split("\nK:")[-1].partition("\n")[2], flags=re.MULTILINE
            )
            notes = re.findall(r"([A-Ga-g])([,']*)", body)
            heights = np.array([_STEPS[note] + 7 * (mark.count("'") - mark.count(",")) for note, mark in notes])
            steps = [f"{step:+d}" for step in np.diff(heights)]
            if kind and len(steps) >= 30:
                figures = " ".join("".join(steps[at : at + 3]) for at in range(len(steps) - 2))
                found.setdefault(figures, RHYTHMS.index(kind))
    return found


@cache
def _openings(root: Path) -> Labeled:
    """Moves of openings of 6 half-moves or more by volume of their code; of those with the same moves the first."""
    text = next(debian(root, "scid-data").rglob("scid.eco")).read_text(encoding="latin-1")
    lines = re.findall(r'^([A-E])\d\d\S*\s+"[^"]*"\s+([^*]*)\*', text, flags=re.MULTILINE)
    found: Labeled = {}
    made: set[frozenset[str]] = set()
    for volume, line in lines:
        moves = re.sub(r"\d+\.+", "", line).split()
        if len(moves) >= 6 and frozenset(moves) not in made:
            made.add(frozenset(moves))
            found[" ".join(moves)] = "ABCDE".index(volume)
    return found


VECTORIZERS = {
    "peptides": partial(TfidfVectorizer, analyzer="char", ngram_range=(1, 3), min_df=3, lowercase=False),
    "tunes": partial(TfidfVectorizer, token_pattern=r"\S+", min_df=3, sublinear_tf=True),
    "openings": partial(TfidfVectorizer, token_pattern=r"\S+", min_df=3, lowercase=False),
}
OF = {"peptides": _peptides, "tunes": _tunes, "openings": _openings}


def _svd(root: Path, *, of: str) -> Made:
    """A truncated SVD of all that is counted, of which 800 rows of different content are kept, with their classes."""
    texts = OF[of](root)
    chosen = in_order(set(texts), 4000)
    table = VECTORIZERS[of]().fit_transform(chosen)
    kept = distinct(table)[:ROWS]
    rows = TruncatedSVD(64, random_state=0).fit(table).transform(table[kept])
    return torch.from_numpy(rows).float(), torch.tensor([texts[chosen[at]] for at in kept])


def _three_acids(root: Path) -> Made:
    """Runs of three amino acids, by the runs at most 5 places away (Asgari & Mofrad 2015)."""
    runs = [[text[at : at + 3] for at in range(len(text) - 2)] for text in in_order(set(_peptides(root)), 6000)]
    return skip_gram(beside(runs, most=ROWS, far=5), seed="peptides"), None


def _moves(root: Path) -> Made:
    """Moves, by those that are played at most 3 half-moves before or after."""
    return skip_gram(beside([line.split() for line in _openings(root)], most=ROWS, far=3), seed="openings"), None


@cache
def _table(root: Path) -> csr_matrix:
    counts = CountVectorizer(token_pattern=r"\S+", min_df=8, binary=True)
    table = counts.fit_transform(in_order(set(_tunes(root)), 4000)).astype(float)
    return table[distinct(table)]


@cache
def _factors(root: Path) -> tuple[Tensor, Tensor]:
    """Tunes as users and the figures in them as items."""
    return factors(_table(root), "sixth", "tunes")


def _als(root: Path, *, items: bool) -> Made:
    return _factors(root)[int(items)], None


def sources() -> Iterator[Source]:
    """Whole sequences, and their parts by what is near them."""
    yield Source("peptides, TF-IDF and SVD", "bio", "bio", "healthy", partial(_svd, of="peptides"))
    yield Source("peptides, skip-grams of three", "bio", "bio", "healthy", _three_acids)
    yield Source("tunes, TF-IDF and SVD", "sound", "generic", "healthy", partial(_svd, of="tunes"))
    for items, what in ((False, "tunes"), (True, "figures")):
        yield Source(f"tunes, ALS {what}", "recommender", "recsys", "healthy", partial(_als, items=items))
    yield Source("openings, TF-IDF and SVD", "games", "generic", "healthy", partial(_svd, of="openings"))
    yield Source("openings, skip-grams of moves", "games", "generic", "healthy", _moves)

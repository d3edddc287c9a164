"""Kanji as users of readings, films and who plays in them, countries by year, power demand, and two graphs."""

from __future__ import annotations

import csv
import gzip
import re
import sqlite3
from collections.abc import Iterator
from functools import cache, partial
from pathlib import Path

import torch
from scipy.sparse import csr_matrix
from sklearn.decomposition import PCA
from sklearn.feature_extraction.text import CountVectorizer
from torch import Tensor

from benchmarks.sets.packages import debian, wheel

from ..sixth.graphs import Edges, reduced, wandered
from ..sixth.measurements import series
from ..sixth.models import distinct, factors, skip_gram, waves, with_bias
from ..source import Made, Source, seed_of
from ..tables import spectral, walks
from ..text import in_order
from ..third import ROWS, small_network
from .texts import jargon


def _drawn(rows: Tensor, *seed: str) -> Tensor:
    return rows[torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed_of("seventh", *seed)))[:ROWS]]


def table_of(texts: list[str], *, most: int) -> csr_matrix:
    """Texts of parts between bars and the parts that 8 or more have; of texts with 4 or more, each set once."""
    counts = CountVectorizer(min_df=8, binary=True, token_pattern=r"[^|]+", lowercase=False)
    table = counts.fit_transform(texts[:most]).astype(float)
    table = table[table.getnnz(axis=1) > 3]
    return table[distinct(table)]


@cache
def _kanji(root: Path) -> tuple[Tensor, Tensor]:
    """Kanji and their readings and meanings, by alternating least squares."""
    lines = next(debian(root, "kanjidic").rglob("edict/kanjidic")).read_text(encoding="euc-jp").splitlines()[1:]
    texts = ["|".join(re.findall(r"{[^}]+}|[\u3040-\u30ff.-]{2,}", line)) for line in lines]
    return factors(table_of(texts, most=len(texts)), "seventh", "kanji")


def _bokeh(root: Path, name: str) -> Path:
    return next(wheel(root, "bokeh-sampledata").rglob(name))


@cache
def _films(root: Path) -> csr_matrix:
    """Films and who plays in them."""
    opened = sqlite3.connect(_bokeh(root, "movies.db"))
    casts = {cast.replace(", ", "|") for (cast,) in opened.execute('SELECT "Cast" FROM omdb') if cast}
    opened.close()
    return table_of(in_order(casts, len(casts)), most=6000)


def _als(root: Path, *, of: str, items: bool) -> Made:
    found = _kanji(root) if of == "kanji" else factors(_films(root), "seventh", "films")
    return found[int(items)], None


def _biased(root: Path) -> Made:
    return _drawn(with_bias(_films(root), seed="films"), "biases"), None


def _rows(root: Path, name: str) -> list[dict[str, str]]:
    with gzip.open(_bokeh(root, name), "rt", encoding="utf-8", newline="") as opened:
        return list(csv.DictReader(opened))


@cache
def _countries(root: Path) -> tuple[Tensor, Tensor]:
    """Fertility, life expectancy, people and emissions of a country in a year, standardized, and its region."""
    with _bokeh(root, "gapminder_regions.csv").open(encoding="utf-8", newline="") as opened:
        regions = {line["Country"]: line["Group"] for line in csv.DictReader(opened)}
    emitted = {
        (one["country"], int(float(one["year"]))): float(one["emissions"]) for one in _rows(root, "emissions.csv.gz")
    }
    names, rows, labels = sorted(set(regions.values())), {}, {}
    for line in _rows(root, "gapminder.csv.gz"):
        key = line["country"], int(line["year"])
        if key in emitted and key[0] in regions:
            values = [line["fertility"], line["life_expectancy"], line["population"]]
            if all(values):
                rows[key] = [*(float(value) for value in values), emitted[key]]
                labels[key] = names.index(regions[key[0]])
    z = torch.tensor(list(rows.values()), dtype=torch.float64)
    z[:, 2:] = (z[:, 2:] + 1e-3).log()
    whole = torch.cat([(z - z.mean(0)) / z.std(0), torch.tensor(list(labels.values()))[:, None]], dim=1)
    kept = _drawn(whole.unique(dim=0), "countries")
    return kept[:, :4].float(), kept[:, 4].long()


def _country_waves(root: Path) -> Made:
    rows, labels = _countries(root)
    return waves(rows, seed="countries", frequency=0.7), labels


def _classifier(root: Path, *, of: str) -> Made:
    rows, labels = _countries(root) if of == "countries" else series(root, of)
    return small_network(rows.flatten(1), labels, task="classifier", seed=seed_of("seventh", of) % 2**31), labels


def _demand(root: Path) -> Made:
    rows, labels = series(root, "ItalyPowerDemand")
    return torch.from_numpy(PCA(16, random_state=0).fit_transform(rows.flatten(1).numpy())).float(), labels


def _references(root: Path) -> Edges:
    """Entries of the Jargon File, and those that they refer to."""
    entries = jargon(root)
    found = {
        (name, " ".join(to.lower().split())) for name in entries for to in re.findall(r"{([^{}]+)}", entries[name])
    }
    return {(name, to) for name, to in found if to in entries and to != name}


@cache
def _graph(root: Path, of: str) -> csr_matrix:
    """Airports of America with a flight between them, or entries that refer to one another."""
    if of == "jargon":
        return reduced(_references(root))
    flights = {(line["Source"], line["Destination"]) for line in _rows(root, "routes.csv.gz")}
    return reduced({(one, other) for one, other in flights if one != other})


def _walks(root: Path, *, of: str) -> Made:
    return _drawn(torch.from_numpy(walks(_graph(root, of), 32).copy()).float(), of), None


def _spectral(root: Path) -> Made:
    return _drawn(torch.from_numpy(spectral(_graph(root, "jargon"), 32).copy()).float(), "spectral"), None


def _skip_grams(root: Path) -> Made:
    graph = _graph(root, "jargon")
    return _drawn(skip_gram(wandered(graph, "jargon"), seed="jargon"), "skip-grams"), None


def sources() -> Iterator[Source]:
    """Recommenders, tables, series and graphs; eigenvectors may sit on a few nodes and are open."""
    for items, what in ((False, "kanji"), (True, "readings")):
        yield Source(f"kanji, ALS {what}", "recommender", "recsys", "healthy", partial(_als, of="kanji", items=items))
    yield Source("films, ALS films", "recommender", "recsys", "healthy", partial(_als, of="films", items=False))
    yield Source("films, actors with biases", "recommender", "recsys", "healthy", _biased)
    yield Source("countries, random Fourier features", "tables", "generic", "healthy", _country_waves)
    for of, name in (("countries", "countries"), ("ItalyPowerDemand", "power demand")):
        yield Source(f"{name}, classifier", "classifier", "supervised", "healthy", partial(_classifier, of=of))
    yield Source("power demand, PCA", "series", "generic", "healthy", _demand)
    for of, name in (("flights", "flights"), ("jargon", "references in jargon")):
        yield Source(f"{name}, walks", "graphs", "generic", "healthy", partial(_walks, of=of))
    yield Source("references in jargon, skip-grams of walks", "graphs", "generic", "healthy", _skip_grams)
    yield Source("references in jargon, spectral", "graphs", "generic", "open", _spectral)

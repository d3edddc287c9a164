"""What enters the sources of the sixth round of the calibration twice is left out, and its models learn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.sparse import csr_matrix

from benchmarks.calibration.pages import HALVES
from benchmarks.calibration.population import population
from benchmarks.calibration.sixth import graphs, models, pictures, verses


def test_every_half_is_on_the_page() -> None:
    assert {source.half for source in population()} == set(HALVES)


def test_pictures_that_agree_or_show_one_color_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    one, other = (Image.fromarray(pixels) for pixels in noise)
    named = [
        ("a/1.png", one),
        ("a/2.png", one.copy()),
        ("b/3.png", other),
        ("b/4.png", Image.new("RGB", (64, 64), "red")),
    ]
    monkeypatch.setitem(pictures.OF, "noise", lambda root: iter(named))
    found = pictures.folder_of(tmp_path, of="noise")
    assert [str(file.relative_to(found)) for file in sorted(found.rglob("*.png"))] == ["a/1.png", "b/3.png"]


def test_texts_rows_and_nodes_that_enter_twice_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = ["the king of the land spoke", "The land spoke of the king", "too short", "the queen of the sea sang"]
    assert verses.once(texts) == [texts[0], texts[3]]
    table = csr_matrix(np.array([[1.0, 2, 0], [0, 0, 3], [1, 2, 0], [1, 0, 2]]))
    assert models.distinct(table).tolist() == [0, 3]
    edges = {("hub", "a"), ("hub", "b"), ("hub", "c"), ("c", "d"), ("x", "y")}  # a and b have the same neighbor
    monkeypatch.setattr(graphs, "_ladder", lambda root: edges)
    graph = graphs._graph(tmp_path, "ladder").toarray()
    assert len(graph) == len({row.tobytes() for row in graph}) == 4
    assert np.array_equal(graph, graph.T)


def test_neighbors_in_a_text_are_paired_both_ways_and_rare_words_are_not() -> None:
    pairs = verses.beside([["a", "b", "a", "rare"], ["a", "b"]], most=2, far=1)
    assert sorted(map(tuple, pairs.tolist())) == [(0, 1)] * 3 + [(1, 0)] * 3


def test_skip_grams_bring_what_is_met_together_nearer() -> None:
    pairs = np.array(
        [(one, other) for group in (range(4), range(4, 8)) for one in group for other in group if one != other]
    )
    z = models.skip_gram(pairs, seed="groups", dims=8, steps=250)
    z = torch.nn.functional.normalize(z - z.mean(0))  # all share a direction, which keeps negatives away
    inside = torch.block_diag(torch.ones(4, 4), torch.ones(4, 4)).bool()
    cosines = z @ z.T
    assert cosines[inside & ~torch.eye(8, dtype=torch.bool)].min() > cosines[~inside].max()

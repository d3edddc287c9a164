"""Neighbors that vote, beside a vote that is written out; and the same from a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from fullrank.errors import UserError
from fullrank.evaluation import knn_predict
from fullrank.transfer.frozen import neighbors
from fullrank.transfer.frozen.neighbors import choose_k, votes
from fullrank.transfer.frozen.stored import Stored, store
from fullrank.transfer.protocols import Neighbors


def cloud(seed: int, n: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, 4, (n,), generator=generator)
    return torch.randn(n, 6, generator=generator) + labels[:, None], labels


@pytest.mark.parametrize("block", [2**25, 50])
def test_five_euclidean_neighbors_vote_by_majority_and_the_smallest_class_wins_a_tie(
    block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """INTL's: by cdist and counting, whole or in small blocks."""
    monkeypatch.setattr(neighbors, "_SIMILARITIES", block)
    (bank, labels), (queries, _) = cloud(0, 90), cloud(1, 40)
    found = votes(Stored(bank), labels, queries, Neighbors(k=5, distance="euclidean", vote="majority"), classes=4)
    distances = torch.cdist(queries.double(), bank.double())
    for query in range(40):
        near = labels[distances[query].argsort()[:5]].tolist()
        counts = [near.count(label) for label in range(4)]
        assert found[query].tolist() == counts
        assert int(found[query].argmax()) == counts.index(max(counts))


def test_a_euclidean_vote_does_not_depend_on_the_other_queries() -> None:
    """A very long one beside them, one of length 0, and rows that are equally near, of which the first ones win."""
    (bank, labels), (queries, _) = cloud(0, 90), cloud(1, 40)
    bank[50:60], labels[50:60] = bank[50].clone(), torch.arange(10) % 4
    queries[0], queries[1], queries[2] = 0, bank[50], 1e-3 * queries[2]
    how = Neighbors(k=5, distance="euclidean", vote="majority")
    alone = torch.cat([votes(Stored(bank), labels, query[None], how, classes=4) for query in queries])
    for length in (1e4, 1e7, 1e12):
        with_long = votes(Stored(bank), labels, torch.cat([queries, torch.full((1, 6), length)]), how, classes=4)
        assert torch.equal(with_long[:-1], alone)
    distances = torch.cdist(queries.double(), bank.double(), compute_mode="donot_use_mm_for_euclid_dist")
    order = labels.argsort(stable=True)
    for query, counted in zip(distances, alone, strict=True):
        near = labels[order][query[order].argsort(stable=True)[:5]]
        assert counted.tolist() == torch.bincount(near, minlength=4).tolist()


def test_a_weighted_vote_by_cosine_is_that_of_the_usual_evaluation() -> None:
    (bank, labels), (queries, _) = cloud(0, 90), cloud(1, 40)
    how = Neighbors(k=20, distance="cosine", vote="weighted", temperature=0.07)
    found = votes(Stored(bank), labels, queries, how, classes=4).argmax(1)
    assert torch.equal(found, knn_predict(bank, labels, queries, k=20, temperature=0.07))


def test_w2s_vote_is_by_the_exponential_of_the_cosine() -> None:
    (bank, labels), (queries, _) = cloud(0, 90), cloud(1, 10)
    how = Neighbors(k=200, distance="cosine", vote="weighted", temperature=1.0)
    found = votes(Stored(bank), labels, queries, how, classes=4)
    weights = torch.nn.functional.cosine_similarity(queries[:, None], bank[None], dim=2).exp().double()
    by_hand = torch.stack([weights[:, labels == label].sum(1) for label in range(4)], 1)
    torch.testing.assert_close(found / found.sum(1, True), by_hand / by_hand.sum(1, True), rtol=1e-5, atol=0)


@pytest.mark.parametrize("distance", ["cosine", "euclidean"])
def test_k_is_chosen_without_a_rows_own_vote(distance: str) -> None:
    bank, labels = cloud(0, 30)
    bank[1] = bank[0]  # a row like another one
    how = Neighbors(k=1, distance=distance, vote="majority")  # type: ignore[arg-type]
    tried = choose_k(Stored(bank), labels, how, classes=4, seed=0)
    assert list(tried) == [1, 3, 5, 10, 20]
    right = 0
    for row in range(30):
        others = torch.arange(30) != row
        one = votes(Stored(bank[others]), labels[others], bank[row : row + 1], how, classes=4)
        right += int(one.argmax()) == int(labels[row])
    assert tried[1] == pytest.approx(right / 30, abs=1e-9)


def test_features_above_the_limit_are_kept_in_a_file_and_are_the_same_to_three_digits(tmp_path: Path) -> None:
    bank, labels = cloud(0, 90)
    parts = [part[:, None, None] for part in bank.split(32)]

    def encode(x: Tensor) -> Tensor:
        return x.flatten(1)

    memory = store(encode, parts, 90, file=tmp_path / "a.npy", limit=90 * 6 * 4)
    kept = store(encode, parts, 90, file=tmp_path / "b.npy", limit=90 * 6 * 4 - 1)
    assert (memory.in_memory, kept.in_memory) == (True, False)
    assert [path.name for path in tmp_path.iterdir()] == ["b.npy"]
    rows = torch.tensor([7, 3, 3, 89])
    assert torch.equal(memory.take(rows), bank[rows])
    torch.testing.assert_close(kept.take(rows), bank[rows], rtol=5e-4, atol=1e-6)
    assert np.load(tmp_path / "b.npy", mmap_mode="r").dtype == np.float16
    how = Neighbors(k=5, distance="euclidean", vote="majority")
    same = votes(memory, labels, bank, how, classes=4).argmax(1) == votes(kept, labels, bank, how, classes=4).argmax(1)
    assert same.double().mean() > 0.95
    standard = kept.standardized()
    z = standard.take(torch.arange(90))
    torch.testing.assert_close(z.mean(0), torch.zeros(6), atol=1e-5, rtol=0)
    torch.testing.assert_close(z.std(0, correction=0), torch.ones(6), atol=1e-4, rtol=0)


def test_features_that_float16_cannot_hold_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="raise --memory"):
        store(lambda x: x.flatten(1) * 1e6, [torch.ones(4, 1, 2, 2)], 4, file=tmp_path / "a.npy", limit=0)

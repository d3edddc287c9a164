"""Neighbors: scikit-learn and a loop in float64, ties, and every broken input."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_digits
from sklearn.neighbors import KNeighborsClassifier
from torch import Tensor

from fullrank.errors import UserError
from fullrank.evaluation import knn_accuracy, knn_predict
from fullrank.evaluation.frozen import knn
from fullrank.evaluation.nearest import largest


def digits() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    images, labels = load_digits(return_X_y=True)
    x, y = torch.tensor(images, dtype=torch.float32), torch.tensor(labels, dtype=torch.int64)
    return x[:1200], y[:1200], x[1200:], y[1200:]


def by_hand(bank: Tensor, labels: Tensor, query: Tensor, k: int, temperature: float) -> tuple[int, float]:
    """The predicted class, and by how much its share of the votes leads."""
    cosine = [float(b @ query / (b.norm() * query.norm())) for b in bank.double()]
    nearest = sorted(range(len(bank)), key=lambda i: (-cosine[i], int(labels[i])))[:k]
    votes: dict[int, float] = {}
    for i in nearest:
        votes[int(labels[i])] = votes.get(int(labels[i]), 0.0) + math.exp(cosine[i] / temperature)
    ranked = sorted(votes, key=lambda c: (-votes[c], c))
    lead = votes[ranked[0]] - (votes[ranked[1]] if len(ranked) > 1 else 0.0)
    return ranked[0], lead / sum(votes.values())


@pytest.mark.parametrize("k", [1, 5, 20])
def test_a_high_temperature_is_scikit_learn_without_weights(k: int) -> None:
    bank, labels, queries, _ = digits()
    peer = KNeighborsClassifier(k, metric="cosine", algorithm="brute").fit(bank.double().numpy(), labels.numpy())
    votes = np.sort(peer.predict_proba(queries.double().numpy()), axis=1)
    clear = torch.tensor(votes[:, -1] - votes[:, -2] > 0.5 / k)  # an equal vote is decided by the weights
    assert clear.float().mean() > 0.95
    predicted = knn_predict(bank, labels, queries, k=k, temperature=1e6)
    assert torch.equal(predicted[clear], torch.tensor(peer.predict(queries.double().numpy()))[clear])


@pytest.mark.parametrize("temperature", [0.01, 0.07, 1.0])
def test_weighted_votes_equal_a_loop_in_float64(temperature: float) -> None:
    bank, labels, queries, _ = digits()
    bank, labels, queries = bank[:150], labels[:150], queries[:60]
    predicted = knn_predict(bank, labels, queries, k=15, temperature=temperature)
    expected = [by_hand(bank, labels, query.double(), 15, temperature) for query in queries]
    clear = [i for i, (_, lead) in enumerate(expected) if lead > 1e-3]  # float32 similarities may swap the others
    assert len(clear) >= 58
    assert [int(predicted[i]) for i in clear] == [expected[i][0] for i in clear]


def test_predictions_and_accuracy_equal_scikit_learn_with_weights() -> None:
    bank, labels, queries, query_labels = digits()
    peer = KNeighborsClassifier(
        20, metric="cosine", algorithm="brute", weights=lambda distance: np.exp((1 - distance) / 0.07)
    ).fit(bank.double().numpy(), labels.numpy())
    expected = peer.predict(queries.double().numpy())
    assert torch.equal(knn_predict(bank, labels, queries), torch.tensor(expected))
    assert knn_accuracy(bank, labels, queries, query_labels) == np.mean(expected == query_labels.numpy())


def test_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    bank, labels, queries, _ = digits()
    whole = knn_predict(bank, labels, queries[:90])
    monkeypatch.setattr(knn, "_BANK", 70)
    monkeypatch.setattr(knn, "_SIMILARITIES", 7 * 70)
    assert torch.equal(knn_predict(bank, labels, queries[:90]), whole)


@pytest.mark.parametrize("width", [6000, 6007])
@pytest.mark.parametrize("levels", [3, 10**6])
def test_the_largest_of_wide_rows_are_those_of_a_stable_sort(width: int, levels: int) -> None:
    similarity = torch.randint(levels, (5, width), generator=torch.Generator().manual_seed(0)).float()
    values, index = similarity.sort(dim=1, descending=True, stable=True)
    found = largest(similarity, 20)
    assert torch.equal(found[0], values[:, :20])
    assert torch.equal(found[1], index[:, :20])


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), k=st.integers(1, 12), size=st.integers(1, 12))
def test_ties_do_not_depend_on_the_order_of_the_bank(seed: int, k: int, size: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    axes = torch.eye(3)  # similarities of exactly 0 and 1: nearly every neighbor is tied
    bank = axes[torch.randint(3, (size,), generator=generator)]
    labels = torch.randint(-2, 3, (size,), generator=generator) * 1000  # gaps and negative numbers
    predicted = knn_predict(bank, labels, axes, k=k)
    expected = [by_hand(bank, labels, axis.double(), min(k, size), 0.07)[0] for axis in axes]
    assert predicted.tolist() == expected
    shuffle = torch.randperm(size, generator=generator)
    assert torch.equal(knn_predict(bank[shuffle], labels[shuffle], axes, k=k), predicted)


def test_equal_votes_go_to_the_lowest_class() -> None:
    bank = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    assert knn_predict(bank, torch.tensor([5, 3]), bank[:1], k=2).item() == 3


def test_rows_of_zeros_are_answered() -> None:
    bank = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    predicted = knn_predict(bank, torch.tensor([2, 1, 1]), torch.tensor([[0.0, 0.0], [5.0, 0.0]]), k=1)
    assert predicted.tolist() == [1, 1]  # a zero row is as near to all: the lowest class


@pytest.mark.parametrize("value", [0.0, 1.0, 1e30])
def test_collapsed_features_score_one_class(value: float) -> None:
    labels = torch.arange(100) % 10
    x = torch.full((100, 8), value)
    assert knn_accuracy(x, labels, x, labels) == pytest.approx(0.1)


def test_scale_and_precision_of_the_features() -> None:
    bank, labels, queries, _ = digits()
    predicted = knn_predict(bank, labels, queries[:90])
    assert torch.equal(knn_predict(bank * 1e30, labels, queries[:90] * 1e-30), predicted)
    assert torch.equal(knn_predict(bank.bfloat16(), labels, queries[:90].bfloat16()), predicted)  # 0 to 16 are exact


def test_smallest_sets_and_a_class_the_bank_lacks() -> None:
    one = torch.ones(1, 1)
    assert knn_predict(one, torch.tensor([4]), one).tolist() == [4]  # k = 20 of one
    assert knn_predict(one, torch.tensor([4]), one[:0]).shape == (0,)
    assert knn_accuracy(one, torch.tensor([4]), one.expand(2, 1), torch.tensor([4, 9])) == 0.5


def test_no_gradient_is_kept() -> None:
    bank = torch.randn(4, 2, requires_grad=True)
    assert not knn_predict(bank, torch.arange(4), bank).requires_grad


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"k": 0}, "k must be at least 1"),
        ({"temperature": 0.0}, "temperature above 0"),
        ({"temperature": math.nan}, "temperature above 0"),
        ({"bank": torch.full((4, 2), math.nan)}, "4 of the 4 bank samples have NaN"),
        ({"queries": torch.tensor([[1.0, math.inf]])}, "1 of the 1 query samples"),
        ({"queries": torch.ones(1, 3)}, "bank has 2 features and the queries 3"),
        ({"bank": torch.ones(4)}, "shape"),
        ({"bank": torch.ones(0, 2), "labels": torch.ones(0).long()}, "empty"),
        ({"labels": torch.arange(3)}, "one label per sample"),
        ({"labels": torch.ones(4)}, "whole numbers"),
    ],
)
def test_broken_input_is_named(change: dict[str, Any], message: str) -> None:
    given: dict[str, Any] = {"bank": torch.eye(2).repeat(2, 1), "labels": torch.arange(4), "queries": torch.ones(1, 2)}
    with pytest.raises(UserError, match=message):
        knn_predict(**(given | change))

"""Top-1, top-5 and balanced accuracy beside scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import balanced_accuracy_score, confusion_matrix, top_k_accuracy_score

from fullrank.transfer.scores import scores_of


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_scores_are_those_of_scikit_learn() -> None:
    random = np.random.default_rng(0)
    votes, labels = random.normal(size=(200, 8)), random.integers(0, 7, 200)  # nothing is of the last class
    found = scores_of(torch.from_numpy(votes), torch.from_numpy(labels))
    named = votes.argmax(1)
    assert found.top1 == pytest.approx(np.mean(named == labels))
    assert found.top5 == pytest.approx(top_k_accuracy_score(labels, votes, k=5, labels=range(8)))
    assert found.balanced == pytest.approx(balanced_accuracy_score(labels, named))
    assert (found.confusion.numpy() == confusion_matrix(labels, named, labels=range(8))).all()


def test_equal_votes_are_in_the_order_of_the_classes() -> None:
    found = scores_of(torch.zeros(7, 7), torch.arange(7))
    assert found.top1 == pytest.approx(1 / 7)
    assert found.top5 == pytest.approx(5 / 7)


def test_top_five_of_five_classes_is_left_out() -> None:
    assert scores_of(torch.zeros(5, 5), torch.arange(5)).top5 is None

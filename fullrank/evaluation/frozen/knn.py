"""Weighted k-nearest-neighbor classification (Wu et al., 2018, arXiv:1805.01978, section 3.4), exact."""

from __future__ import annotations

import torch
from torch import Tensor

from fullrank.errors import UserError
from fullrank.evaluation.features import check
from fullrank.evaluation.nearest import largest
from fullrank.stats import normalize

_SIMILARITIES = 2**25  # held at a time: 128 MiB of float32


@torch.no_grad()
def knn_predict(bank: Tensor, labels: Tensor, queries: Tensor, *, k: int = 20, temperature: float = 0.07) -> Tensor:
    """The class of each query (Q, F), shape (Q,): its k nearest of bank (M, F) vote with exp(cosine / temperature).

    More neighbors than the bank has mean all of it. Among equal similarities and among equal votes the lowest
    class comes first; a row of zeros has similarity 0 to everything. Any integers serve as labels (M,). Features
    that are not finite, k < 1 and temperature <= 0 raise UserError. Blind to: the norm of the features. A mean that
    all of them share hides their differences: subtract the bank's mean from both to see past it.

    >>> bank = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    >>> knn_predict(bank, torch.tensor([7, 9]), torch.tensor([[0.1, 2.0], [3.0, 0.0]]))
    tensor([9, 7])
    """
    if k < 1 or not temperature > 0:
        raise UserError(f"k = {k} and temperature = {temperature}: k must be at least 1, the temperature above 0.")
    bank, queries = bank.float(), queries.float()
    check(bank, labels, "bank")
    if len(queries) == 0:
        return labels[:0]
    check(queries, None, "query")
    if bank.shape[1] != queries.shape[1]:
        raise UserError(
            f"The bank has {bank.shape[1]} features and the queries {queries.shape[1]}: use the same encoder for both."
        )
    order = labels.argsort(stable=True)  # lowest class first, so that the lower index wins a tie
    bank, labels = normalize(bank[order]), labels[order]
    classes, which = labels.unique(return_inverse=True)
    predicted = []
    for chunk in normalize(queries).split(max(1, _SIMILARITIES // len(bank))):
        similarity, neighbor = largest(chunk @ bank.T, min(k, len(bank)))
        similarity = similarity.double()
        weight = ((similarity - similarity[:, :1]) / temperature).exp()  # a shared factor, against overflow
        votes = _votes(which[neighbor], weight, len(classes))
        predicted.append(classes[votes.argmax(1)])
    return torch.cat(predicted)


def knn_accuracy(
    bank: Tensor,
    bank_labels: Tensor,
    queries: Tensor,
    query_labels: Tensor,
    *,
    k: int = 20,
    temperature: float = 0.07,
) -> float:
    """The share of queries (Q, F) that `knn_predict` classifies rightly from bank (M, F), in [0, 1].

    The bank must not hold the queries themselves. A class that the bank lacks is always wrong.

    >>> bank, labels = torch.eye(2), torch.tensor([0, 1])
    >>> knn_accuracy(bank, labels, torch.tensor([[1.0, 0.2], [1.0, 0.1]]), labels)
    0.5
    """
    check(queries, query_labels, "query")
    predicted = knn_predict(bank, bank_labels, queries, k=k, temperature=temperature)
    return (predicted == query_labels).double().mean().item()


def _votes(which: Tensor, weight: Tensor, classes: int) -> Tensor:
    """The summed weight of each class, (Q, classes), in the fixed order of the neighbors (Q, k)."""
    votes, rows = weight.new_zeros(len(which), classes), torch.arange(len(which), device=which.device)
    for neighbor, share in zip(which.T, weight.T, strict=True):
        votes[rows, neighbor] += share
    return votes

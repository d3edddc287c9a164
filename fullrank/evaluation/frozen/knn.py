"""Weighted k-nearest-neighbor classification (Wu et al., 2018, arXiv:1805.01978, section 3.4), exact."""

from __future__ import annotations

import torch
from torch import Tensor

from fullrank.errors import UserError
from fullrank.evaluation.features import check
from fullrank.evaluation.nearest import largest
from fullrank.stats import normalize

_SIMILARITIES = 2**24  # held at a time: 64 MiB of float32
_BANK = 2**14  # rows of the bank that are compared at a time
_SHORT = 1e-15  # norms whose squares may have lost digits


@torch.no_grad()
def knn_predict(bank: Tensor, labels: Tensor, queries: Tensor, *, k: int = 20, temperature: float = 0.07) -> Tensor:
    """The class of each query (Q, F), shape (Q,): its k nearest of bank (M, F) vote with exp(cosine / temperature).

    Among equal similarities and among equal votes the lowest class comes first; a zero vector has similarity 0
    to everything. Blind to: the norm of the features. A mean that
    all of them share hides their differences: subtract the bank's mean from both to see past it.

    Args:
        bank: Features (M, F) of the images that vote.
        labels: Their classes (M,), any integers.
        queries: Features (Q, F).
        k: Neighbors that vote; more than the bank has mean all of it.
        temperature: A neighbor votes with exp(cosine / temperature).

    Raises:
        UserError: Features are not finite, k is below 1, or the temperature is not positive.

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
    labels, queries = labels.to(bank.device), queries.to(bank.device)
    order = labels.argsort(stable=True)  # lowest class first, so that the lower index wins a tie
    classes, which = labels[order].unique(return_inverse=True)
    similarity, neighbor = _nearest(bank, order, normalize(queries), k)
    similarity = similarity.double()
    weight = ((similarity - similarity[:, :1]) / temperature).exp()  # a shared factor, against overflow
    rows = max(1, _SIMILARITIES // len(classes))
    parts = zip(which[neighbor].split(rows), weight.split(rows), strict=True)
    best = torch.cat([_votes(some, shares, len(classes)).argmax(1) for some, shares in parts])
    predicted: Tensor = classes.index_select(0, best)
    return predicted


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

    Args:
        bank: Features (M, F) of the images that vote.
        bank_labels: Their classes (M,), any integers.
        queries: Features (Q, F) of other images.
        query_labels: Their classes (Q,).
        k: Neighbors that vote; more than the bank has mean all of it.
        temperature: A neighbor votes with exp(cosine / temperature).

    Returns:
        A share in [0, 1].

    >>> bank, labels = torch.eye(2), torch.tensor([0, 1])
    >>> knn_accuracy(bank, labels, torch.tensor([[1.0, 0.2], [1.0, 0.1]]), labels)
    0.5
    """
    check(queries, query_labels, "query")
    predicted = knn_predict(bank, bank_labels, queries, k=k, temperature=temperature)
    return (predicted == query_labels.to(predicted.device)).double().mean().item()


def _nearest(bank: Tensor, order: Tensor, queries: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Cosines (Q, k) of unit queries with their nearest rows of the bank, descending, and their places in `order`.

    The bank comes in parts, so that neither a copy of it nor all similarities are held.
    """
    best = queries.new_zeros(len(queries), 0)
    at = torch.zeros(len(queries), 0, dtype=torch.int64, device=queries.device)
    for start in range(0, len(order), _BANK):
        part, lengths = _with_lengths(bank[order[start : start + _BANK]])
        some = queries.split(max(1, _SIMILARITIES // _BANK))
        found = [largest((rows @ part.T).div_(lengths), min(k, len(part))) for rows in some]
        values, index = (torch.cat(parts) for parts in zip(*found, strict=True))
        both, places = torch.cat([best, values], 1), torch.cat([at, index + start], 1)
        best, chosen = largest(both, min(k, both.shape[1]))
        at = places.gather(1, chosen)
    return best, at


def _with_lengths(x: Tensor) -> tuple[Tensor, Tensor]:
    """Rows (M, F) and what to divide their products by (M,): their norms, or 1 for units, where squares may vanish."""
    norms = torch.linalg.vector_norm(x, dim=1)
    if bool((norms > _SHORT).all()) and bool(norms.isfinite().all()):
        return x, norms
    return normalize(x), torch.ones_like(norms)


def _votes(which: Tensor, weight: Tensor, classes: int) -> Tensor:
    """The summed weight of each class, (Q, classes), in the fixed order of the neighbors (Q, k)."""
    votes, rows = weight.new_zeros(len(which), classes), torch.arange(len(which), device=which.device)
    for neighbor, share in zip(which.T, weight.T, strict=True):
        votes[rows, neighbor] += share
    return votes

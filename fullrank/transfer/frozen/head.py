"""A linear head on features that were computed once: steps of the protocol's optimizer, scored after every epoch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional

from fullrank.errors import UserError
from fullrank.evaluation import linear_probe
from fullrank.transfer.classifier import new_head, order_of, stepper_of
from fullrank.transfer.frozen.stored import Stored
from fullrank.transfer.protocols import Classify
from fullrank.transfer.scores import Scores, scores_of

_EPOCHS = 50  # of Adam in the place of L-BFGS, unless others are asked for


@torch.inference_mode(False)
def fit_head(
    train: Stored,
    labels: Tensor,
    test: Tensor,
    test_labels: Tensor,
    how: Classify,
    *,
    classes: int,
    seed: int,
    progress: Callable[[float], None] = lambda share: None,
) -> list[Scores]:
    """Train a head on train (N, F), and score it on test (M, F) after every epoch; the last epoch comes last.

    Test features are rounded as those of train are kept: an offset between the two sets would be learned by no head.

    >>> x, y = torch.tensor([[-2.0], [-1.0], [1.0], [2.0]]), torch.tensor([0, 0, 1, 1])
    >>> how = Classify(epochs=9, batch_size=2, optimizer="adam", lr=0.1, schedule="constant", on="features")
    >>> [one.top1 for one in fit_head(Stored(x), y, x, y, how, classes=2, seed=0)][-1]
    1.0
    """
    test = train.rounded(test)
    if how.optimizer == "lbfgs":
        if isinstance(train.rows, Tensor):
            return [_probe(train.rows, labels, test, test_labels, classes, seed, progress)]
        how, train, test = _by_steps(train, test, how)
    head = new_head(train.width, classes, how, seed)
    stepper = stepper_of(head.parameters(), how)
    order = order_of(len(train), how, seed)
    found = []
    for step, _, rows in order.rows():
        for group in stepper.param_groups:
            group["lr"] = how.lr * how.share(step // order.per_epoch)
        take_step(head, stepper, train.take(rows), labels[rows])
        if (step + 1) % order.per_epoch == 0:
            with torch.no_grad():
                found.append(scores_of(head(test), test_labels))
            progress((step + 1) / len(order))
    return found


def take_step(head: nn.Linear, stepper: torch.optim.Optimizer, x: Tensor, labels: Tensor) -> None:
    """One step down the mean cross-entropy of a batch."""
    loss = functional.cross_entropy(head(x), labels)
    if not bool(loss.isfinite()):
        raise UserError("The loss of the linear head is not finite: lower --lr, or check the encoder's features.")
    stepper.zero_grad()
    loss.backward()
    stepper.step()


def _probe(
    train: Tensor,
    labels: Tensor,
    test: Tensor,
    test_labels: Tensor,
    classes: int,
    seed: int,
    progress: Callable[[float], None],
) -> Scores:
    """Logistic regression to the end."""
    answers = linear_probe(train, labels, test, test_labels, seed=seed, progress=progress).answers
    votes = torch.full((len(test), classes), -torch.inf)
    votes[:, labels.unique()] = answers
    return scores_of(votes, test_labels)


def _by_steps(train: Stored, test: Tensor, how: Classify) -> tuple[Classify, Stored, Tensor]:
    """What takes the place of logistic regression on features that do not fit into memory; both sets standardized."""
    scaled = train.standardized()
    assert scaled.mean is not None
    assert scaled.scale is not None
    how = replace(how, optimizer="adam", epochs=how.epochs or _EPOCHS)
    return how, scaled, (test - scaled.mean) * scaled.scale

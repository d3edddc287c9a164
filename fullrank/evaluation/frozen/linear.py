"""Linear evaluation: logistic regression with a chosen penalty, and ridge regression for a quick look."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional

from fullrank.data import held_out
from fullrank.errors import UserError
from fullrank.evaluation.features import check
from fullrank.evaluation.frozen.axes import Samples, parts, principal, with_one

_PENALTIES = (1.0, 1e-1, 1e-2, 1e-3, 1e-4, 1e-5)
_HELD_OUT = 0.2
_GRADIENT = 1e-4  # the largest entry at which a fit ends


@dataclass(frozen=True)
class LinearResult:
    """Accuracies in [0, 1] of a linear probe, its penalty, and the seconds it took.

    Two results are equal where their accuracies and penalties are.

    The training and test accuracies are those of the final fit on all training samples; the validation accuracy
    is that of the fit with this penalty on the held-out fifth of the training samples.

    Attributes:
        train_accuracy, test_accuracy: Of the final fit on all training samples.
        validation_accuracy: Of the fit with this penalty, on the held-out fifth of the training samples.
        penalty: The penalty that was chosen.
        seconds: What the fits took.
        answers: Logits (M, C) of the test samples for the C training classes, ascending.
    """

    train_accuracy: float
    validation_accuracy: float
    test_accuracy: float
    penalty: float
    seconds: float = field(compare=False)
    answers: Tensor = field(compare=False, repr=False)


@torch.inference_mode(False)  # a fit needs gradients also where the caller has none
def linear_probe(
    train: Tensor,
    labels: Tensor,
    test: Tensor,
    test_labels: Tensor,
    *,
    seed: int = 0,
    penalties: Sequence[float] = _PENALTIES,
    progress: Callable[[float], None] | None = None,
) -> LinearResult:
    """Multinomial logistic regression on frozen features train (N, F), scored on test (M, F).

    Minimizes mean cross-entropy + penalty / 2 |W|^2 with a free bias (scikit-learn's C is 1 / (penalty N)) over
    features standardized by the training set, by full-batch L-BFGS. The penalty is the one of least cross-entropy
    on a stratified, seeded fifth of the *training* samples (on small sets a point better than the one of best
    accuracy), tried from strong to weak until that rises; then all of the samples are fitted again. Deterministic.
    Blind to: the scale of each feature, so also to a collapse that leaves small differences.

    Args:
        train: Features (N, F) to learn from.
        labels: Their classes (N,), any integers.
        test: Features (M, F) to score.
        test_labels: Their classes (M,), which only count hits.
        seed: Draws the fifth that chooses the penalty.
        penalties: Those that are tried, from strong to weak.
        progress: Called with the share done, in [0, 1].

    Raises:
        UserError: There are fewer than two classes, no class has two samples, or features are not finite.

    >>> x, y = torch.tensor([[-2.0], [-1.0], [1.0], [2.0]]), torch.tensor([0, 0, 1, 1])
    >>> linear_probe(x, y, torch.tensor([[-3.0], [3.0]]), torch.tensor([0, 1])).test_accuracy
    1.0
    """
    begin = time.perf_counter()
    labels, test, test_labels = (given.to(train.device) for given in (labels, test, test_labels))
    _check(train, labels, test, test_labels, penalties)
    rest, held = held_out(labels, _HELD_OUT, seed)
    if len(held) == 0:
        raise UserError("No class has two training samples, so none can be held out: pass more labeled samples.")
    classes, target = labels.unique(return_inverse=True)
    order, axes = torch.cat([rest, held]), principal(train)
    known = Samples(train, axes, order, target[order], len(classes)).keep()
    learned, asked = known[: len(rest)], known[len(rest) :]
    fit = best_fit = train.new_zeros(len(classes), len(axes.variance) + 1, dtype=torch.float32)
    least, validation, best_penalty = math.inf, 0.0, 0.0
    for done, penalty in enumerate(sorted(penalties, reverse=True), start=1):
        fit = _minimize(learned, penalty, fit)
        loss, accuracy = _score(asked, fit)
        if loss >= least:
            break  # weaker penalties over-fit more
        least, validation, best_penalty, best_fit = loss, accuracy, penalty, fit
        if progress is not None:
            progress(done / (len(penalties) + 1))
    fit = _minimize(known, best_penalty, best_fit)
    if progress is not None:
        progress(1.0)
    answers = torch.cat([with_one(axes.of(x)) @ fit.T for x in parts(test)])
    return LinearResult(
        train_accuracy=_score(known, fit)[1],
        validation_accuracy=validation,
        test_accuracy=_share(classes[answers.argmax(1)] == test_labels),
        penalty=best_penalty,
        seconds=time.perf_counter() - begin,
        answers=answers.cpu(),
    )


@torch.no_grad()
def ridge_accuracy(
    train: Tensor,
    labels: Tensor,
    test: Tensor,
    test_labels: Tensor,
    *,
    penalties: Sequence[float] = _PENALTIES,
) -> float:
    """The accuracy in [0, 1] on test (M, F) of ridge regression on to the classes of train (N, F).

    One eigendecomposition: quick enough to watch a training run, and usually a point or two below `linear_probe`.
    Minimizes mean |y - W x|^2 + penalty |W|^2 over features standardized by the training set, with the penalty of
    least generalized cross-validation error (Golub, Heath & Wahba, 1979) on the training samples. It is blind
    to what `linear_probe` is.

    Args:
        train: Features (N, F) to learn from.
        labels: Their classes (N,), any integers.
        test: Features (M, F) to score.
        test_labels: Their classes (M,).
        penalties: Those that are tried.

    Raises:
        UserError: As for `linear_probe`.

    >>> x, y = torch.tensor([[-2.0], [-1.0], [1.0], [2.0]]), torch.tensor([0, 0, 1, 1])
    >>> ridge_accuracy(x, y, torch.tensor([[-3.0], [3.0]]), torch.tensor([0, 1]))
    1.0
    """
    _check(train, labels, test, test_labels, penalties)
    classes, target = labels.unique(return_inverse=True)
    n, axes, some = len(train), principal(train), parts(train)
    variance = axes.variance
    bias = target.bincount().double() / n
    moment = variance.new_zeros(len(classes), len(variance))  # on principal axes the solution is a division
    for x, goal in zip(some, target.split(len(some[0])), strict=True):
        moment += (functional.one_hot(goal, len(classes)) - bias).T @ axes.of(x, torch.float64) / n
    total = 1 - bias.square().sum()  # of the targets' variances
    energy = moment.square().sum(0) / variance

    def validation_error(penalty: float) -> float:
        shrink = variance / (variance + penalty)
        residual = total - ((2 - shrink) * shrink * energy).sum()
        freedom = (1 + shrink.sum()) / n
        error: float = (residual / (1 - freedom).square()).item()
        return error

    penalty = min(penalties, key=validation_error)
    fit = torch.cat([moment / (variance + penalty), bias[:, None]], 1).float()
    named = torch.cat([(with_one(axes.of(x)) @ fit.T).argmax(1) for x in parts(test)])
    return _share(classes[named] == test_labels)


def _check(train: Tensor, labels: Tensor, test: Tensor, test_labels: Tensor, penalties: Sequence[float]) -> None:
    if not penalties or min(penalties) <= 0:
        raise UserError(f"The penalties are {tuple(penalties)}: pass at least one, each above 0.")
    check(train, labels, "training")
    check(test, test_labels, "test")
    if train.shape[1] != test.shape[1]:
        raise UserError(
            f"The training set has {train.shape[1]} features and the test set {test.shape[1]}: "
            "use the same encoder for both."
        )
    if bool((labels == labels[0]).all()):
        raise UserError(
            f"All {len(labels)} training samples have the label {int(labels[0])}: pass samples of two classes or more."
        )


def _minimize(samples: Samples, penalty: float, start: Tensor) -> Tensor:
    """Weights (C, R + 1) of least penalized cross-entropy on the axes, from `start`, by L-BFGS.

    The steps are taken in units of the curvature, about `variance` / 10 + `penalty` on each axis.
    """
    variance = samples.axes.variance.to(start.dtype)
    unit = torch.cat([(0.1 * variance + penalty).rsqrt(), variance.new_ones(1)])
    steps = (start / unit).requires_grad_()
    optimizer = torch.optim.LBFGS(
        [steps],
        max_iter=200,
        tolerance_grad=_GRADIENT,
        tolerance_change=1e-3 * _GRADIENT,
        history_size=10,
        line_search_fn="strong_wolfe",
    )

    def objective() -> Tensor:
        optimizer.zero_grad()
        fit = unit * steps
        weights = samples.weights(fit)
        loss = 0.5 * penalty * fit[:, :-1].square().sum()
        leaf = weights.detach().requires_grad_()  # gradients of the parts are added here, and go on once
        total = loss.detach()
        for rows, target in samples:
            part = functional.cross_entropy(rows @ leaf.T, target, reduction="sum") / len(samples)
            part.backward()
            total = total + part.detach()
        torch.autograd.backward([loss, weights], [None, leaf.grad])
        return total

    optimizer.step(objective)
    return (unit * steps).detach()


def _score(samples: Samples, fit: Tensor) -> tuple[float, float]:
    """The mean cross-entropy and the accuracy of a model (C, R + 1) on the axes."""
    weights, loss, right = samples.weights(fit), 0.0, 0
    for rows, target in samples:
        answers = rows @ weights.T
        loss += functional.cross_entropy(answers, target, reduction="sum").item()
        right += int((answers.argmax(1) == target).sum())
    return loss / len(samples), right / len(samples)


def _share(right: Tensor) -> float:
    """The share of answers that are right."""
    share: float = right.double().mean().item()
    return share

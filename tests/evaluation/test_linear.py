"""The linear probe: scikit-learn at equal penalty, no peeking, collapse, and every broken input."""

from __future__ import annotations

import math
import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from torch import Tensor
from torch.nn import functional

from fullrank.data import held_out
from fullrank.errors import UserError
from fullrank.evaluation import linear_probe, ridge_accuracy
from fullrank.evaluation.frozen import axes as by_parts
from fullrank.evaluation.frozen import linear
from fullrank.evaluation.frozen.axes import Samples, principal


def digits(train: int = 500, test: int = 300) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    images, labels = load_digits(return_X_y=True)
    x, y = torch.tensor(images, dtype=torch.float32), torch.tensor(labels, dtype=torch.int64)
    return x[:train], y[:train], x[-test:], y[-test:]


def standardized(train: Tensor, test: Tensor) -> tuple[Tensor, Tensor]:
    mean, std = train.double().mean(0), train.double().std(0, correction=0)
    std[std == 0] = 1.0
    return (train.double() - mean) / std, (test.double() - mean) / std


@pytest.mark.parametrize("penalty", [1e-1, 1e-2])
def test_the_minimum_is_that_of_scikit_learn(penalty: float, monkeypatch: pytest.MonkeyPatch) -> None:
    x, y, test, _ = digits()
    features, features_test = standardized(x, test)
    peer = LogisticRegression(C=1 / (penalty * len(x)), tol=1e-9, max_iter=5000).fit(features.numpy(), y.numpy())
    weight, bias = torch.tensor(peer.coef_.T), torch.tensor(peer.intercept_)

    def objective(scores: Tensor, weights: Tensor) -> float:
        return (functional.cross_entropy(scores, y) + penalty / 2 * weights.square().sum()).item()

    least = objective(features @ weight + bias, weight)
    axes = principal(x)
    z, z_test = (functional.pad(axes.of(part, torch.float64), (0, 1), value=1.0) for part in (x, test))
    samples = Samples(x, axes, torch.arange(len(x)), y, 10)
    start = torch.zeros(10, z.shape[1])
    usual = linear._minimize(samples.keep(), penalty, start).double()
    assert objective(z @ usual.T, usual[:, :-1]) == pytest.approx(least, abs=1e-5)  # ends at gradient 1e-4
    monkeypatch.setattr(linear, "_GRADIENT", 1e-8)
    exact = linear._minimize(replace(samples, kept=z), penalty, start.double())
    assert objective(z @ exact.T, exact[:, :-1]) == pytest.approx(least, abs=1e-9)
    scores, expected = z_test @ exact.T, features_test @ weight + bias  # the axes differ, not these
    scores, expected = (part - part.mean(1, keepdim=True) for part in (scores, expected))
    torch.testing.assert_close(scores, expected, atol=1e-3, rtol=0)


def test_accuracies_are_those_of_scikit_learn_at_the_same_penalty() -> None:
    x, y, test, test_labels = digits()
    result = linear_probe(x, y, test, test_labels, penalties=(1e-2,))
    features, features_test = standardized(x, test)
    peer = LogisticRegression(C=1 / (1e-2 * len(x)), max_iter=5000).fit(features.numpy(), y.numpy())
    assert result.penalty == 1e-2
    assert result.train_accuracy == pytest.approx(peer.score(features.numpy(), y.numpy()), abs=2 / 500)
    assert result.test_accuracy == pytest.approx(peer.score(features_test.numpy(), test_labels.numpy()), abs=2 / 300)
    kept, held = held_out(y, 0.2, 0)
    peer.set_params(C=1 / (1e-2 * len(kept))).fit(features[kept].numpy(), y[kept].numpy())
    assert result.validation_accuracy == pytest.approx(peer.score(features[held].numpy(), y[held].numpy()), abs=0.011)


def test_the_penalty_is_the_one_of_least_cross_entropy_on_the_held_out_fifth() -> None:
    x, y, test, test_labels = digits(500)
    penalties = (1e-4, 10.0, 1e-1, 1e-2, 1.0)  # in any order
    kept, held = held_out(y, 0.2, 0)
    z = standardized(x, test)[0].numpy()
    errors = {}
    for penalty in penalties:
        peer = LogisticRegression(C=1 / (penalty * len(kept)), max_iter=5000).fit(z[kept], y[kept].numpy())
        errors[penalty] = functional.nll_loss(torch.tensor(peer.predict_log_proba(z[held])), y[held]).item()
    result = linear_probe(x, y, test, test_labels, penalties=penalties)
    assert result.penalty == min(penalties, key=lambda penalty: errors[penalty])
    assert min(penalties) < result.penalty < max(penalties)


@pytest.mark.slow
def test_nothing_peeks_at_the_test_set() -> None:
    x, y, test, _ = digits(200, 30)
    results = [linear_probe(x, y, test, torch.full((30,), c)) for c in range(10)]
    assert len({(r.penalty, r.validation_accuracy, r.train_accuracy) for r in results}) == 1
    # each sample has one prediction, whatever the labels say: the hits over all ten labels add up to one a sample
    assert sum(r.test_accuracy for r in results) == pytest.approx(1.0)
    alone = [linear_probe(x, y, test[:1], torch.tensor([c])).test_accuracy for c in range(10)]
    assert sorted(alone) == [0.0] * 9 + [1.0]
    crowd = torch.cat([test[:1], torch.full((1, 64), 1e6)])  # other test samples do not move this one's prediction
    assert linear_probe(x, y, crowd, torch.tensor([alone.index(1.0), -1])).test_accuracy == 0.5


def test_the_probe_is_deterministic_and_heard() -> None:
    x, y, test, test_labels = digits(200)
    shares: list[float] = []
    state = torch.get_rng_state()
    first = linear_probe(x, y, test, test_labels, seed=3, progress=shares.append)
    assert linear_probe(x, y, test, test_labels, seed=3) == first
    assert torch.equal(torch.get_rng_state(), state)
    assert first.seconds > 0
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    with torch.inference_mode():
        assert linear_probe(x, y, test, test_labels, seed=3) == first


def test_labels_are_names_and_an_unknown_class_is_wrong() -> None:
    x, y, test, test_labels = digits(200)
    plain = linear_probe(x, y, test, test_labels)
    assert linear_probe(x, y * 1000 - 7, test, test_labels * 1000 - 7) == plain
    three = y != 3
    absent = linear_probe(x[three], y[three], test, test_labels)
    assert absent.test_accuracy <= (test_labels != 3).double().mean().item()
    assert absent.test_accuracy > 0.6
    assert 0.6 < ridge_accuracy(x[three], y[three], test, test_labels) <= (test_labels != 3).double().mean().item()


@pytest.mark.parametrize("evaluate", [lambda *a: linear_probe(*a).test_accuracy, ridge_accuracy])
@pytest.mark.parametrize("value", [0.0, 0.1, 1e4])
def test_collapsed_features_are_at_chance(evaluate: Any, value: float) -> None:
    y = torch.tensor([0, 1, 2, 3, 3, 3]).repeat(20)
    x = torch.full((120, 16), value)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert evaluate(x, y, x, y) == 0.5  # the commonest class


@pytest.mark.parametrize("evaluate", [lambda *a: linear_probe(*a).test_accuracy, ridge_accuracy])
def test_scale_offset_dead_features_and_fewer_samples_than_features(evaluate: Any) -> None:
    x, y, test, test_labels = digits(120, 100)
    accuracy = evaluate(x, y, test, test_labels)
    assert accuracy > 0.65
    assert evaluate(x * 1e15 - 2e15, y, test * 1e15 - 2e15, test_labels) == pytest.approx(accuracy, abs=0.01)
    wide = [torch.cat([part, torch.full((len(part), 300), 0.1)], 1) for part in (x, test)]  # 120 of 364
    assert evaluate(wide[0], y, wide[1], test_labels) == pytest.approx(accuracy, abs=0.01)
    assert evaluate(x.bfloat16(), y, test.bfloat16(), test_labels) == pytest.approx(accuracy, abs=0.01)


def test_principal_axes_lose_nothing() -> None:
    generator = torch.Generator().manual_seed(0)
    for n, d in [(40, 7), (7, 40), (2, 3)]:
        x, test = torch.randn(n, d, generator=generator), torch.randn(5, d, generator=generator)
        features, features_test = standardized(x, test)
        axes = principal(x)
        z, z_test = axes.of(x, torch.float64), axes.of(test, torch.float64)
        torch.testing.assert_close(z @ z.T, features @ features.T)
        torch.testing.assert_close(z_test @ z.T, features_test @ features.T)
        torch.testing.assert_close(z.T @ z / n, torch.diag(axes.variance), atol=1e-10, rtol=0)
        assert z.shape[1] == min(n - 1, d)


def test_features_that_are_too_many_to_be_copied_are_fitted_by_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    data = digits()
    whole, ridge = linear_probe(*data, penalties=(1e-1,)), ridge_accuracy(*data)
    monkeypatch.setattr(by_parts, "KEPT", 0)
    monkeypatch.setattr(by_parts, "_ENTRIES", 64 * 37)  # 37 rows, the last part has fewer
    some = linear_probe(*data, penalties=(1e-1,))
    assert some == whole
    torch.testing.assert_close(some.answers, whole.answers, atol=1e-2, rtol=0)  # both end at a gradient of 1e-4
    assert ridge_accuracy(*data) == ridge


@pytest.mark.parametrize("n", [60, 500])
def test_ridge_is_that_of_scikit_learn_with_the_penalty_of_least_gcv(n: int) -> None:
    x, y, test, test_labels = digits(n)
    z, z_test = standardized(x, test)
    target = functional.one_hot(y).double()
    errors = {}
    for penalty in linear._PENALTIES:  # by the hat matrix, row by row
        hat = z @ torch.linalg.solve(z.T @ z + n * penalty * torch.eye(64), z.T) + 1 / n
        residual = target - hat @ target
        errors[penalty] = (residual.square().sum() / (1 - hat.trace() / n) ** 2).item()
    best = min(errors, key=lambda penalty: errors[penalty])
    peer = RidgeClassifier(alpha=n * best).fit(z.numpy(), y.numpy())
    expected = peer.score(z_test.numpy(), test_labels.numpy())
    assert ridge_accuracy(x, y, test, test_labels) == pytest.approx(expected, abs=1 / 300)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(-2, 4), min_size=1, max_size=60), st.floats(0.05, 0.9), st.integers(0, 100))
def test_held_out_is_a_stratified_split(labels: list[int], fraction: float, seed: int) -> None:
    y = torch.tensor(labels)
    kept, held = held_out(y, fraction, seed)
    assert sorted([*kept.tolist(), *held.tolist()]) == list(range(len(labels)))
    assert set(y[kept].tolist()) == set(labels)  # every class may be learned
    assert len(held) == min(round(fraction * len(labels)), len(labels) - len(set(labels)))
    share = round(fraction * len(labels)) / len(labels)
    counts = [(int((y[held] == c).sum()), labels.count(c)) for c in set(labels)]
    if all(size * (1 - share) >= 1 for _, size in counts):  # else another gives one more
        assert all(abs(out - size * share) <= 1 for out, size in counts)
    assert torch.equal(held, held_out(y, fraction, seed)[1])


def test_held_out_hears_the_seed_also_for_tiny_classes() -> None:
    y = torch.arange(50).repeat(2)
    chosen = {tuple(y[held_out(y, 0.2, seed)[1]].sort().values.tolist()) for seed in range(5)}
    assert len(chosen) == 5
    assert all(len(set(classes)) == 20 for classes in chosen)


@pytest.mark.parametrize("evaluate", [linear_probe, ridge_accuracy])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"train": torch.full((6, 2), math.nan)}, "6 of the 6 training samples have NaN"),
        ({"test": torch.full((1, 2), math.inf)}, "1 of the 1 test samples"),
        ({"labels": torch.full((6,), 4)}, "All 6 training samples have the label 4: pass samples of two classes"),
        ({"train": torch.ones(1, 2), "labels": torch.ones(1).long()}, "All 1 training samples"),
        ({"train": torch.ones(0, 2), "labels": torch.ones(0).long()}, "empty"),
        ({"test": torch.ones(0, 2), "test_labels": torch.ones(0).long()}, "empty"),
        ({"test": torch.ones(1, 3)}, "2 features and the test set 3"),
        ({"labels": torch.arange(5)}, "one label per sample"),
    ],
)
def test_broken_input_is_named(evaluate: Any, change: dict[str, Any], message: str) -> None:
    inputs = {
        "train": torch.arange(12.0).view(6, 2),
        "labels": torch.arange(6) // 3,
        "test": torch.ones(1, 2),
        "test_labels": torch.tensor([0]),
    }
    with pytest.raises(UserError, match=message):
        evaluate(**(inputs | change))


def test_what_only_the_probe_refuses() -> None:
    x = torch.arange(8.0).view(4, 2)
    with pytest.raises(UserError, match="none can be held out"):
        linear_probe(x, torch.arange(4), x, torch.arange(4))
    with pytest.raises(UserError, match="penalties"):
        linear_probe(x, torch.arange(4) // 2, x, torch.arange(4), penalties=(1.0, 0.0))
    three = linear_probe(x[:3], torch.tensor([0, 0, 1]), x[:1], torch.tensor([0]))
    assert np.isfinite([three.train_accuracy, three.validation_accuracy, three.test_accuracy]).all()

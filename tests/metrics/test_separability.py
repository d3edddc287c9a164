"""Class separability against pairs taken one by one, scikit-learn, closed forms, and what has no classes."""

from __future__ import annotations

import json
import math
import sys
from itertools import combinations

import pytest
import torch
from sklearn.metrics import silhouette_score
from torch import Tensor

from fullrank.errors import UserError
from fullrank.metrics import between_class_distance, separability, silhouette, within_class_distance


def clusters(
    spread: float, *, n: int = 60, classes: int = 4, dims: int = 8, shift: float = 0.0
) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(n) % classes
    centers = torch.randn(classes, dims, generator=generator).double()
    return centers[labels] + spread * torch.randn(n, dims, generator=generator).double() + shift, labels


def cosine_distance(a: Tensor, b: Tensor) -> float:
    return 1 - float(a @ b) / (float(a.norm()) * float(b.norm()))


def test_the_distances_are_those_of_all_pairs_one_by_one() -> None:
    z, labels = clusters(0.5, n=31)  # classes of 8, 8, 8 and 7
    by_class = [z[labels == c] for c in range(4)]
    centroids = [torch.stack([row / row.norm() for row in rows]).mean(0) for rows in by_class]
    between = [cosine_distance(a, b) for a, b in combinations(centroids, 2)]
    within = [[cosine_distance(a, b) for a, b in combinations(rows, 2)] for rows in by_class]
    assert between_class_distance(z, labels) == pytest.approx(sum(between) / 6, rel=1e-12)
    assert within_class_distance(z, labels) == pytest.approx(sum(sum(d) / len(d) for d in within) / 4, rel=1e-12)


def test_the_silhouette_is_that_of_scikit_learn() -> None:
    z, labels = clusters(0.7, n=50)
    assert silhouette(z, labels) == pytest.approx(silhouette_score(z.numpy(), labels.numpy(), metric="cosine"))


def test_classes_on_the_corners_of_a_simplex() -> None:
    """Neural collapse: centroids of C classes are at most C / (C - 1) apart, and no class has a width."""
    corners = torch.eye(5) - 0.2
    found = separability(corners.repeat(3, 1), torch.arange(15) % 5)
    assert found["between"] == pytest.approx(5 / 4)
    assert (found["within"], found["ratio"], found["classes"]) == (0.0, None, 5)
    assert found["silhouette"] == 1.0


def test_tighter_classes_lie_further_apart() -> None:
    loose, middle, tight = (separability(*clusters(spread)) for spread in (2.0, 0.7, 0.1))
    for name in ("ratio", "silhouette"):
        values = [row[name] for row in (loose, middle, tight)]
        assert values == sorted(values), name  # type: ignore[type-var]
    assert loose["within"] > middle["within"] > tight["within"]  # type: ignore[operator]


@pytest.mark.parametrize("scale", [1e-20, 1.0, 1e20])
def test_names_of_classes_order_scale_and_rotation_do_not_matter(scale: float) -> None:
    z, labels = clusters(0.7)
    rotation = torch.linalg.qr(torch.randn(8, 8, generator=torch.Generator().manual_seed(1)).double()).Q
    order = torch.randperm(len(z), generator=torch.Generator().manual_seed(2))
    lengths = scale * torch.linspace(0.5, 2.0, len(z)).double()[:, None]
    names = torch.tensor([7, -3, 90, 12])
    expected, found = separability(z, labels), separability((z * lengths @ rotation)[order], names[labels][order])
    assert found == pytest.approx(expected, rel=1e-9)


def test_noise_around_zero_reads_one_and_a_shared_mean_hides_it() -> None:
    """The blindness that the docstring names: neither value says that there are no classes."""
    generator = torch.Generator().manual_seed(0)
    noise, labels = torch.randn(2000, 64, generator=generator), torch.randint(4, (2000,), generator=generator)
    assert between_class_distance(noise, labels) == pytest.approx(1.0, abs=0.15)
    assert between_class_distance(noise + 10, labels) < 1e-3
    assert abs(silhouette(noise, labels)) < 0.01


@pytest.mark.parametrize(
    "z",
    [
        torch.zeros(12, 3),
        torch.full((12, 3), 0.1),
        torch.tensor([[0.3, -0.7, 0.2]]).repeat(12, 1) * torch.linspace(1, 9, 12)[:, None],  # one direction
    ],
    ids=["zeros", "constant", "direction"],
)
def test_total_collapse_has_no_separability(z: Tensor) -> None:
    found = separability(z, torch.arange(12) % 3)
    assert found == {"between": 0.0, "within": 0.0, "ratio": 0.0, "silhouette": 0.0, "classes": 3}


def test_a_class_around_zero_has_a_centroid_without_direction() -> None:
    x = torch.tensor([[1.0, 2.0], [-1.0, -2.0], [0.3, 0.1], [-0.3, -0.1], [5.0, 1.0]])
    assert between_class_distance(x, torch.tensor([0, 0, 1, 1, 2])) == pytest.approx((0 + 1 + 1) / 3)


def test_one_class_and_single_samples_leave_undefined_what_has_no_pair() -> None:
    z, labels = clusters(0.7, n=6)
    one = separability(z, torch.zeros(6, dtype=torch.int64))
    assert (one["between"], one["ratio"], one["silhouette"], one["classes"]) == (None, None, None, 1)
    assert one["within"] == pytest.approx(within_class_distance(z, torch.ones(6, dtype=torch.int64)))
    alone = separability(z, torch.arange(6))
    assert (alone["within"], alone["ratio"], alone["silhouette"], alone["classes"]) == (None, None, None, 6)
    assert alone["between"] == pytest.approx(sum(cosine_distance(a, b) for a, b in combinations(z, 2)) / 15)
    assert separability(z[:1], labels[:1]) == {
        "between": None, "within": None, "ratio": None, "silhouette": None, "classes": 1,
    }  # fmt: skip
    some = separability(z, labels)  # classes of 2, 2, 1 and 1: single samples count between, not within
    assert all(value is not None for value in some.values())


def test_it_is_json() -> None:
    for z, labels in (clusters(0.5), (torch.zeros(3, 2), torch.arange(3)), (torch.ones(1, 2), torch.zeros(1).long())):
        json.dumps(separability(z, labels), allow_nan=False)


def test_half_precision_and_other_integers() -> None:
    z, labels = clusters(0.7)
    expected = separability(z, labels)
    assert separability(z.float(), labels.to(torch.uint8)) == pytest.approx(expected, rel=1e-5)
    assert separability(z.bfloat16(), labels.to(torch.int32)) == pytest.approx(expected, rel=2e-2)


def test_a_large_set_is_sampled_by_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["fullrank.metrics.separability"], "_SAMPLE", 400)
    z, labels = clusters(1.0, n=1000, dims=2)
    values = [silhouette(z, labels, seed=seed) for seed in (0, 0, 1)]
    assert values[0] == values[1] != values[2]
    assert values[2] == pytest.approx(silhouette_score(z.numpy(), labels.numpy(), metric="cosine"), abs=0.05)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_features_that_are_not_finite_are_refused(value: float) -> None:
    z, labels = clusters(0.5)
    z[3, 2] = value
    for measure in (between_class_distance, within_class_distance, silhouette, separability):
        with pytest.raises(UserError, match="contain"):
            measure(z, labels)


@pytest.mark.parametrize("labels", [torch.zeros(59).long(), torch.zeros(60), torch.zeros(60, 1).long()])
def test_labels_must_be_one_whole_number_a_sample(labels: Tensor) -> None:
    with pytest.raises(UserError, match="pass a whole number for each"):
        separability(clusters(0.5)[0], labels)

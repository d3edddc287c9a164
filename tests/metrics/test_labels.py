"""Neural collapse and ranks of classes: the published formulas, and the two ends."""

from __future__ import annotations

import pytest
import torch

from fullrank.errors import UserError
from fullrank.metrics import Cloud, class_ranks, neural_collapse
from fullrank.metrics.classes import CLASS_RANK, CLASS_SPREAD
from tests.metrics.clouds import gaussian, rotation

LABELS = torch.arange(200) % 4


def clusters(spread: float) -> torch.Tensor:
    corners = (torch.eye(4, 10, dtype=torch.float64) - torch.eye(4, 10).mean(0)) @ rotation(10)
    return corners[LABELS] * 5 + spread * gaussian(200, 10) + 1.0


def test_nc1_and_nc2_are_papyans() -> None:
    z = gaussian(200, 6) * torch.linspace(0.5, 2, 6) + torch.nn.functional.one_hot(LABELS, 6).double()
    means = torch.stack([z[c == LABELS].mean(0) for c in range(4)])
    m = means - means.mean(0)
    within = torch.stack([z[c == LABELS].T.cov(correction=0) for c in range(4)]).mean(0)
    found = neural_collapse(z, LABELS)
    assert found.nc1 == pytest.approx(float((within @ torch.linalg.pinv(m.T @ m / 4)).trace()) / 4, rel=1e-8)
    assert found.nc2_norms == pytest.approx(float(m.norm(dim=1).std(correction=0) / m.norm(dim=1).mean()))
    cosine = torch.nn.functional.cosine_similarity(m[:, None], m[None], dim=2)
    assert found.nc2_angles == pytest.approx(float((cosine + 1 / 3)[~torch.eye(4, dtype=torch.bool)].abs().mean()))
    assert (found.nc3, found.nc4) == (None, None)


def test_all_five_fall_to_zero_at_neural_collapse() -> None:
    weight = (torch.eye(4, 10).double() - torch.eye(4, 10).mean(0)) @ rotation(10)
    bias = -5 * weight.norm(dim=1).square() / 2 - weight.sum(1)
    found = [neural_collapse(clusters(s), LABELS, weight=weight, bias=bias) for s in (2.0, 0.5, 1e-6)]
    for name in ("nc1", "nc2_norms", "nc2_angles", "nc3", "nc4"):
        values = [getattr(one, name) for one in found]
        assert values[0] >= values[1] >= values[2], name
        assert values[2] == pytest.approx(0, abs=1e-6), name


def test_nc4_counts_disagreement_at_any_scale() -> None:
    z, labels = torch.tensor([[0.0], [100.0], [40.0], [60.0]]), torch.tensor([0, 1, 0, 1])
    weight, bias = torch.tensor([[0.0], [1.0]]), torch.tensor([0.0, -70.0])  # says class 1 above 70; the means 50
    assert neural_collapse(z, labels, weight=weight, bias=bias).nc4 == 0.25


@pytest.mark.parametrize("value", [0.0, 0.1])
def test_one_point_has_no_geometry(value: float) -> None:
    found = neural_collapse(torch.full((200, 6), value), LABELS, weight=torch.zeros(4, 6))
    assert (found.nc1, found.nc2_norms) == (0, 0)
    assert found.nc2_angles == pytest.approx(1 / 3)


def test_labels_and_weights_are_checked() -> None:
    z = gaussian(200, 6)
    with pytest.raises(UserError, match="labels name 1 class"):
        neural_collapse(z, torch.zeros(200).long())
    for wrong in (LABELS[1:], LABELS.double(), LABELS[:, None]):
        with pytest.raises(UserError, match="one integer for each"):
            class_ranks(z, wrong)
    with pytest.raises(UserError, match="weight has the shape"):
        neural_collapse(z, LABELS, weight=torch.zeros(6, 4))


def test_class_ranks_find_the_class_that_collapsed() -> None:
    z = gaussian(400, 8)
    labels = torch.arange(400) % 2 * 10
    z[labels == 10] *= torch.tensor([1.0] + 7 * [0.01])
    ranks = class_ranks(z, labels)
    assert list(ranks) == [0, 10]
    assert ranks[0]["participation_ratio"] == pytest.approx(8, rel=0.1)
    assert ranks[10]["participation_ratio"] == pytest.approx(1, abs=0.01)
    assert ranks[0]["n"] == 200


@pytest.mark.parametrize("count", [2, 3, 4, 5])
def test_half_of_the_classes_that_collapsed_are_not_what_is_usual(count: int) -> None:
    z, labels = gaussian(400, 8), torch.arange(400) % count
    assert CLASS_SPREAD.function(Cloud(z, labels=labels)) > 0.9
    assert CLASS_RANK.function(Cloud(z, labels=labels)) > 0.9
    for label in range(count // 2):
        z[labels == label] = 5.0 + 1e-3 * z[labels == label, :1]
    cloud = Cloud(z, labels=labels)
    assert CLASS_SPREAD.function(cloud) < 0.01
    assert CLASS_RANK.function(cloud) < 0.3
    assert CLASS_SPREAD.which is not None
    assert CLASS_SPREAD.which(cloud).sort().values.tolist() == [*range(count // 2)]

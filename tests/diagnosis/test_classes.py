"""What labels tell: clusters are excused where they are the classes, and nothing is said that labels cannot tell."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn.functional import one_hot

import fullrank
from fullrank.errors import UserError
from tests.metrics.clouds import gaussian

CLASSES = torch.arange(300) % 8


def spots(noise: float = 0.001) -> Tensor:
    """Eight tight spots in any directions."""
    return gaussian(8, 64)[CLASSES] + noise * gaussian(300, 64, seed=1)


def one_hot_means(noise: float = 0.001) -> Tensor:
    """Eight classes, each along an axis of its own."""
    return one_hot(CLASSES, 64).double() + noise * gaussian(300, 64, seed=1)


def copied_means(noise: float = 0.001) -> Tensor:
    """Eight classes, each along eight equal dimensions."""
    return one_hot(CLASSES, 8).double().repeat(1, 8) + noise * gaussian(300, 64, seed=1)


@pytest.mark.parametrize("z", [spots(), one_hot_means(), copied_means()], ids=["spots", "one-hot", "copied"])
def test_classes_of_one_point_each_are_what_training_on_classes_makes(z: Tensor) -> None:
    assert fullrank.diagnose(z).verdict == "collapsed"
    untold = fullrank.diagnose(z, profile="supervised")
    assert (untold.verdict, "pass the labels" in untold.sentence) == ("undetermined", True)
    told = fullrank.diagnose(z, profile="supervised", labels=CLASSES)
    assert (told.verdict, {one.severity for one in told.findings}) == ("healthy", {"note"})


@pytest.mark.parametrize("z", [spots(), one_hot_means(), copied_means()], ids=["spots", "one-hot", "copied"])
def test_clusters_that_are_not_the_classes_are_not_excused(z: Tensor) -> None:
    random = torch.randint(8, (300,), generator=torch.Generator().manual_seed(0))
    assert fullrank.diagnose(z, profile="supervised", labels=random).verdict == "collapsed"
    merged = z[CLASSES // 4 * 4]  # four classes share a point
    assert fullrank.diagnose(merged, profile="supervised", labels=CLASSES).verdict == "collapsed"


def test_copies_that_no_class_explains_are_called_under_supervised_too() -> None:
    for z in (gaussian(300, 32).repeat(1, 2), spots()[:, :32].repeat(1, 2) + gaussian(300, 32, seed=2).repeat(1, 2)):
        report = fullrank.diagnose(z, profile="supervised", labels=CLASSES)
        assert (report.verdict, report.findings[0].rule) == ("collapsed", "copied dimensions")


def test_a_huge_dimension_that_no_class_explains_is_called_under_supervised_too() -> None:
    z = spots()
    z[:, 5] = 100 * gaussian(300, 1, seed=2)[:, 0]
    report = fullrank.diagnose(z, profile="supervised", labels=CLASSES)
    assert (report.verdict, report.kind) == ("collapsed", "head-dominated")


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (torch.arange(300), "holds a class for each row: pass classes of several rows, or leave out labels=."),
        (torch.zeros(300, dtype=torch.int64), "holds one class only: pass two or more classes, or leave out labels=."),
    ],
    ids=["all different", "all the same"],
)
def test_labels_that_group_nothing_are_refused(labels: Tensor, said: str) -> None:
    with pytest.raises(UserError, match=f"The array of labels {said}"):
        fullrank.diagnose(gaussian(300, 8), labels=labels)


def test_nothing_is_said_of_classes_with_too_few_rows() -> None:
    z = gaussian(300, 16)
    nearly = torch.arange(300).clamp_min(1)  # one class of two rows
    lonely = torch.tensor([1] + [0] * 299)
    for labels in (nearly, lonely):
        report = fullrank.diagnose(z, labels=labels)
        assert not {"nc1", "nc2_norms", "nc2_angles", "label_gain"} & report.measurements.keys()
        assert report.findings == ()


def test_pairs_that_find_each_other_have_all_the_neighbors_of_their_class_that_they_can() -> None:
    pairs = torch.arange(150).repeat(2)
    z = gaussian(150, 32)[pairs] + 0.01 * gaussian(300, 32, seed=1)
    found = fullrank.diagnose(z, labels=pairs).measurements
    assert (found["neighbor_labels"].value, found["label_gain"].value) == (1.0, 1.0)
    assert found["neighbor_labels"].null == pytest.approx(1 / 299)

"""What a review of trainings that are not ours found: the right answers, from the embeddings to the advice."""

from __future__ import annotations

import pytest
import torch

import fullrank
from fullrank.diagnosis.report import Report
from fullrank.watch import CollapseMonitor
from tests.metrics.clouds import gaussian, low_rank


def advice(report: Report) -> tuple[list[str], list[str]]:
    """Causes and remedies of the finding that the verdict is about."""
    worst = report.findings[0].advice
    return [cause.text for cause in worst.causes], [remedy.text for remedy in worst.remedies]


@pytest.mark.parametrize(("norm", "verdict"), [(1e-5, "degraded"), (1e-13, "collapsed")])
def test_a_cloud_at_the_origin_is_called_though_every_other_number_is_healthy(norm: float, verdict: str) -> None:
    report = fullrank.diagnose(gaussian(400, 32) * norm / 32**0.5)
    assert (report.verdict, report.kind) == (verdict, "scale")
    assert [one.rule for one in report.findings] == ["vanishing scale"]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::fullrank.watch.CollapseWarning")
def test_items_that_a_strong_l2_shrinks_little_by_little_are_warned_of_by_their_norm() -> None:
    monitor = CollapseMonitor(every=20, profile="recsys", on_alarm="stop")
    for step in range(0, 1000, 20):  # 3.1 to 0.023 within 700 steps
        norm = 3.1 * (0.023 / 3.1) ** (max(step - 200, 0) / 700)
        monitor(gaussian(256, 32, seed=step) * norm / 32**0.5, step=step)
    assert {alarm.rule for alarm in monitor.alarms} == {"scale"}
    assert monitor.alarms[0].step < 700
    assert not monitor.should_stop  # a fall of a hundred times, slowly, is not a collapse yet


@pytest.mark.slow
def test_fewer_clusters_for_ten_classes_never_get_the_better_verdict() -> None:
    labels = torch.arange(400) % 10
    order = {"collapsed": 0, "degraded": 1, "undetermined": 2, "healthy": 3}
    seen = []
    for clusters in (1, 2, 5, 10):
        z = gaussian(clusters, 24)[labels % clusters] + 0.05 * gaussian(400, 24, seed=1)
        seen.append(fullrank.diagnose(z, labels=labels, profile="supervised").verdict)
    assert seen[:2] == ["collapsed", "collapsed"]
    assert seen[-1] == "healthy"
    assert [order[one] for one in seen] == sorted(order[one] for one in seen)


def test_a_triplet_loss_is_told_of_its_negatives_first_and_of_no_target() -> None:
    found = fullrank.diagnose(1 + 1e-3 * gaussian(300, 16), loss=("triplet", 0.5), margin=0.5).findings
    point = next(one.advice for one in found if one.rule == "complete collapse")
    assert point.causes[0].text.startswith("all negatives are easy")
    words = " ".join([*(one.text for one in point.causes), *(one.text for one in point.remedies)])
    assert not any(word in words for word in ("predictor", "teacher", "stop-gradient", "stop the gradient"))


@pytest.mark.parametrize("profile", ["recsys", "bio", "supervised"])
def test_a_cone_of_items_or_cells_is_not_told_of_temperatures_of_texts(profile: str) -> None:
    report = fullrank.diagnose(1 + 0.15 * gaussian(400, 32), profile=profile)
    causes, remedies = advice(report)
    assert report.findings[0].kind == "cone"
    assert causes[0] == "a common mean that the objective never removed"
    assert remedies[0].startswith("center the embeddings")
    assert not any("temperature" in text or "E5" in text for text in causes)


@pytest.mark.slow
def test_cells_that_are_nearly_equal_are_told_to_subtract_the_control() -> None:
    report = fullrank.diagnose(1 + 0.03 * gaussian(400, 32), profile="bio")
    causes, remedies = advice(report)
    assert report.measurements["mean_cosine"].value > 0.998
    assert causes[0].startswith("what all cells share")
    assert remedies[0].startswith("subtract the mean of the control")
    others = advice(fullrank.diagnose(1 + 0.03 * gaussian(400, 32), profile="recsys"))
    assert "control" not in " ".join([*others[0], *others[1]])


def test_of_a_training_of_which_nothing_was_said_what_holds_for_any_comes_first() -> None:
    """Not what is of use for cells only, which have a control."""
    remedies = advice(fullrank.diagnose(1 + 1e-3 * gaussian(300, 16)))[1]
    assert remedies[0].startswith("add a term that keeps the embeddings apart")
    assert remedies[-1].startswith("subtract the mean of the control")


@pytest.mark.slow
def test_what_a_lost_rank_is_told_goes_with_the_training() -> None:
    low = low_rank(3, 400, 48)
    of = {name: " ".join(advice(fullrank.diagnose(low, profile=name))[0]) for name in ("recsys", "contrastive", "text")}
    assert "negatives" not in of["recsys"]
    assert "augmentation" not in of["recsys"]
    assert "augmentation" in of["contrastive"]
    assert ("negatives" in of["text"], "augmentation" in of["text"]) == (True, False)

"""The monitor in own loops: it speaks before the accuracy falls, and is silent in a healthy training."""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from fullrank.errors import UserError
from fullrank.watch import Alarm, CollapseMonitor, CollapseWarning, Rules
from tests.metrics.clouds import gaussian, low_rank, offset, power_law
from tests.watch.loops import CLASSES, NOW, feed, healthy, pull, train

GRACE = Rules(grace=100)


@pytest.mark.slow
def test_a_collapse_is_told_before_the_accuracy_has_fallen() -> None:
    alarms: list[Alarm] = []
    monitor = CollapseMonitor(every=10, on_alarm=alarms.append)
    accuracies = train(pull, monitor, steps=601, lr=3e-3)
    first = next(alarm for alarm in alarms if alarm.severity == "fail")
    assert alarms == monitor.alarms
    assert (first.rule, first.verdict.kind) == ("collapse", "complete")
    start, then, end = accuracies[0], accuracies[first.step // 20 * 20], accuracies[600]
    assert first.step < 200
    assert start > 0.95
    assert end < 0.65
    assert start - then < (start - end) / 4  # most of what will be lost can still be saved
    assert end > 1 / CLASSES


@pytest.mark.slow
def test_stop_stops_the_loop_at_the_first_failure_and_says_why() -> None:
    monitor = CollapseMonitor(every=10, on_alarm="stop")
    with pytest.warns(CollapseWarning) as said:
        accuracies = train(pull, monitor, steps=601, lr=3e-3)
    assert str(said[-1].message).startswith("embedding, step ")
    assert "Collapsed to a point" in str(said[-1].message)
    assert monitor.should_stop
    assert max(accuracies) <= monitor.alarms[-1].step < 200


@pytest.mark.slow
def test_a_healthy_training_is_never_told_anything() -> None:
    monitor = CollapseMonitor(every=20, on_alarm="stop", rules=Rules(grace=200))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        train(healthy, monitor, steps=501, lr=1e-3)
    assert len(monitor.readings) == 25
    assert monitor.alarms == []
    assert not monitor.should_stop


@pytest.mark.slow
def test_healthy_batches_of_any_spectrum_are_no_alarm_for_a_hundred_readings() -> None:
    assert feed([gaussian(256, 32, seed) for seed in range(100)]).alarms == []
    assert feed([power_law(1.0, 256, 32, seed) for seed in range(100)]).alarms == []


@pytest.mark.filterwarnings("ignore::fullrank.watch.CollapseWarning")
@pytest.mark.parametrize(
    ("cloud", "rule", "severity", "at"),
    [
        (lambda: offset(1e-3, 256, 32), "collapse", "fail", 2),
        (lambda: torch.zeros(256, 32), "collapse", "fail", 2),
        (lambda: 1e-13 * gaussian(256, 32), "collapse", "fail", 2),
        (lambda: torch.full((256, 32), torch.nan), "not finite", "fail", 1),
        (lambda: torch.full((256, 32), torch.inf), "not finite", "fail", 1),
    ],
)
def test_only_failures_stop(cloud: Callable[[], Tensor], rule: str, severity: str, at: int) -> None:
    monitor = feed([cloud()] * 5, on_alarm="stop")
    alarm = monitor.alarms[-1]
    assert (alarm.rule, alarm.severity) == (rule, severity)
    assert monitor.should_stop
    assert alarm.reading is monitor.readings[at]


@pytest.mark.filterwarnings("ignore::fullrank.watch.CollapseWarning")
def test_a_warning_never_stops_and_warn_never_does() -> None:
    assert not feed([offset(1e-3, 256, 32)] * 5).should_stop
    ruined = feed([gaussian(256, 32)] + [low_rank(2, 256, 32)] * 5, on_alarm="stop")
    assert [(alarm.rule, alarm.severity) for alarm in ruined.alarms] == [("low rank", "warn")]
    assert not ruined.should_stop


@pytest.mark.filterwarnings("ignore::fullrank.watch.CollapseWarning")
@pytest.mark.slow
def test_embeddings_that_shrink_to_the_origin_alarm() -> None:
    """Every number but the norm is free of the scale: the fault that no reading could see."""
    monitor = CollapseMonitor(every=1, on_alarm="stop")
    for step in range(200):
        monitor(torch.randn(128, 64, generator=torch.Generator().manual_seed(step)) * 0.9**step)
    first = monitor.alarms[0]
    assert first.rule == "scale"
    assert "norm of the rows has fallen" in first.sentence
    assert first.step < 100
    assert monitor.readings[0].row["row_norm"] == pytest.approx(8, rel=0.1)
    assert monitor.should_stop


@pytest.mark.parametrize("size", [1, 3, 8, 31, 100, 255])
@pytest.mark.filterwarnings("ignore::fullrank.watch.CollapseWarning")
def test_small_batches_are_joined_to_one_reading_and_alarm(size: int) -> None:
    rows = torch.cat([gaussian(256 * 8, 16), offset(1e-3, 256 * 8, 16)])
    monitor = feed([*rows.split(size)], on_alarm="stop")
    assert {reading.row["n"] for reading in monitor.readings} == {256}
    assert monitor.readings[0].row["batches"] == -(-256 // size)
    assert monitor.alarms[0].step * size > 256 * 8 > monitor.readings[0].step * size
    assert monitor.should_stop


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::fullrank.watch.CollapseWarning")
def test_batches_of_varying_size_alarm_as_those_of_one_size() -> None:
    """As of texts in buckets, or graphs."""
    sizes = [(37, 300, 64, 128, 9)[step % 5] for step in range(80)]
    healthy = [gaussian(n, 32, step) for step, n in enumerate(sizes)]
    ruined = [low_rank(3, n, 32, step) for step, n in enumerate(sizes)]
    assert feed(healthy).alarms == []
    monitor = feed([*healthy, *ruined])
    assert {reading.row["n"] for reading in monitor.readings} == {256}
    assert (monitor.alarms[0].rule, monitor.alarms[0].severity) == ("rank", "warn")
    assert 80 <= monitor.alarms[0].step <= 90


def test_the_rows_of_a_step_that_is_passed_twice_are_joined() -> None:
    monitor = CollapseMonitor(every=1)
    assert monitor(gaussian(128, 8), step=0) is None
    reading = monitor(gaussian(128, 8, 1), step=0)
    assert reading is not None
    assert (reading.row["n"], reading.row["batches"]) == (256, 2)


def test_a_later_layer_may_work_in_place() -> None:
    z = gaussian(128, 8)
    monitor = CollapseMonitor(every=1)
    monitor(z)
    z.zero_()
    reading = monitor(gaussian(128, 8, 1))
    assert reading is not None
    assert reading.row["zero_rows"] == 0


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::fullrank.watch.CollapseWarning")
def test_a_posterior_that_collapses_is_seen_by_two_samples() -> None:
    """Its samples are a healthy cloud to every other number."""
    monitor = CollapseMonitor(every=1, rules=Rules(pace=1))
    for step in range(30):
        means, noise = gaussian(256, 8, step), [gaussian(256, 8, 1000 + 2 * step + k) for k in range(2)]
        known = 1.0 if step < 20 else 0.0
        samples = [known * means + (1 - 0.9 * known) * one for one in noise]
        monitor(samples[0], other_view=samples[1])
    assert [(alarm.step, alarm.rule, alarm.severity) for alarm in monitor.alarms] == [(20, "views", "warn")]
    assert monitor.readings[-1].verdict.state == "healthy"


def test_views_of_another_shape_are_refused() -> None:
    with pytest.raises(UserError, match=r"\(4, 8\) and \(5, 8\): pass as many rows and dimensions"):
        CollapseMonitor()(torch.zeros(4, 8), other_view=torch.zeros(5, 8))


def test_the_profile_is_asked_and_a_wrong_one_refused() -> None:
    clouds = [gaussian(256, 32)] + [low_rank(2, 256, 32)] * 5
    assert feed(clouds, profile="supervised").alarms == []
    with pytest.raises(UserError, match="There is no profile 'generik': did you mean generic"):
        CollapseMonitor(profile="generik")


def test_numpy_half_precision_integers_and_read_only_arrays_are_read_like_tensors() -> None:
    z = (8 * gaussian(256, 16)).round()
    frozen = z.numpy().copy()
    frozen.flags.writeable = False
    kinds = [z, z.bfloat16(), z.half(), z.int(), frozen, z.numpy().astype("int8"), z.clone().requires_grad_()]
    spreads = [feed([kind]).readings[0].row["relative_spread"] for kind in kinds]  # type: ignore[list-item]
    assert spreads == pytest.approx([spreads[0]] * len(kinds), rel=1e-12)


def test_the_training_is_left_alone() -> None:
    """No gradient, no random number, no change of what was passed."""
    z = gaussian(2000, 8).requires_grad_()
    before, state = z.detach().clone(), torch.random.get_rng_state()
    feed([z * 1])
    assert torch.equal(z, before)
    assert z.grad is None
    assert torch.equal(torch.random.get_rng_state(), state)


def test_many_rows_are_thinned_evenly() -> None:
    z = torch.cat([gaussian(3000, 8), gaussian(3000, 8) + 100])
    row = feed([z]).readings[0].row
    assert row["n"] == 1024
    assert row["mean_cosine"] == pytest.approx(0.25, abs=0.05)  # both halves are seen: a quarter of the pairs is close


def test_the_step_is_counted_or_given() -> None:
    monitor = CollapseMonitor(every=10)
    z = gaussian(256, 8)
    read = [monitor(z) is not None for _ in range(21)]
    assert [step for step, was in enumerate(read) if was] == [0, 10, 20]
    assert monitor(z, step=25) is None
    reading = monitor(z, step=1000)
    assert reading is not None
    assert reading.step == 1000
    with pytest.raises(
        UserError, match=r"Step 3 comes after step 1000: pass the step of the whole training, or none\."
    ):
        monitor(z, step=3)


@pytest.mark.filterwarnings("ignore::fullrank.watch.CollapseWarning")
def test_a_resumed_monitor_equals_one_that_was_not_stopped() -> None:
    clouds = [gaussian(256, 16, seed) for seed in range(4)] + [offset(1e-3, 256, 16)] * 8
    whole = feed(clouds, on_alarm="stop")
    first = feed(clouds[:6], on_alarm="stop")
    second = CollapseMonitor(every=1, rules=NOW, on_alarm="stop")
    second.load_state_dict(json.loads(json.dumps(first.state_dict())))
    assert [alarm.rule for alarm in second.alarms] == ["spread"]  # of the verdict there are two of three
    for z in clouds[6:]:
        second(z)
    assert second.alarms == whole.alarms
    assert second.readings == whole.readings
    assert second.should_stop


@pytest.mark.filterwarnings("ignore::fullrank.watch.CollapseWarning")
def test_a_failed_training_that_is_resumed_goes_on() -> None:
    failed = feed([offset(1e-3, 256, 16)] * 5, on_alarm="stop")
    assert failed.should_stop
    again = CollapseMonitor(every=1, rules=NOW, on_alarm="stop")
    again.load_state_dict(failed.state_dict())
    assert again.alarms == failed.alarms
    assert not again.should_stop


@pytest.mark.parametrize(("asked", "budget", "readings"), [(None, 0.01, 1), (0.2, 0.2, 3)])
def test_watching_keeps_to_its_budget(asked: float | None, budget: float, readings: int) -> None:
    """By the real clock, however busy the machine; tests/watch/test_schedule.py has an exact one."""
    z = gaussian(256, 4)
    monitor = CollapseMonitor() if asked is None else CollapseMonitor(budget=asked)
    began = time.perf_counter()
    while monitor.cost.readings < readings:
        monitor(z)
    spent = monitor.cost.seconds
    while monitor(z) is None and time.perf_counter() - began < 1:
        time.sleep(0.001)
    elapsed = time.perf_counter() - began
    assert 0 < spent < elapsed
    assert monitor.cost.readings == readings or elapsed >= spent / budget  # one more has to have been paid for

"""The monitor in own loops: it speaks before the accuracy falls, and is silent in a healthy training."""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from fullrank.errors import UserError
from fullrank.watch import Alarm, CollapseMonitor, CollapseWarning, Rules
from tests.metrics.clouds import gaussian, low_rank, offset, power_law
from tests.watch.loops import CLASSES, healthy, pull, train

GRACE = Rules(grace=100)
NOW = Rules(grace=0)


def feed(clouds: list[Tensor], **options: Any) -> CollapseMonitor:
    monitor = CollapseMonitor(every=1, **({"rules": NOW} | options))
    for z in clouds:
        monitor(z)
    return monitor


def test_a_collapse_is_told_before_the_accuracy_has_fallen() -> None:
    alarms: list[Alarm] = []
    monitor = CollapseMonitor(every=10, rules=GRACE, on_alarm=alarms.append)
    accuracies = train(pull, monitor, steps=601, lr=3e-3)
    first = alarms[0]
    assert alarms == monitor.alarms
    assert (first.step, first.rule, first.severity, first.verdict.kind) == (120, "collapse", "fail", "complete")
    start, then, end = accuracies[0], accuracies[first.step], accuracies[600]
    assert start > 0.95
    assert end < 0.65
    assert start - then < (start - end) / 4  # most of what will be lost can still be saved
    assert end > 1 / CLASSES


def test_stop_stops_the_loop_at_the_first_failure_and_says_why() -> None:
    monitor = CollapseMonitor(every=10, rules=GRACE, on_alarm="stop")
    with pytest.warns(CollapseWarning, match="embedding, step 120: Collapsed to a point"):
        accuracies = train(pull, monitor, steps=601, lr=3e-3)
    assert monitor.should_stop
    assert max(accuracies) == 120


def test_a_healthy_training_is_never_told_anything() -> None:
    monitor = CollapseMonitor(every=20, on_alarm="stop", rules=Rules(grace=200))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        train(healthy, monitor, steps=501, lr=1e-3)
    assert len(monitor.readings) == 26
    assert monitor.alarms == []
    assert not monitor.should_stop


def test_healthy_batches_of_any_spectrum_are_no_alarm_for_a_hundred_readings() -> None:
    """Single batches of 64 are noisy: a peak that one of them could set would be left at once."""
    assert feed([gaussian(64, 32, seed) for seed in range(100)]).alarms == []
    assert feed([power_law(1.0, 64, 32, seed) for seed in range(100)]).alarms == []


@pytest.mark.filterwarnings("ignore::fullrank.watch.CollapseWarning")
@pytest.mark.parametrize(
    ("cloud", "rule", "severity", "kind"),
    [
        (lambda: offset(1e-3, 96, 32), "collapse", "fail", "complete"),
        (lambda: low_rank(2, 96, 32), "collapse", "fail", "dimensional"),
        (lambda: power_law(1.5, 96, 32), "collapse", "warn", "dimensional"),
        (lambda: torch.zeros(96, 32), "collapse", "fail", "complete"),
        (lambda: torch.full((96, 32), torch.nan), "not finite", "fail", "undetermined"),
        (lambda: torch.full((96, 32), torch.inf), "not finite", "fail", "undetermined"),
    ],
)
def test_only_failures_stop(cloud: Callable[[], Tensor], rule: str, severity: str, kind: str) -> None:
    monitor = feed([cloud()] * 5, on_alarm="stop")
    (alarm,) = monitor.alarms
    assert (alarm.rule, alarm.severity, alarm.verdict.kind or alarm.verdict.state) == (rule, severity, kind)
    assert monitor.should_stop == (severity == "fail")
    assert alarm.reading is monitor.readings[2]


@pytest.mark.filterwarnings("ignore::fullrank.watch.CollapseWarning")
def test_a_warning_never_stops_and_warn_never_does() -> None:
    assert not feed([offset(1e-3, 96, 32)] * 5).should_stop


@pytest.mark.parametrize("n", [1, 3, 31])
def test_too_few_rows_are_no_alarm(n: int) -> None:
    monitor = feed([gaussian(n, 16)] * 3 + [low_rank(1, n, 16)] * 5)
    assert monitor.alarms == []
    assert all(np.isfinite(list(one.row.values())).all() for one in monitor.readings)


def test_numpy_half_precision_integers_and_read_only_arrays_are_read_like_tensors() -> None:
    z = (8 * gaussian(64, 16)).round()
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
    z = gaussian(32, 8)
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
    clouds = [gaussian(64, 16, seed) for seed in range(4)] + [offset(1e-3, 64, 16)] * 8
    whole = feed(clouds, on_alarm="stop")
    first = feed(clouds[:6], on_alarm="stop")
    second = CollapseMonitor(every=1, rules=NOW, on_alarm="stop")
    second.load_state_dict(json.loads(json.dumps(first.state_dict())))
    assert second.alarms == []  # two of three
    for z in clouds[6:]:
        second(z)
    assert second.alarms == whole.alarms
    assert second.readings == whole.readings
    assert second.should_stop


@pytest.mark.parametrize(("asked", "budget", "readings"), [(None, 0.01, 1), (0.2, 0.2, 3)])
def test_watching_keeps_to_its_budget(asked: float | None, budget: float, readings: int) -> None:
    """By the real clock, however busy the machine; tests/watch/test_schedule.py has an exact one."""
    z = gaussian(32, 4)
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


@pytest.mark.parametrize("z", [torch.zeros(3), torch.zeros(2, 3, 4), torch.zeros(0, 4), np.zeros((4, 0))])
def test_what_is_no_batch_of_embeddings_is_refused(z: Tensor) -> None:
    with pytest.raises(UserError, match="pass"):
        CollapseMonitor()(z)


def test_an_unknown_reaction_is_refused() -> None:
    with pytest.raises(UserError, match="There is no on_alarm='halt': pass 'warn', 'stop' or a function"):
        CollapseMonitor(on_alarm="halt")  # type: ignore[arg-type]

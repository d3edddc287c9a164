"""Alarms: grace, hysteresis, and early warnings, on rows that are made up."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from fullrank.diagnosis import judge
from fullrank.diagnosis.profiles import PROFILES
from fullrank.errors import UserError
from fullrank.metrics.measure import measured_row
from fullrank.watch import Reading, Rules
from fullrank.watch.early_warning import DROP_STEPS, Judge

Said = list[tuple[int, str, str]]  # step, rule, severity


def reading(
    step: int, *, spread: float = 1.0, cosine: float = 0.0, rank: float = 40.0, rankme: float = 50.0, n: int = 256
) -> Reading:
    row = {
        "relative_spread": spread,
        "mean_cosine": cosine,
        "effective_rank": rank,
        "rankme": rankme,
        "participation_ratio": rank,
        "n": float(n),
        "dims": 64.0,
    }
    return Reading(step, row, judge(measured_row(row), PROFILES["non-contrastive"], n=n, dims=64))


def judged(readings: Iterable[Reading], rules: Rules | None = None) -> Said:
    alarmed = Judge(rules or Rules(grace=0))
    return [(one.step, sign.rule, sign.severity) for one in readings for sign in alarmed.alarms(one)]


def spreads(values: list[float], every: int = 100) -> list[Reading]:
    return [reading(step * every, spread=value) for step, value in enumerate(values)]


def test_a_healthy_training_says_nothing() -> None:
    assert judged(reading(step, rank=40 + step % 5, rankme=50 - step % 7) for step in range(200)) == []


def test_two_bad_readings_are_no_alarm_and_three_of_four_are() -> None:
    good, bad = 1.0, 0.001
    assert judged(spreads([bad, bad, good, good] * 5)) == []
    assert judged(spreads([good, bad, bad, good, bad])) == [(400, "collapse", "fail")]


def test_an_alarm_is_said_once_until_the_window_is_clean() -> None:
    good, bad = 1.0, 0.001
    assert judged(spreads([bad] * 9 + [good] * 3 + [bad] * 9)) == [(200, "collapse", "fail")]
    assert judged(spreads([bad] * 9 + [good] * 4 + [bad] * 9)) == [
        (200, "collapse", "fail"),
        (1500, "collapse", "fail"),
    ]


def test_a_warning_grows_into_a_failure_and_both_are_said() -> None:
    assert judged(spreads([0.05] * 4 + [0.001] * 6)) == [(200, "collapse", "warn"), (600, "collapse", "fail")]


def test_one_failure_among_warnings_is_a_warning() -> None:
    assert judged(spreads([0.05, 0.05, 0.001, 0.05, 0.05, 0.05])) == [(200, "collapse", "warn")]


def test_in_the_grace_nothing_is_an_alarm_and_nothing_is_remembered() -> None:
    start = [reading(step, spread=0.001, cosine=1.0, rank=60, rankme=60) for step in range(0, 500, 10)]
    healthy = [reading(step) for step in range(500, 900, 10)]
    assert judged(start + healthy, Rules()) == []  # neither the point at the start nor its high rank
    late = [reading(step, spread=0.001) for step in (480, 490, 500, 510, 520)]
    assert judged(late, Rules()) == [(520, "collapse", "fail")]


@pytest.mark.parametrize("name", ["rank", "rankme"])
def test_a_rank_that_falls_from_its_own_peak_warns_before_any_threshold(name: str) -> None:
    def at(step: int, value: float) -> Reading:
        return reading(step, rank=value) if name == "rank" else reading(step, rankme=value)

    values = [20.0, 30.0, *[40.0] * 8, *[31.0] * 3, *[19.0] * 3]
    readings = [at(step, value) for step, value in enumerate(values)]
    assert {one.verdict.state for one in readings} == {"healthy"}
    assert judged(readings) == [(12, "drawdown", "warn"), (15, "drawdown", "fail")]


def test_a_fall_within_the_noise_of_the_readings_is_none() -> None:
    noisy = [40.0 + 8 * (-1) ** step for step in range(20)]
    assert judged(reading(step, rank=value) for step, value in enumerate([*noisy, 30.0, 30.0, 30.0])) == []
    assert judged(reading(step, rank=value) for step, value in enumerate([*[48.0] * 20, 30.0, 30.0, 30.0])) != []


def test_a_single_high_reading_sets_no_peak() -> None:
    assert judged(reading(step, rank=60 if step == 4 else 40) for step in range(20)) == []


def test_ranks_of_other_batch_sizes_are_not_compared() -> None:
    few = [reading(step, n=64, rank=25, rankme=30) for step in range(10, 20)]
    assert judged([reading(step) for step in range(10)] + few) == []


def test_a_spread_that_halves_within_500_steps_warns_above_the_thresholds() -> None:
    assert judged(spreads([1.0, 1.0, 0.4, 0.4, 0.4, 0.4])) == [(400, "spread drop", "warn")]
    assert judged(spreads([1.0, 0.4, 0.4, 0.4], every=DROP_STEPS)) == [(3 * DROP_STEPS, "spread drop", "warn")]


def test_a_spread_that_falls_slowly_or_comes_back_does_not() -> None:
    assert judged(spreads([0.93**step for step in range(20)])) == []
    assert judged(spreads([1.0, 0.4, 0.4, 1.0, 1.0])) == []
    assert judged(spreads([1.0, 0.4, 0.4, 0.4], every=DROP_STEPS + 1)) == []


def test_under_complete_collapse_only_that_is_said() -> None:
    readings = spreads([1.0] * 5) + [reading(step, spread=0.001, rank=2, rankme=1) for step in range(500, 540, 10)]
    assert judged(readings) == [(520, "collapse", "fail")]


@pytest.mark.parametrize("rules", [{"grace": -1}, {"confirm": 0}, {"confirm": 3, "window": 2}])
def test_impossible_rules_are_refused(rules: dict[str, int]) -> None:
    with pytest.raises(UserError, match="pass"):
        Rules(**rules)

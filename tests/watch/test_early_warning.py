"""Signs and alarms, on rows that are made up: what a training's own course says, and what the verdict says."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Sequence

import pytest

from fullrank.diagnosis.profiles import PROFILES
from fullrank.errors import UserError
from fullrank.watch import Rules
from fullrank.watch.course import LENGTH, PACE, Course, Drift
from fullrank.watch.early_warning import Watcher

Said = list[tuple[int, str, str]]  # step, rule, severity
Row = dict[str, float]
GENERIC = PROFILES["generic"]


def row(*, spread: float = 1.0, cosine: float = 0.0, rank: float = 50.0, norm: float = 1.0, **others: float) -> Row:
    return {
        "relative_spread": spread,
        "mean_cosine": cosine,
        "effective_rank": rank,
        "rankme_centered": 1.1 * rank,
        "participation_ratio": 0.8 * rank,
        "row_norm": norm,
        "n": 256.0,
        "dims": 64.0,
        **others,
    }


def watched(rows: Iterable[Row], rules: Rules | None = None, every: int = 1, profile: str = "generic") -> Said:
    watcher = Watcher(rules or Rules(grace=0, pace=1), PROFILES[profile])
    return [
        (at * every, sign.rule, sign.severity)
        for at, one in enumerate(rows)
        for sign in watcher.read(at * every, one)[1]
    ]


def noisy(value: float, count: int, noise: float = 0.1, seed: int = 0) -> list[float]:
    draw = random.Random(seed)
    return [value * (1 + draw.uniform(-noise, noise)) for _ in range(count)]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["spread", "rank", "norm"])
def test_a_steady_training_says_nothing(name: str) -> None:
    base = {"spread": 0.7, "rank": 40.0, "norm": 5.0}[name]
    assert watched(row(**{name: value}) for value in noisy(base, 300)) == []


@pytest.mark.parametrize("name", ["spread", "rank", "norm"])
def test_a_number_that_goes_on_as_it_did_says_nothing(name: str) -> None:
    """A training moves all its numbers, fast at first: that is its course."""
    base = {"spread": 0.8, "rank": 40.0, "norm": 5.0}[name]
    moving = [base * (0.6 + 0.4 * 0.8**step) for step in range(60)]
    noise = noisy(1.0, 60, 0.02)
    values = [value * one for value, one in zip(moving, noise, strict=True)]
    assert watched(row(**{name: value}) for value in values) == []


@pytest.mark.parametrize(
    ("name", "rule", "after"),
    [("spread", "spread", 0.4), ("rank", "rank", 20.0), ("norm", "scale", 2.0), ("norm", "scale", 12.0)],
)
def test_a_large_change_warns_at_its_first_reading(name: str, rule: str, after: float) -> None:
    base = {"spread": 0.9, "rank": 45.0, "norm": 5.0}[name]
    values = [*noisy(base, 20, 0.03), *noisy(after, 5, 0.03)]
    assert watched(row(**{name: value}) for value in values) == [(20, rule, "warn")]


@pytest.mark.slow
def test_a_small_change_needs_more_readings_than_a_large_one() -> None:
    firsts = []
    for after in (30.0, 20.0, 8.0):
        said = watched(row(rank=value) for value in [*noisy(45, 20, 0.2), *noisy(after, 11, 0.02)])
        firsts.append(said[0][0])
    assert firsts[0] > firsts[1] >= firsts[2] == 20


def test_one_bad_reading_fails_nothing() -> None:
    values = [*noisy(5, 20, 0.03), 500.0, *noisy(5, 20, 0.03)]
    assert watched(row(norm=value) for value in values) == [(20, "scale", "warn")]


@pytest.mark.parametrize("after", [0.05, 400.0])
def test_a_norm_that_leaves_its_course_many_fold_fails_at_the_second_reading(after: float) -> None:
    values = [*noisy(5, 20, 0.03), *noisy(after, 5, 0.03)]
    assert watched(row(norm=value) for value in values) == [(20, "scale", "warn"), (21, "scale", "fail")]


@pytest.mark.slow
def test_a_slow_shrinking_is_seen_by_its_length_and_fails_in_the_end() -> None:
    said = watched(row(norm=0.9**step) for step in range(200))
    assert [(rule, severity) for _, rule, severity in said[:2]] == [("scale", "warn"), ("scale", "fail")]
    assert said[0][0] < 30


@pytest.mark.parametrize(("rate", "every", "steps"), [(1.2, 1, 300), (1.05, 5, 480), (1.04, 20, 560)])
def test_a_growth_without_bound_is_seen_before_the_norm_settles(rate: float, every: int, steps: int) -> None:
    said = watched((row(norm=rate**step) for step in range(0, steps, every)), Rules(), every=every)
    assert [one[1:] for one in said] == [("scale", "warn"), ("scale", "fail")]
    assert 120 < said[0][0] < (300 if rate > 1.04 else 400)


def test_a_norm_that_starts_at_zero_says_nothing() -> None:
    norms = [5 * (1 - 0.95**step) ** 2 for step in range(600)]
    assert watched((row(norm=norm) for norm in norms), Rules()) == []


@pytest.mark.slow
@pytest.mark.parametrize(("name", "rule"), [("spread", "spread"), ("rank", "rank")])
def test_a_slow_fall_to_less_than_half_warns(name: str, rule: str) -> None:
    base = {"spread": 0.9, "rank": 45.0}[name]
    values = noisy(base, 30, 0.02) + [base * 0.99**step for step in range(120)]
    said = watched(row(**{name: value}) for value in values)
    assert [one[1:] for one in said] == [(rule, "warn")]
    assert watched(row(**{name: value}) for value in values[:90]) == []


def test_views_that_part_warn_and_views_that_meet_do_not() -> None:
    apart = [*noisy(0.5, 20), *noisy(1.9, 4)]
    together = [*noisy(0.5, 20), *noisy(0.05, 4)]
    assert watched(row(alignment=value) for value in apart) == [(20, "views", "warn")]
    assert watched(row(alignment=value) for value in together) == []


@pytest.mark.slow
def test_growing_spread_and_rank_say_nothing() -> None:
    assert watched(row(spread=value) for value in [*noisy(0.3, 20), *noisy(0.9, 20, 0.01)]) == []
    assert watched(row(rank=value) for value in [*noisy(20, 20), *noisy(55, 20, 0.01)]) == []


def test_a_verdict_needs_three_of_four_readings() -> None:
    good, bad = 1.0, 0.0001
    rules = [{"spread": spread} for spread in [bad, bad, good, good] * 5]
    assert "collapse" not in [one[1] for one in watched(row(**one) for one in rules)]
    said = watched(row(spread=spread) for spread in [good, bad, bad, good, bad])
    assert said == [(2, "spread", "warn"), (4, "collapse", "fail")]


def test_an_alarm_is_said_once_until_the_window_is_clean() -> None:
    good, bad = [row()], [row(spread=1e-4)]
    said = watched(bad * 9 + good * 3 + bad * 9)
    assert [one for one in said if one[1] == "collapse"] == [(2, "collapse", "fail")]
    said = watched(bad * 9 + good * 4 + bad * 9)
    assert [one[0] for one in said if one[1] == "collapse"] == [2, 15]


def test_an_untrained_network_that_looks_collapsed_and_recovers_is_no_alarm() -> None:
    spreads = [min(0.002 * 1.5**step, 0.8) for step in range(60)]
    assert watched((row(spread=spread, cosine=1 - spread) for spread in spreads), Rules(), every=20) == []


def test_a_training_that_falls_to_a_point_from_its_start_fails_in_the_grace() -> None:
    spreads = [0.8 * 0.5**step for step in range(20)]
    said = watched((row(spread=spread, cosine=1 - spread) for spread in spreads), Rules(), every=20)
    assert [one[1:] for one in said] == [("spread", "warn"), ("collapse", "fail")]
    assert said[-1][0] < 300


def test_a_spread_that_falls_to_half_from_the_start_warns_before_any_threshold() -> None:
    spreads = [0.8 * 0.8**step for step in range(8)]
    said = watched((row(spread=spread) for spread in spreads), Rules(), every=20)
    assert said == [(100, "spread", "warn")]
    assert spreads[5] > 0.2


def test_a_point_that_is_not_left_in_a_hundred_steps_fails_in_the_grace() -> None:
    still = watched((row(spread=0.005, cosine=1.0) for _ in range(40)), Rules(), every=20)
    assert still == [(140, "collapse", "fail")]


def test_a_low_rank_that_grows_is_no_alarm_and_one_that_stays_is_a_warning() -> None:
    start = [row(rank=50)]
    assert watched(start + [row(rank=1.5 * 1.2**step) for step in range(20)]) == []
    assert [one[1:] for one in watched(start + [row(rank=1.5)] * 24)] == [("low rank", "warn")]
    assert watched([row(rank=1.5)] * 24) == []  # as the untrained network had it


@pytest.mark.parametrize("rank", [12.0, 8.0])
def test_what_is_only_degraded_is_in_the_verdict_and_no_alarm(rank: float) -> None:
    watcher = Watcher(Rules(grace=0), GENERIC)
    for step in range(10):
        reading, new = watcher.read(step, row(rank=rank if step else 50.0))
        assert new == []
    assert reading.verdict.state == "degraded"


def test_the_profile_decides_what_a_rank_means() -> None:
    """As many directions as classes are the aim of a classifier."""
    rows = [row(), *[row(rank=1.5)] * 5]
    assert [one[1] for one in watched(rows)] == ["low rank"]
    assert watched(rows, profile="supervised") == []


def test_not_finite_warns_at_once_and_fails_at_the_second_reading() -> None:
    broken: Row = {"n": 256.0, "dims": 64.0, "not_finite": 3.0}
    assert watched([row(), broken, row(), broken, broken]) == [(1, "not finite", "warn"), (4, "not finite", "fail")]


EVERY = (1, 2, 5, 10, 20, 100)


def logarithms(steps: int, seed: int, fall: float = 0.0) -> list[float]:
    """Of the rank of a training: it wanders within some 30 steps, and each reading has a noise of its own."""
    draw, wander, values = random.Random(seed), 0.0, []
    for step in range(steps):
        wander = 0.97 * wander + draw.gauss(0, 0.02)
        fallen = fall if step >= steps // 2 else 0.0
        values.append(3 + wander + draw.gauss(0, 0.02) - fallen)
    return values


def falls(values: Sequence[float], every: int, pace: int = PACE) -> list[int]:
    course = Course(narrowest=0.1, least=math.log(1.25), pace=pace)
    changes = [(step, course.step(value, every)) for step, value in enumerate(values) if step % every == 0]
    return [step for step, change in changes if change is not None and change.way == "down"]


@pytest.mark.parametrize("every", EVERY)
def test_a_training_is_not_warned_of_because_it_is_read_more_often(every: int) -> None:
    runs = [logarithms(1600, seed) for seed in range(20)]
    assert sum(bool(falls(values, every)) for values in runs) <= sum(bool(falls(values, PACE)) for values in runs) <= 2
    if every in (2, 5):  # a course of few steps is not that of the run
        assert sum(bool(falls(values, every, pace=1)) for values in runs) >= 8


@pytest.mark.parametrize("every", EVERY)
@pytest.mark.parametrize("seed", range(5))
def test_a_fall_is_told_within_a_pace_or_at_the_next_reading(every: int, seed: int) -> None:
    said = falls(logarithms(1600, seed, fall=1.5), every)
    assert 800 <= said[0] <= 800 + (PACE if every < PACE else every)


@pytest.mark.slow
@pytest.mark.parametrize("every", [5, 10, 20])
def test_what_lasts_less_than_a_pace_fails_nothing_at_any_frequency(every: int) -> None:
    """A spike of the norm, as a loss that jumps and comes back makes it."""
    norms = [5 * (500.0 if 300 <= step < 300 + PACE else 1.0) for step in range(500)]
    noise = noisy(1.0, 500, 0.03)
    rows = [row(norm=norm * one) for norm, one in zip(norms, noise, strict=True)][::every]
    assert {severity for _, _, severity in watched(rows, Rules(), every=every)} == {"warn"}


@pytest.mark.slow
@pytest.mark.parametrize("every", [5, 20, 100])
def test_a_verdict_has_to_last_as_many_steps_at_any_frequency(every: int) -> None:
    rows = [row(spread=1.0 if step < 600 else 1e-4, cosine=0.0 if step < 600 else 1.0) for step in range(900)]
    said = watched(rows[::every], Rules(), every=every)
    (step,) = [step for step, rule, _ in said if rule == "collapse"]
    assert 600 + 2 * PACE <= step <= 600 + max(3 * PACE, 2 * every)


def test_a_course_is_known_after_six_readings() -> None:
    course = Course(narrowest=0.1, least=0.2)
    assert [course.step(0.0) for _ in range(6)] == [None] * 6
    assert course.known
    assert not course.settled


def test_beyond_its_course_for_twelve_readings_a_number_is_on_a_new_one() -> None:
    course = Course(narrowest=0.1, least=0.2)
    for _ in range(LENGTH):
        course.step(5.0)
    changes = [course.step(4.0) for _ in range(LENGTH)]
    assert all(change is not None for change in changes[:-1])
    assert changes[-1] is None
    assert course.step(4.0) is None
    assert course.step(3.0) is not None


@pytest.mark.parametrize(("values", "settled"), [([1.0] * 12, True), ([0.1 * step for step in range(12)], False)])
def test_a_course_has_settled_when_it_goes_nowhere(values: Sequence[float], settled: bool) -> None:
    course = Course(narrowest=0.1, least=0.2)
    for value in values:
        course.step(value)
    assert course.settled is settled


def test_a_drift_counts_from_where_the_number_settled() -> None:
    drift = Drift(down=1.0, up=9.0)
    high = [drift.step(9.0, settled=False) for _ in range(5)]
    assert high + [drift.step(5.0, settled=True) for _ in range(9)] == [None] * 14
    assert [drift.step(3.9, settled=True) is None for _ in range(2)] == [True, False]


@pytest.mark.parametrize("rules", [{"grace": -1}, {"confirm": 0}, {"confirm": 3, "window": 2}, {"pace": 0}])
def test_impossible_rules_are_refused(rules: dict[str, int]) -> None:
    with pytest.raises(UserError, match="pass"):
        Rules(**rules)

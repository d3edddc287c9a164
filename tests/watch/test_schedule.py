"""Readings keep to their steps, or to their budget of a clock that the test turns."""

from __future__ import annotations

from itertools import pairwise

import pytest

from fullrank.errors import UserError
from fullrank.watch.schedule import Schedule


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def train(schedule: Schedule, clock: Clock, *, steps: int, step_seconds: float, reading_seconds: float) -> list[int]:
    taken = []
    for step in range(steps):
        clock.now += step_seconds
        if schedule.due(step):
            with schedule.reading(step):
                clock.now += reading_seconds
            taken.append(step)
    return taken


@pytest.mark.parametrize("reading_seconds", [0.001, 0.05, 2.0])
@pytest.mark.parametrize("budget", [0.01, 0.2])
def test_the_budget_holds_and_is_used(reading_seconds: float, budget: float) -> None:
    clock = Clock()
    schedule = Schedule(budget=budget, clock=clock)
    steps = round(50 * reading_seconds / budget / 0.1) + 100
    taken = train(schedule, clock, steps=steps, step_seconds=0.1, reading_seconds=reading_seconds)
    cost = schedule.cost
    assert taken[0] == 0
    assert cost.readings == len(taken)
    assert cost.seconds == pytest.approx(len(taken) * reading_seconds)
    assert cost.share <= budget
    assert cost.share > 0.9 * reading_seconds / (reading_seconds / budget + 0.1 + reading_seconds)  # whole steps


def test_a_long_training_of_a_small_network_keeps_few_readings() -> None:
    clock = Clock()
    taken = train(Schedule(clock=clock), clock, steps=100_000, step_seconds=0.9, reading_seconds=0.004)
    assert 8_000 < len(taken) < 12_000  # of a day; the budget alone would allow every step
    assert max(after - before for before, after in pairwise(taken)) <= 51


def test_a_slow_first_reading_is_paid_for_and_no_burst_follows() -> None:
    clock = Clock()
    schedule = Schedule(budget=0.1, clock=clock)
    taken: list[int] = []
    for step in range(1000):
        clock.now += 0.1
        if schedule.due(step):
            with schedule.reading(step):
                clock.now += 0.1 if taken else 2.0
            taken.append(step)
    assert 379 <= taken[1] <= 381  # a second one like it would make 4 s, a tenth of 40 s, of which 2 s were the first
    assert {after - before for before, after in pairwise(taken[1:])} <= {9, 10, 11}
    assert schedule.cost.share <= 0.1


def test_a_fixed_distance_is_kept_whatever_it_costs_and_the_cost_is_told() -> None:
    clock = Clock()
    schedule = Schedule(every=4, clock=clock)
    taken = train(schedule, clock, steps=11, step_seconds=1.0, reading_seconds=1.0)
    assert taken == [0, 4, 8]
    assert schedule.cost.share == pytest.approx(3 / 13)  # from the first reading on


def test_a_step_is_read_once() -> None:
    schedule = Schedule(every=1)
    with schedule.reading(5):
        pass
    assert not schedule.due(5)
    assert schedule.due(6)


def test_before_the_first_reading_nothing_has_been_spent() -> None:
    assert Schedule().cost.share == 0.0


@pytest.mark.parametrize(("every", "budget"), [(0, 0.01), (None, 0.0), (None, 1.5), (None, float("nan"))])
def test_impossible_schedules_are_refused(every: int | None, budget: float) -> None:
    with pytest.raises(UserError, match="pass"):
        Schedule(every, budget)

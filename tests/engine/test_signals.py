"""Several processes ask each other about once a second whether one was asked to stop, and never wait for another."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from torch import Tensor

from fullrank.engine.signals import Asked

STEPS = 600


@dataclass
class World:
    """Processes as threads, each with a clock of its own, and the steps at which each of them asked the others."""

    ranks: int
    met: threading.Barrier = field(init=False)
    said: dict[int, Tensor] = field(default_factory=dict)
    asked: dict[int, list[int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.met = threading.Barrier(self.ranks, timeout=20)


class Rank:
    """What of a trainer is needed."""

    root_device = torch.device("cpu")
    max_steps = STEPS

    def __init__(self, world: World, rank: int, seconds: float) -> None:
        self.world, self.rank, self.seconds = world, rank, seconds
        self.strategy, self.world_size, self.global_step = self, world.ranks, 0
        world.asked[rank] = []

    def reduce(self, mine: Tensor, reduce_op: str) -> Tensor:
        """The largest of all, once all have come; a broken barrier where one does not."""
        assert reduce_op == "max"
        self.world.asked[self.rank].append(self.global_step)
        self.world.said[self.rank] = mine
        self.world.met.wait()
        largest = torch.stack([*self.world.said.values()]).amax(0)
        self.world.met.wait()
        return largest

    def run(self, asked_at: int | None, signal: int, ended: dict[int, Any]) -> None:
        """Steps until one was asked to stop; this one is at a step, by a signal or, where it is 0, without."""
        asked = Asked(clock=lambda: self.global_step * self.seconds)
        while self.global_step < STEPS:
            self.global_step += 1
            if self.global_step == asked_at:
                asked.number, asked.to_stop = signal, not signal
            number = asked.agreed(self)  # type: ignore[arg-type]
            if number is not None:
                ended[self.rank] = self.global_step, number
                return
        ended[self.rank] = STEPS, None


def run(seconds: tuple[float, ...], asked: dict[int, int], signal: int = 15) -> tuple[World, dict[int, Any]]:
    """Where each of some processes ended, of steps of so many seconds each by its clock."""
    world, ended = World(len(seconds)), dict[int, Any]()
    ranks = [Rank(world, rank, each) for rank, each in enumerate(seconds)]
    threads = [threading.Thread(target=one.run, args=(asked.get(one.rank), signal, ended)) for one in ranks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return world, ended


@pytest.mark.parametrize(("seconds", "between"), [((0.05, 0.04, 0.05), 20), ((0.002, 0.003), 100), ((7.0, 9.0), 1)])
@pytest.mark.parametrize("at", [1, 37, 333, STEPS])
@pytest.mark.parametrize("signal", [15, 0])
def test_all_stop_at_the_same_step_within_a_second_or_one_step(
    seconds: tuple[float, ...], between: int, at: int, signal: int
) -> None:
    world, ended = run(seconds, {1: at}, signal)
    assert len(set(ended.values())) == 1
    step, number = ended[0]
    assert number == signal
    assert at <= step <= at + between
    assert len(set(map(tuple, world.asked.values()))) == 1


def test_steps_between_ask_nobody() -> None:
    world, ended = run((0.01, 0.01), {})
    assert ended == {0: (STEPS, None), 1: (STEPS, None)}
    assert len(world.asked[0]) <= 2 + STEPS // 99
    assert world.asked[0][-1] == STEPS

"""CorInfoMax in training, at a size of seconds: what already shows there, and its labels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from fullrank.papers import Outcome, Settings
from fullrank.papers.corinfomax.ablation import ablation, no_batch_norm
from fullrank.papers.corinfomax.log_determinant import log_determinant
from fullrank.papers.corinfomax.over_training import training
from fullrank.papers.kit.training import Size
from tests.papers.labels import labels

pytestmark = pytest.mark.slow

SMALL = Size(steps=10, batch_size=64, image_size=8, probe=128, looks=1)
LONGER = replace(SMALL, steps=20)


def small(experiment: Callable[[Settings, Size], Outcome], out: Path, size: Size = SMALL) -> Outcome:
    return experiment(Settings(out=out, data="digits"), size)


def values(outcome: Outcome, name: str, column: str) -> list[float]:
    """A column of the table, for one training, in the order of the seeds."""
    return [float(row[column]) for row in outcome.rows if row["training"] == name]


def above(lower: list[float], higher: list[float]) -> bool:
    """In every seed the second is above the first."""
    return len(lower) == 3 and all(a < b for a, b in zip(lower, higher, strict=True))


def kept(outcome: Outcome, name: str, when: str = "") -> list[float]:
    """Rank as a share of the 32 dimensions, times spread; below 0.1 counts as collapsed."""
    ranks, spreads = (values(outcome, name, f"{column}{when}") for column in ("effective rank", "relative spread"))
    return [rank / 32 * spread for rank, spread in zip(ranks, spreads, strict=True)]


def test_without_the_log_determinant_the_embedding_collapses(tmp_path: Path) -> None:
    outcome = small(log_determinant, tmp_path, LONGER)
    for number in ("relative spread", "effective rank"):
        assert above(values(outcome, "no log-det", number), values(outcome, "weight 250", number))
    assert above(kept(outcome, "no log-det"), [0.1] * 3)
    assert above([0.1] * 3, kept(outcome, "weight 250"))
    volumes = [values(outcome, f"weight {weight}", "log-det") for weight in (0, 250, 1000)]
    distances = [values(outcome, f"weight {weight}", "squared distance") for weight in (0, 250, 1000)]
    assert above(volumes[0], volumes[1])
    assert above(volumes[1], volumes[2])
    assert above(distances[2], distances[1])
    assert above(distances[1], distances[0])
    (volume,) = (panel for panel in outcome.panels if panel.title == "log-determinant term")
    bound = volume.series[-1].y[0]
    assert all(bound < value < 1.2 * bound for value in volumes[0])
    assert labels("corinfomax/log-determinant", outcome)[0] == "held"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    return training(Settings(out=tmp_path_factory.mktemp("training"), data="digits"), replace(LONGER, looks=4))


def test_the_embedding_fills_and_two_views_tell_more_of_each_other(trained: Outcome) -> None:
    """In 20 steps the smallest eigenvalue does not rise in every seed."""
    first, last = (
        {column: values(trained, "CorInfoMax", f"{column}{when}") for column in ("information", "by chance")}
        for when in (", untrained", "")
    )
    more = [
        after - by_chance > before - chance
        for before, chance, after, by_chance in zip(*first.values(), *last.values(), strict=True)
    ]
    assert more == [True] * 3
    assert above(kept(trained, "CorInfoMax", ", untrained"), kept(trained, "CorInfoMax"))
    assert above(kept(trained, "no log-det"), [0.1] * 3)
    assert len(labels("corinfomax/training", trained)) == 5


def test_eigenvalues_are_drawn_from_the_identity_on(trained: Outcome) -> None:
    running, *covariances = trained.panels[:3]
    for panel in (running, *covariances):
        *lines, _ = panel.series
        assert [line.x for line in lines] == [(0, 5, 10, 15, 20)] * 5
        assert all(a > b > 0 for one, other in pairwise(lines) for a, b in zip(one.y[1:], other.y[1:], strict=True))
    assert [line.y[0] for line in running.series] == [1, 1, 1, 1, 1, 1 / 32]
    assert all(sum(line.y[at] for line in running.series[:-1]) < 1 for at in (1, 2, 3, 4))  # of unit rows
    for panel in covariances:
        assert panel.series[0].y[-1] > panel.series[-1].y[-1] == 1 / 32 > panel.series[-2].y[-1]
    assert "no log-det" in covariances[1].title
    assert covariances[1].series[0].y[-1] > 0.9  # one direction holds all


def test_a_heavier_pull_and_a_longer_memory_cost_rank(tmp_path: Path) -> None:
    """In 10 steps most weights and memories keep less than a tenth."""
    outcome = small(ablation, tmp_path)
    weights = [f"weight {weight}" for weight in (125, 250, 500, 1000)]
    memories = [f"memory {memory:g}" for memory in (0.01, 0.1, 0.5, 0.9)]
    for heavier, lighter in (*pairwise(weights), *pairwise(memories)):
        assert above(values(outcome, lighter, "effective rank"), values(outcome, heavier, "effective rank"))
    assert values(outcome, "memory 0.01", "effective rank") == values(outcome, "weight 125", "effective rank")
    assert all(0 <= value <= 100 for name in (*weights, *memories) for value in values(outcome, name, "kNN (%)"))


def test_the_log_determinant_needs_no_batch_norm(tmp_path: Path) -> None:
    outcome = small(no_batch_norm, tmp_path)
    assert above([0.1] * 3, kept(outcome, "log-det, no norm"))
    assert above(kept(outcome, "no log-det, no norm"), [0.1] * 3)
    assert above(kept(outcome, "no log-det, no norm"), kept(outcome, "log-det, batch norm"))
    assert labels("corinfomax/no-batch-norm", outcome)[0] == "held"

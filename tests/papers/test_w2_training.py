"""W2 on four hosts, at a size of seconds: what already shows there."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from statistics import mean

import pytest

from fullrank.papers import Outcome, Settings, load
from fullrank.papers.kit.parts import judged
from fullrank.papers.kit.training import Job, Size
from fullrank.papers.w2.hosts import hosts

pytestmark = pytest.mark.slow

SMALL = Size(steps=20, batch_size=64, image_size=8, probe=128, looks=2)
pytestmark = pytest.mark.slow  # 36 trainings
HOSTS = ("MoCo v2", "BYOL", "Barlow Twins", "Zero-CL")
ADDED = {"alone": "", "+ Wang-Isola": " + Wang-Isola", "+ W2": " + W2"}
Values = Callable[[str, str], list[float]]


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    return hosts(Settings(out=tmp_path_factory.mktemp("hosts"), data="digits", seeds=2), SMALL)


@pytest.fixture
def values(outcome: Outcome) -> Values:
    """A column of the table, for one training, in the order of the seeds."""
    return lambda training, name: [float(row[name]) for row in outcome.rows if row["training"] == training]


def above(lower: list[float], higher: list[float]) -> bool:
    """In every seed the second is above the first."""
    return len(lower) == 2 and all(a < b for a, b in zip(lower, higher, strict=True))


@pytest.mark.parametrize("host", HOSTS)
def test_w2_lowers_itself_and_alignment_pays(host: str, values: Values) -> None:
    assert above(values(f"{host} + W2", "W2"), values(host, "W2"))
    assert above(values(host, "alignment"), values(f"{host} + W2", "alignment"))


@pytest.mark.parametrize("host", HOSTS[:3])
def test_w2_raises_the_rank_of_the_embedding(host: str, values: Values) -> None:
    """Not yet that of Zero-CL, which whitens by itself."""
    assert above(values(host, "effective rank"), values(f"{host} + W2", "effective rank"))


@pytest.mark.parametrize("host", HOSTS)
def test_the_other_uniformity_lowers_itself(host: str, values: Values) -> None:
    assert above(values(f"{host} + Wang-Isola", "Wang-Isola"), values(host, "Wang-Isola"))


def test_the_headline_is_the_rival_and_no_part_is_left_out(outcome: Outcome) -> None:
    found = judged(load("w2/hosts").parts, outcome.rows)
    assert found[0]["says"] == "kNN (%): higher with W2 than with Wang-Isola, mean of the four hosts"
    assert len(found) == 2 + 4 * 7 + 2 * 2
    assert "worse alignment than alone (all four)" in outcome.measured


def test_the_table_is_what_the_figure_shows(outcome: Outcome, values: Values) -> None:
    panels = {panel.title: panel for panel in outcome.panels}
    for host in HOSTS:
        spectrum = {one.label: one.y for one in panels[f"{host}: the embedding's spectrum, seed 0"].series}
        learning = {one.label: one for one in panels[f"{host}: kNN while training, mean of seeds"].series}
        assert list(spectrum) == list(learning) == list(ADDED)
        for label, added in ADDED.items():
            kept = sum(value >= 1e-3 * spectrum[label][0] for value in spectrum[label])
            assert values(host + added, "tail")[0] == 64 - kept
            line = learning[label]
            assert line.x == (0, 10, 20)
            assert mean(line.y[:2]) == pytest.approx(mean(values(host + added, "early kNN (%)")))
    floor = panels["W2"].series[-1]
    assert floor.y == (math.sqrt(64 / 128) / 2,) * 2
    assert all(value > floor.y[0] for host in HOSTS for value in values(f"{host} + W2", "W2"))


def test_only_barlow_twins_lets_w2_fall_and_only_over_epochs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At less than one epoch a weight that falls to 0 would be 0 from the first step on."""
    asked = {}

    class Enough(Exception):
        pass

    def train_all(settings: Settings, jobs: list[Job], size: Size) -> None:
        asked[settings.full] = {job.run: (job.settings.w2.w2, job.settings.w2.w2_end) for job in jobs}
        raise Enough

    monkeypatch.setattr("fullrank.papers.w2.hosts.train_all", train_all)
    for full in (False, True):
        with pytest.raises(Enough):
            hosts(Settings(out=tmp_path, data="digits", seeds=2, full=full), SMALL)
        assert len(asked[full]) == 12
        assert asked[full]["MoCo v2 + W2"] == (1.0, None)
        assert asked[full]["BYOL + W2"] == (0.2, None)
        assert asked[full]["Barlow Twins + W2"] == (7.5, 0.0 if full else None)
        assert asked[full]["Zero-CL + W2"] == (30 / 256, None)

"""INTL's trainings: what each experiment claims, at a size of seconds: tiny images, few steps, two seeds."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from statistics import mean

import numpy as np
import pytest

from fullrank.data import crop_views
from fullrank.papers import Outcome, Settings
from fullrank.papers.intl.batch import batch_size, learning_rate
from fullrank.papers.intl.collapse import collapse, log_conditions, newton_eigenvalue
from fullrank.papers.intl.crops import crops_alike, teacher_crops
from fullrank.papers.intl.images import power_images
from fullrank.papers.intl.iterations import iterations
from fullrank.papers.intl.weight import weight
from fullrank.papers.kit.training import Size
from fullrank.runs import read_json
from tests.papers.labels import labels

pytestmark = pytest.mark.slow

SMALL = Size(steps=10, batch_size=64, image_size=8, probe=128, looks=1)


def settings(out: Path) -> Settings:
    return Settings(out=out, data="digits", seeds=2)


def values(outcome: Outcome, name: str, number: str) -> list[float]:
    """A column of the table, for the rows of one case, in the order of the seeds."""
    first = next(iter(outcome.rows[0]))
    return [float(row[number]) for row in outcome.rows if row[first] == name]


def both(lower: list[float], higher: list[float]) -> bool:
    """In every seed the second is above the first."""
    return len(lower) == 2 and all(a < b for a, b in zip(lower, higher, strict=True))


@pytest.fixture(scope="module")
def collapsed(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """Trained once for the tests of both parts of its claim."""
    return collapse(settings(tmp_path_factory.mktemp("collapse")), SMALL)


def test_the_trace_loss_keeps_what_newton_alone_loses(collapsed: Outcome) -> None:
    for whitened in ("features", "samples"):
        alone, full = f"IterNorm alone, {whitened}", f"INTL, {whitened}"
        assert both(values(collapsed, alone, "effective rank"), values(collapsed, full, "effective rank"))
    alone, full = "IterNorm alone, samples", "INTL, samples"
    assert both(values(collapsed, alone, "relative spread"), values(collapsed, full, "relative spread"))
    for axis, panel in (("features", collapsed.panels[-2]), ("samples", collapsed.panels[-1])):
        measured, floor = [series.y[-1] for series in panel.series if "INTL" in series.label or "floor" in series.label]
        assert floor <= measured < 1.5 * floor, axis


def test_the_trace_loss_keeps_the_eigenvalues_closer_together(collapsed: Outcome) -> None:
    """In 10 steps no condition number falls below that of the untrained network; the theorem is about the features."""
    ends = {
        name: values(collapsed, f"{name}, features", "log10 condition")
        for name in ("no whitening", "IterNorm alone", "INTL")
    }
    assert both(ends["INTL"], ends["IterNorm alone"])
    assert both(ends["INTL"], ends["no whitening"])
    lines = collapsed.panels[4].series
    assert lines[2].y[-1] == pytest.approx(10 ** mean(ends["INTL"]))
    assert lines[3].y == (1, 1)
    assert lines[2].y[-1] > lines[2].y[0]
    assert set(labels("intl/collapse", collapsed)) <= {"held", "reversed", "undecided"}


def test_condition_numbers_are_cut_where_an_eigenvalue_is_zero(tmp_path: Path) -> None:
    eigenvalues = np.array([[4.0, 2.0, 0.04], [3.0, 3.0, 3.0], [1.0, 0.5, 0.0]])
    np.savez(tmp_path / "spectra.npz", steps=np.array([0, 5, 9]), embedding=eigenvalues)
    steps, logs = log_conditions(tmp_path)
    assert steps.tolist() == [0, 5, 9]
    assert logs == pytest.approx([2, 0, 12])


def test_the_trace_loss_helps_after_few_and_after_many_newton_steps(tmp_path: Path) -> None:
    outcome = iterations(settings(tmp_path), SMALL, counts=(2, 8))
    for whitened, matrix in (("features", 64), ("samples", 64)):
        for count in (2, 8):
            alone, full = (f"{loss}, {whitened}, T = {count}" for loss in ("IterNorm alone", "INTL"))
            for number in ("effective rank", "trace loss"):
                columns = values(outcome, alone, number), values(outcome, full, number)
                assert both(*(columns if number == "effective rank" else columns[::-1]))
            floor = matrix * (1 - newton_eigenvalue(1 / matrix, count)) ** 2
            assert all(value >= floor for value in values(outcome, full, "trace loss"))


def test_a_heavier_trace_loss_raises_the_rank_and_comes_closer_to_its_floor(tmp_path: Path) -> None:
    outcome = weight(settings(tmp_path), SMALL, multiples=(0.0, 1.0, 4.0))
    names = ("0", "0.03", "0.12")
    for lighter, heavier in pairwise(names):
        assert both(values(outcome, lighter, "effective rank"), values(outcome, heavier, "effective rank"))
        assert both(values(outcome, heavier, "trace loss"), values(outcome, lighter, "trace loss"))
    floor = outcome.panels[2].series[-1].y[0]
    assert all(value >= floor for value in values(outcome, "0.12", "trace loss"))


def test_batches_of_every_size_see_as_many_images_and_share_what_is_alike(tmp_path: Path) -> None:
    """The rule's weight of a batch of 256 is the constant one, and is trained once."""
    outcome = batch_size(settings(tmp_path), SMALL, batches=(32, 256))
    rule, constant = "the rule's weight", "constant weight"
    for number in ("kNN accuracy (%)", "effective rank"):
        assert values(outcome, f"{rule}, batch 256", number) == values(outcome, f"{constant}, batch 256", number)
    runs = sorted(path.name for path in (tmp_path / "runs").iterdir())
    assert runs == ["batch 256, weight 0.05", "batch 32, weight 0.02", "batch 32, weight 0.05"]
    light, heavy = (values(outcome, f"{name}, batch 32", "effective rank") for name in (rule, constant))
    assert both(light, heavy)
    assert len(labels("intl/batch-size", outcome)) == 3


def test_crops_and_teacher_are_judged_by_the_accuracy_and_do_not_collapse(tmp_path: Path) -> None:
    """Digits and seconds show no gain in accuracy."""
    outcome = teacher_crops(settings(tmp_path), SMALL)
    assert labels("intl/teacher-crops", outcome)[0] != "held"
    ranks = {name: values(outcome, name, "effective rank") for name in ("INTL", "teacher", "crops")}
    assert both(ranks["INTL"], ranks["crops"])
    for name in ("INTL", "teacher", "crops", "teacher and crops"):
        assert all(spread > 0.5 for spread in values(outcome, name, "relative spread"))


def test_powers_on_images_are_judged_by_the_rank_of_the_embedding(tmp_path: Path) -> None:
    """In 10 steps nothing has collapsed or recovered yet."""
    outcome = power_images(settings(tmp_path), SMALL)
    rank = {name: values(outcome, name, "effective rank") for name in ("0", "0.25", "0.5", "0.75")}
    assert len(labels("intl/power-images", outcome)) == 7
    assert all(1 <= value <= 32 for one in rank.values() for value in one)


def test_batches_with_as_many_steps_see_more_images_and_others_fewer_steps(tmp_path: Path) -> None:
    learning_rate(Settings(out=tmp_path, data="digits", seeds=1), SMALL, batches=(32, 128))
    steps = {
        path.parent.name: read_json(path / "result.json")["steps"] for path in sorted((tmp_path / "runs").glob("*/*"))
    }
    assert steps == {
        "as many images, batch 128": 5,
        "as many images, batch 32": 20,
        "as many steps, batch 128": 10,
        "as many steps, batch 32": 10,
        "a rate that grew, batch 128": 5,
    }


def test_two_views_are_drawn_as_the_crops_are(tmp_path: Path) -> None:
    crops_alike(Settings(out=tmp_path, data="digits", seeds=1), SMALL)
    views = {
        path.parent.name: read_json(path / "config.json")["settings"]["crops"]
        for path in (tmp_path / "runs").glob("*/*")
    }
    assert views == {"INTL": None, "two views as the crops are drawn": "8,7", "teacher and crops": "8,8,7,6,5,3"}
    alike, plain = crop_views("digits", (8, 7), channels=1)[0], crop_views("digits", (8, 8), channels=1)[0]
    assert (alike.blur, alike.solarize, alike.scale) == (0.5, 0.1, (0.2, 1.0))
    assert (plain.blur, plain.solarize) == (0.0, 0.0)

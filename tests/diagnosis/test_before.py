"""What is known of the time before training decides what the spectrum alone cannot: is a low rank the data's?"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

import fullrank
from fullrank.cli import main
from fullrank.diagnosis.judge import judge_row
from fullrank.diagnosis.known import Known
from fullrank.diagnosis.profiles import PROFILES
from fullrank.errors import UserError
from tests.metrics.clouds import gaussian

STEEP = {"decay_exponent": 1.85, "participation_ratio": 3.0, "relative_spread": 0.8, "n": 500, "dims": 64}


def smooth(n: int = 600, dims: int = 64, *, exponent: float = 1.9, seed: int = 0) -> Tensor:
    """Rows whose variances fall like those of the pixels of photographs."""
    return gaussian(n, dims, seed=seed) * torch.arange(1, dims + 1) ** (-exponent / 2)


@pytest.mark.parametrize("dims", [64, 48])  # the inputs may have other dimensions
def test_a_smooth_low_rank_is_the_datas_where_it_was_there_before(dims: int) -> None:
    z = smooth()
    assert fullrank.diagnose(z).verdict == "undetermined"
    report = fullrank.diagnose(z, before=smooth(dims=dims, seed=1))
    assert report.verdict == "healthy"
    note = next(one for one in report.findings if one.rule == "dimensional collapse")
    assert note.severity == "note"
    assert note.sentence.endswith("times that before training")
    assert note.advice.causes[0].text == "the data has no more directions"
    assert f"Before training they had {dims} dimensions, of effective rank" in report.read_as


def test_a_smooth_low_rank_that_was_higher_before_is_a_collapse() -> None:
    report = fullrank.diagnose(smooth(), before=gaussian(600, 64))
    assert (report.verdict, report.kind) == ("collapsed", "dimensional")
    assert "the effective rank is 0.088 times that before training" in report.sentence


def test_a_collapse_stays_one_whatever_there_was_before() -> None:
    line = gaussian(600, 1) * gaussian(1, 64, seed=1) + 0.01 * gaussian(600, 64, seed=2)
    for before in (line, gaussian(600, 64)):
        assert fullrank.diagnose(line, before=before).verdict in ("degraded", "collapsed")
    point = 100 + 0.01 * gaussian(600, 64)
    assert fullrank.diagnose(point, before=gaussian(600, 64)).verdict == "collapsed"


@pytest.mark.parametrize(
    ("before", "says"),
    [
        (torch.zeros(600, 8), "are one point, so that there is no rank to compare: leave them out"),
        (torch.full((600, 8), 0.1), "are one point"),
        (100 + 1e-5 * gaussian(600, 64), "are one point"),
        (gaussian(600, 1), "have one dimension, so that there is no rank to compare: leave them out"),
        (torch.arange(600.0)[:, None], "Dimension 0 of the rows from before training .* is an index"),
        (torch.cat([torch.arange(600.0)[:, None], gaussian(600, 8)], 1), "Dimension 0 of the rows .* is an index"),
    ],
)
def test_what_has_no_rank_excuses_no_collapse(before: Tensor, says: str) -> None:
    few = gaussian(600, 4) @ gaussian(4, 64, seed=1)
    assert fullrank.diagnose(few).verdict == "collapsed"
    with pytest.raises(UserError, match=says):
        fullrank.diagnose(few, before=before)


def test_the_unit_of_the_inputs_has_no_say() -> None:
    inputs = gaussian(600, 3)
    learned = inputs @ gaussian(3, 32, seed=1)
    said = [fullrank.diagnose(learned, before=before).sentence for before in (inputs, 300 + inputs)]
    assert said[0] == said[1]


def test_what_was_before_is_of_the_same_samples() -> None:
    with pytest.raises(UserError, match="There are 500 rows from before training and 600 after it"):
        fullrank.diagnose(gaussian(600, 8), before=gaussian(500, 8))
    z, zeros = gaussian(300, 8), gaussian(300, 8, seed=2)
    views = torch.stack([z, z + 0.1 * gaussian(300, 8, seed=1)])
    zeros[:3] = 0  # which are left out, and counted all the same
    assert fullrank.diagnose(views, before=zeros).verdict == "healthy"


@pytest.mark.parametrize(
    ("since", "state"),
    [
        ({}, "undetermined"),
        ({"rank_since_start": 1.0}, "healthy"),
        ({"rank_since_start": 0.5}, "collapsed"),
        ({"rank_since_start": 0.5, "knn_since_start": 0.02}, "collapsed"),  # no more than chance
        ({"rank_since_start": 0.5, "knn_since_start": 0.1}, "degraded"),
    ],
)
def test_a_training_is_compared_with_its_start(since: dict[str, float], state: str) -> None:
    known = Known(of_run=True, numbers={"steps": 400.0, **since})
    assert judge_row(STEEP, PROFILES["non-contrastive"], known=known).state == state


def test_a_run_whose_rank_rose_is_not_asked_for_more_rows() -> None:
    few = {"rankme_centered": 89.0, "participation_ratio": 4.6, "relative_spread": 0.8, "n": 500, "dims": 512}
    generic = PROFILES["generic"]
    assert judge_row(few, generic).state == "undetermined"
    rose = judge_row(few, generic, known=Known(of_run=True, numbers={"steps": 300.0, "rank_since_start": 1.8}))
    assert rose.state == "healthy"
    assert rose.sentence.endswith("the effective rank is 1.8 times that before training.")


def test_a_file_is_compared_with_one_from_before(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    after, before, few = (str(tmp_path / f"{name}.npy") for name in ("after", "before", "few"))
    np.save(after, smooth().numpy())
    np.save(before, smooth(dims=48, seed=1).numpy())
    np.save(few, smooth(n=90).numpy())
    assert main(["diagnose", after, "--no-report"]) == 3
    assert main(["diagnose", after, "--before", before, "--no-report"]) == 0
    assert "before.npy: 600 rows of 48 dimensions" in capsys.readouterr().out
    assert main(["diagnose", after, "--before", few, "--no-report"]) == 2
    assert main(["diagnose", "-", "--before", "-", "--no-report"]) == 2
    assert "Standard input is read once" in capsys.readouterr().err

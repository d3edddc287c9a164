"""What a comparison was asked is answered or refused: expectations, limits, profiles, saved reports, other samples."""

from __future__ import annotations

import json
import math
from typing import Any

import fastjsonschema
import pytest
import torch
from torch import Tensor

import fullrank
from fullrank.diagnosis.report import Report
from fullrank.errors import UserError
from tests.diagnosis.test_comparison import SCHEMA, check, cloud
from tests.metrics.clouds import gaussian


def without(z: Tensor, rows: int) -> Tensor:
    """The same with the first rows 0."""
    return torch.cat([torch.zeros_like(z[:rows]), z[rows:]])


@pytest.mark.parametrize("broken", [0, 1, 3])
def test_broken_rows_do_not_answer_what_was_expected(broken: int) -> None:
    wide = without(gaussian(320, 24), broken)
    found = fullrank.compare(gaussian(300, 16), wide, expect="same-distribution")
    assert found.outcome == "undecided"
    assert "same-distribution was not checked: the widths differ, 16 and 24" in found.sentence
    few = without(gaussian(19, 8, seed=1), broken)
    assert fullrank.compare(gaussian(19, 8), few, expect="same-rows").outcome in ("undecided", "different")


NO_COSINE = without(gaussian(300, 16), 160)  # of which more than a half has no direction


@pytest.mark.parametrize(
    "limits",
    [
        {"max_rise": {"mean_cosine": 0.01}},
        {"max_drop": {"mean_cosine": "5%"}},
        {"max_drop": {"effective_rank": "10%"}, "max_rise": {"mean_cosine": 0.05}},
    ],
)
def test_a_limit_that_was_passed_is_held_to_or_refused(limits: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="mean_cosine was not measured on both sides: leave out its limit"):
        fullrank.compare(NO_COSINE, NO_COSINE, expect="same-rows", **limits)


def test_a_default_limit_that_nothing_was_measured_for_is_said_to_be_unchecked() -> None:
    found = fullrank.compare(NO_COSINE, NO_COSINE, expect="same-rows")
    assert found.outcome == "same"
    assert ("mean cosine", "it was not measured on both sides") in found.unasked


def test_a_number_that_is_null_is_missing() -> None:
    report = fullrank.diagnose(cloud()).to_json()
    for row in report["measurements"]:
        row["value"] = None if row["name"] == "effective_rank" else row["value"]
    with pytest.raises(UserError, match="effective_rank was not measured on both sides"):
        fullrank.compare(report, cloud(), max_drop={"effective_rank": "10%"})
    assert ("effective rank D1", "it was not measured on both sides") in fullrank.compare(report, cloud()).unasked


def text(z: Tensor) -> Report:
    return fullrank.diagnose(z, profile="text")


def test_both_sides_are_judged_by_one_profile() -> None:
    lean = cloud() / 20 + torch.eye(16)[0]  # a cone, which a text profile makes a note of
    verdict = text(lean).verdict
    assert verdict != fullrank.diagnose(lean).verdict
    for sides in ((text(lean), lean), (text(lean).to_json(), lean), (lean, text(lean))):
        found = fullrank.compare(*sides)
        assert found.old["verdict"] == found.new["verdict"] == verdict
    assert fullrank.compare(lean, lean).new["verdict"] == fullrank.diagnose(lean).verdict
    assert fullrank.compare(text(lean), lean, profile="text").new["verdict"] == verdict


@pytest.mark.parametrize("saved", [False, True])
def test_profiles_that_differ_or_are_unknown_are_refused(saved: bool) -> None:
    generic, of_text = ((one.to_json() if saved else one) for one in (fullrank.diagnose(cloud()), text(cloud())))
    with pytest.raises(UserError, match="judged as generic and as text: judge both sides with one and the same"):
        fullrank.compare(generic, of_text)
    with pytest.raises(UserError, match="judged as generic and as text"):
        fullrank.compare(generic, cloud(), profile="text")
    with pytest.raises(UserError, match="There is no profile 'nonsense'"):
        fullrank.compare(generic, generic, profile="nonsense")


@pytest.mark.parametrize("change", [None, "n", "verdict", "sentence", "measurements", "schema"])
def test_a_mapping_that_is_no_report_is_refused_in_a_sentence(change: str | None) -> None:
    whole = fullrank.diagnose(cloud(40)).to_json()
    content: dict[str, Any] = {"z": cloud()} if change is None else {k: v for k, v in whole.items() if k != change}
    with pytest.raises(UserError, match="The old side is not a report of version 1: pass the report"):
        fullrank.compare(content, cloud())
    with pytest.raises(UserError, match="The new side is not a report"):
        fullrank.compare(cloud(), {**whole, "measurements": [{"name": ["x"]}]})


def test_a_report_of_version_0_1_0_is_compared_under_the_names_of_today() -> None:
    report = fullrank.diagnose(cloud()).to_json()
    former = json.loads(json.dumps(report).replace('"dimension_std"', '"std"'))
    assert former != report
    assert "dimension_std" in {one.name for one in fullrank.compare(former, cloud()).changes}


def test_what_is_infinite_is_said_in_words_and_null_in_json() -> None:
    valid = fastjsonschema.compile(json.loads(SCHEMA.read_text(encoding="utf-8")))
    point, other = torch.ones(300, 8), torch.ones(200, 8)
    other[7] = gaussian(1, 8)[0]
    for old, new in ((point, gaussian(200, 8)), (point, other), (gaussian(300, 8), point)):
        found = fullrank.compare(old, new)
        assert "e+300" not in found.sentence + str(found.checks) + found._repr_html_()
        valid(json.loads(json.dumps(found.to_json(), allow_nan=False)))
    found = fullrank.compare(point, gaussian(200, 8))
    assert check(found, "frechet_distance").value == math.inf
    assert "Frechet distance, in old variances, infinite, by chance" in found.sentence


def test_broken_rows_of_other_samples_are_numbered_whatever_the_numbers_of_the_old_ones() -> None:
    """Twenty of 600 rows are zero, and as many of 60 others: by number they are the same."""
    found = fullrank.compare(without(gaussian(600, 8), 20), without(gaussian(60, 8, seed=1), 20))
    assert found.outcome == "different"
    assert "% more of the rows are zero, exploded or near-empty in the new embeddings" in found.sentence
    assert "than in the old ones, beyond chance, such as rows 0, 1, 2." in found.sentence
    assert check(found, "broken_rows").which == (*range(20),)
    few = fullrank.compare(without(gaussian(600, 8), 1), without(gaussian(60, 8, seed=1), 1))
    assert "Row 0 is zero, exploded or near-empty in the new embeddings, and left out." in few.sentence

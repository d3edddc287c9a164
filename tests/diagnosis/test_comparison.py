"""Comparing two models: what has become worse, how surely, and when nobody can tell."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fastjsonschema
import pytest
import torch
from torch import Tensor

import fullrank
from fullrank.diagnosis.comparison import Comparison
from fullrank.diagnosis.sameness import Check, Expectation
from fullrank.errors import UserError
from fullrank.metrics import effective_rank, jackknife_difference, moment_groups, plugin_participation_ratio
from tests.metrics.clouds import gaussian

SCHEMA = Path(__file__).parents[2] / "docs" / "comparison.schema.json"


def cloud(rows: int = 600, decay: float = 0.0, seed: int = 0) -> Tensor:
    """Gaussian rows (rows, 16) whose standard deviations fall as j^-decay."""
    z = torch.randn(rows, 16, generator=torch.Generator().manual_seed(seed))
    return z / torch.arange(1, 17) ** decay


def change(found: Comparison, name: str) -> tuple[float, float, float]:
    one = next(change for change in found.changes if change.name == name)
    assert one.low is not None
    assert one.high is not None
    return one.difference, one.low, one.high


def check(found: Comparison, name: str) -> Check:
    return next(check for check in found.checks if check.name == name)


def turn(dims: int = 16) -> Tensor:
    q: Tensor = torch.linalg.qr(torch.randn(dims, dims, generator=torch.Generator().manual_seed(1))).Q
    return q


def permuted(z: Tensor, share: float) -> Tensor:
    """The first rows, so many, each in the place of the next."""
    count = round(share * len(z))
    return torch.cat([z[:count].roll(1, 0), z[count:]])


def rounded(z: Tensor) -> Tensor:
    """Through int8 with one scale."""
    scale = z.abs().max() / 127
    return (z / scale).round() * scale


@pytest.mark.slow
def test_a_rotation_and_a_scale_keep_the_model_but_not_the_index() -> None:
    found = fullrank.compare(cloud(), 3 * cloud() @ turn())
    assert found.outcome == "same"
    assert found.paired
    assert check(found, "cka").value == pytest.approx(1, abs=1e-4)
    assert check(found, "shared_neighbors").value == pytest.approx(1, abs=1e-3)
    assert check(found, "turned_cosine").value == pytest.approx(1, abs=1e-4)
    assert change(found, "effective_rank") == pytest.approx((0, 0, 0), abs=1e-4)
    assert "An index of the old vectors cannot be searched with the new ones" in found.sentence


@pytest.mark.parametrize(
    "harmless",
    [lambda z: z, rounded, lambda z: z.half().float(), lambda z: z.bfloat16().float(), lambda z: 2 * z],
    ids=["identical", "int8", "float16", "bfloat16", "scale"],
)
@pytest.mark.parametrize("z", [cloud(), cloud(decay=1.0) + 1, cloud(40)], ids=["round", "cone", "few"])
@pytest.mark.slow
def test_what_changes_no_neighbor_passes(harmless: Callable[[Tensor], Tensor], z: Tensor) -> None:
    found = fullrank.compare(z, harmless(z))
    assert found.outcome == "same"
    assert "index" not in found.sentence


@pytest.mark.parametrize("z", [cloud(), cloud(decay=1.0) + 1, cloud(150)], ids=["round", "cone", "few"])
@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (lambda z: torch.randn_like(z), "the rows do not correspond"),
        (lambda z: permuted(z, 1), "the rows do not correspond"),
        (lambda z: permuted(z, 0.5), "the rows do not correspond"),
        (lambda z: torch.cat([z[:, :4], cloud(len(z), seed=9)], 1), "not of the same model"),
        (lambda z: (z.square() * z.sign() @ turn()).relu(), "not of the same model"),
        (lambda z: z + 0.3 * z.std(0), "the mean has moved by 0.3 standard deviations"),
    ],
    ids=["noise", "permuted", "half permuted", "other features", "another layer", "shift"],
)
@pytest.mark.slow
def test_what_breaks_correspondence_or_structure_fails(z: Tensor, harm: Callable[[Tensor], Tensor], words: str) -> None:
    torch.manual_seed(5)
    found = fullrank.compare(z, harm(z))
    assert found.outcome == "different"
    assert words in found.sentence
    with pytest.raises(AssertionError, match=words):
        found.raise_for_status()


@pytest.mark.slow
def test_the_rows_that_do_not_correspond_are_numbered() -> None:
    z = cloud()
    found = check(fullrank.compare(z, permuted(z, 0.2)), "misplaced_rows")
    assert found.value == pytest.approx(0.2, abs=0.07)
    assert found.which
    assert max(found.which) < 120
    assert "one distribution: they may stand in another order" in fullrank.compare(z, permuted(z, 1)).sentence


@pytest.mark.slow
def test_another_model_passes_where_only_the_rows_are_expected_to_be_the_same() -> None:
    z = cloud(decay=0.3)
    other = (z @ turn() + 0.5).relu() @ turn() + 0.5 * z
    assert fullrank.compare(z, other, max_rise={"mean_cosine": 2}).outcome == "different"
    stated = fullrank.compare(z, other, expect="same-rows", max_rise={"mean_cosine": 2})
    assert stated.outcome == "same"
    assert check(stated, "cka").outcome is None
    assert fullrank.compare(z, permuted(z, 0.5), expect="same-rows").outcome == "different"


@pytest.mark.slow
def test_other_samples_pass_unless_they_have_drifted() -> None:
    old = cloud(decay=0.5)
    for new in (cloud(decay=0.5, seed=7), cloud(300, decay=0.5, seed=8)):
        expect: Expectation | None = "same-distribution" if len(new) == len(old) else None
        assert fullrank.compare(old, new, expect=expect).outcome == "same"
        drifted = fullrank.compare(old, new + 0.3 * old.std(0), expect=expect)
        assert drifted.outcome == "different"
        assert "the distributions differ" in drifted.sentence
        assert check(drifted, "frechet_distance").value > 5 * (check(drifted, "frechet_distance").chance or 0)
        assert ("correspondence", "the rows are taken for other samples") in drifted.unasked


def test_drift_of_one_group_is_no_evidence_where_groups_were_sampled() -> None:
    """Each donor has a mean of its own: other donors differ, and only the groups tell that this is by chance."""
    donors = 2 * torch.randn(16, 16, generator=torch.Generator().manual_seed(3))
    sides = [cloud(400, seed=side) + donors[8 * side + torch.arange(400) % 8] for side in (0, 1)]
    reports = [fullrank.diagnose(side, groups=torch.arange(400) % 8) for side in sides]
    apart = [fullrank.compare(*some, expect="same-distribution") for some in (sides, reports)]
    assert check(apart[0], "mmd").p == 0.001
    assert (check(apart[1], "mmd").p or 0) > 0.01


@pytest.mark.slow
def test_an_expectation_that_cannot_be_answered_is_an_error_or_undecided() -> None:
    with pytest.raises(UserError, match="pass same-distribution for other samples"):
        fullrank.compare(cloud(), cloud(500), expect="same-model")
    with pytest.raises(UserError, match="A report keeps no rows"):
        fullrank.compare(fullrank.diagnose(cloud()).to_json(), cloud(), expect="same-rows")
    with pytest.raises(UserError, match="did you mean same-model"):
        fullrank.compare(cloud(), cloud(), expect="same_model")  # type: ignore[arg-type]
    wide = torch.cat([cloud(), cloud(seed=6)], 1)
    found = fullrank.compare(cloud(), wide, expect="same-distribution")
    assert (found.outcome, found.unasked[-1]) == ("undecided", ("distribution", "the widths differ, 16 and 32"))


def test_between_other_rows_our_own_limits_are_never_undecided() -> None:
    found = fullrank.compare(cloud(100, 0.3), cloud(60, 0.3, seed=4))
    assert found.outcome == "same"
    assert ("effective rank D1", "it depends on the number of rows, which differs") in found.unasked


@pytest.mark.slow
def test_it_is_json_by_the_published_schema() -> None:
    valid = fastjsonschema.compile(json.loads(SCHEMA.read_text(encoding="utf-8")))
    z = cloud()
    for old, new in ((z, permuted(z, 1)), (z, z[:300]), (z, torch.ones(600, 16)), (fullrank.diagnose(z).to_json(), z)):
        content = fullrank.compare(old, new).to_json()
        valid(json.loads(json.dumps(content, allow_nan=False)))
    with pytest.raises(fastjsonschema.JsonSchemaException, match="outcome"):
        valid(content | {"outcome": "fine"})


@pytest.mark.slow
def test_a_lower_rank_is_a_regression_and_the_other_way_better() -> None:
    worse = fullrank.compare(cloud(), cloud(decay=0.4), expect="same-rows")
    assert worse.outcome == "regressed"
    assert "effective rank D1 went from" in worse.sentence
    difference, low, high = change(worse, "effective_rank")
    assert low < difference < high < -1.6
    assert fullrank.compare(cloud(decay=0.4), cloud(), expect="same-rows").outcome == "better"


@pytest.mark.slow
def test_the_interval_of_the_same_rows_is_narrower_than_that_of_others() -> None:
    noise = 0.05 * cloud(seed=2)
    _, low, high = change(fullrank.compare(cloud(decay=0.4), cloud(decay=0.4) + noise), "participation_ratio")
    _, wide_low, wide_high = change(
        fullrank.compare(cloud(decay=0.4), cloud(599, decay=0.4, seed=3)), "participation_ratio"
    )
    assert high - low < 0.3 * (wide_high - wide_low)
    assert wide_low < 0 < wide_high


@pytest.mark.slow
def test_the_paired_interval_holds_the_true_difference() -> None:
    """Of 60 pairs of draws whose true difference in effective rank is known from many rows."""
    many = 40_000
    true = effective_rank(cloud(many, 0.3) + 0.5 * cloud(many, seed=9)) - effective_rank(cloud(many, 0.3))
    inside = 0
    for seed in range(60):
        old = cloud(500, 0.3, seed)
        new = old + 0.5 * cloud(500, seed=seed + 1000)
        groups = [moment_groups(z, groups=10) for z in (old, new)]
        found = jackknife_difference(lambda part: {"": effective_rank(part)}, *groups)[""]
        inside += found.low < true < found.high
    assert inside >= 53  # nominal 57; at least 88 %


def test_a_limit_within_the_interval_is_undecided() -> None:
    old, new = cloud(60, 0.5), cloud(60, 0.5, seed=5)
    difference, low, high = change(fullrank.compare(old, new), "participation_ratio")
    between = -(difference + low) / 2
    found = fullrank.compare(old, new, expect="same-distribution", max_drop={"participation_ratio": max(between, 0.0)})
    assert low < -max(between, 0.0) < high
    assert found.outcome == "undecided"
    assert "95 % interval of the change" in found.sentence


def test_another_number_of_rows_is_compared_as_independent() -> None:
    found = fullrank.compare(cloud(), cloud(500, decay=0.5, seed=4))
    assert (found.outcome, found.paired, found.expect) == ("different", False, "same-distribution")
    assert "Regressed too: effective rank" in found.sentence


def test_biased_numbers_of_another_number_of_rows_are_undecided() -> None:
    found = fullrank.compare(cloud(100), cloud(40, seed=4), max_drop={"effective_rank": "10%"})
    assert found.outcome == "undecided"
    assert "the numbers of samples differ" in found.sentence


@pytest.mark.slow
def test_a_new_collapse_is_a_regression_whatever_the_limits() -> None:
    found = fullrank.compare(cloud(), 9 + 1e-4 * cloud(), max_drop={"two_nn": "99%"})
    assert found.outcome == "regressed"
    assert "have collapsed" in found.sentence
    with pytest.raises(AssertionError, match="have collapsed"):
        found.raise_for_status()


def test_a_verdict_that_turns_on_a_hair_is_no_regression() -> None:
    """Dimensions that a ReLU left dead, and a little noise of both signs beside them."""
    z = cloud().clamp_min(0) * (torch.arange(16) > 2)
    new = z + 0.01 * z.std(0) * cloud(seed=9)
    found = fullrank.compare(z, new)
    assert (found.old["verdict"] != "collapsed", found.new["verdict"]) == (True, "collapsed")
    assert found.outcome == "same"


def test_other_widths_are_compared() -> None:
    wide = torch.cat([cloud(), cloud(seed=6)], 1)
    found = fullrank.compare(cloud(), wide, expect="same-rows")
    assert found.outcome == "better"
    assert change(found, "participation_ratio")[0] == pytest.approx(
        plugin_participation_ratio(wide) - plugin_participation_ratio(cloud()), abs=2
    )


@pytest.mark.slow
def test_reports_and_their_json_are_sides_too() -> None:
    saved = json.loads(json.dumps(fullrank.diagnose(cloud()).to_json()))
    found = fullrank.compare(saved, fullrank.diagnose(cloud(decay=0.5)))
    assert (found.outcome, found.paired) == ("regressed", False)
    again = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert again["old"]["verdict"] == "healthy"


@pytest.mark.parametrize("new", [torch.zeros(600, 16), gaussian(3, 16), torch.ones(1, 16)], ids=["zeros", "3", "1"])
def test_edges_have_an_answer(new: Tensor) -> None:
    json.dumps(fullrank.compare(cloud(), new).to_json(), allow_nan=False)


@pytest.mark.parametrize(
    ("drops", "rises", "expected"),
    [
        ({"efective_rank": 1}, {}, "did you mean effective_rank"),
        ({"effective_rank": "ten"}, {}, "pass a number such as 0.05"),
        ({"effective_rank": -1}, {}, "pass a number such as 0.05"),
        ({"effective_rank": 1}, {"effective_rank": 1}, "a limit to its drop and to its rise"),
        ({"nc1": 1}, {}, "was not measured on both sides"),
        ("effective_rank=5%", {}, "max_drop is 'effective_rank=5%': pass limits by measurement"),
    ],
)
def test_limits_that_are_none(drops: Any, rises: dict[str, float | str], expected: str) -> None:
    with pytest.raises(UserError, match=expected):
        fullrank.compare(cloud(), cloud(), max_drop=drops, max_rise=rises)

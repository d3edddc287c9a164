"""Verdicts from measurements: severity, intervals, silence, profiles, too few rows, and the plateaus of losses."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache
from typing import Any

import pytest
import torch

import fullrank
from fullrank.diagnosis.grade import grade
from fullrank.diagnosis.judge import Verdict, judge
from fullrank.diagnosis.known import Known
from fullrank.diagnosis.loss_plateau import LossValue, at_plateau, not_gathered
from fullrank.diagnosis.profiles import PROFILES
from fullrank.diagnosis.rule import Graded
from fullrank.losses import barlow_twins, dcl, infonce, nt_xent, uniformity, vicreg, w2
from fullrank.metrics.measure import Measured, measure
from fullrank.stats.sketch import sketch
from tests.metrics.clouds import gaussian, low_rank, offset, power_law

BEHIND: dict[str, float] = {"outweighing_share": 0.4, "rank_behind": 25.0, "share_behind": 0.8}


@cache
def healthy() -> dict[str, Measured]:
    return measure(sketch([gaussian(400, 32)]))


def judged(values: Mapping[str, float | Measured], profile: str = "generic") -> Verdict:
    """The diagnosis of 400 x 32 healthy measurements but for some."""
    changed = {name: value if isinstance(value, Measured) else Measured(name, value) for name, value in values.items()}
    return judge(healthy() | changed, PROFILES[profile], n=400, dims=32)


def test_healthy_measurements_find_nothing() -> None:
    seen = judged({})
    assert (seen.state, seen.kind, seen.findings, seen.silenced) == ("healthy", None, (), ())
    assert seen.sentence.startswith("No collapse found")


@pytest.mark.parametrize(
    ("values", "verdict", "kind"),
    [
        ({"relative_spread": 0.005}, "collapsed", "complete"),
        ({"relative_spread": 0.05}, "degraded", "complete"),
        ({"mean_cosine": 0.995}, "collapsed", "complete"),
        ({"cosine_excess": 0.95}, "degraded", "cone"),
        ({"mean_cosine": 0.7, "cosine_excess": 0.2, "negative_share": 0.0}, "healthy", None),  # a ReLU's cone
        ({"mean_cosine": 0.98, "cosine_excess": 0.94, "negative_share": 0.0}, "degraded", "cone"),
        ({"rank_share": 0.04}, "collapsed", "dimensional"),
        ({"rank_share": 0.06}, "degraded", "dimensional"),
        ({"rank_share": 0.2}, "undetermined", None),  # as of few photographs
        ({"rank_share": 0.12, "head_gap": 50}, "collapsed", "dimensional"),
        ({"decay_exponent": 3.0}, "collapsed", "dimensional"),
        ({"decay_exponent": 2.4}, "degraded", "dimensional"),
        ({"decay_exponent": 2.0}, "undetermined", None),  # as of pixels of photographs
        ({"decay_exponent": 1.6}, "healthy", None),  # as backbones that learn
        ({"signal_share": 0.2, "signal_rank": 6}, "degraded", "dimensional"),
        ({"head_weight": 0.5}, "undetermined", None),  # as of brightness
        ({"head_weight": 0.5, "head_gap": 25.0}, "degraded", "head-dominated"),
        ({"head_weight": 0.5, "dimension_gap": 30.0, "rogue_dimension": 60}, "collapsed", "head-dominated"),
        ({"rogue_dimension": 60}, "healthy", None),  # the next ones are as large, as on the axes of a power law
        ({"rogue_dimension": 30} | BEHIND, "degraded", "head-dominated"),
        ({"rogue_dimension": 60} | BEHIND, "collapsed", "head-dominated"),
        ({"rogue_dimension": 60, "head_error": 0.9} | BEHIND, "healthy", None),  # of a single row
        ({"rogue_dimension": 9} | BEHIND | {"outweighing_share": 0.99}, "collapsed", "head-dominated"),
        ({"rogue_dimension": 60, "rank_share": 0.02} | BEHIND, "collapsed", "head-dominated"),  # and nothing else
        ({"rogue_dimension": 60, "rank_share": 0.02} | BEHIND | {"share_behind": 0.1}, "collapsed", "dimensional"),
        ({"neighbor_jump": 5}, "degraded", "cluster"),
        ({"neighbor_jump": 30}, "collapsed", "cluster"),
        ({"neighbor_jump": 2.95}, "undetermined", None),  # on either side of the threshold
        ({"neighbor_jump": 5, "bimodality": 0.9}, "degraded", "modality gap"),  # two groups are no few clusters
        ({"neighbor_jump": 30, "bimodality": 0.9}, "collapsed", "cluster"),
        ({"hub_skewness": 5, "hub_excess": 4.0}, "degraded", "hubs"),
        ({"hub_skewness": 5, "hub_excess": 2.5}, "healthy", None),
        ({"antihub_share": 0.3, "antihub_excess": 0.25}, "degraded", "hubs"),
        ({"duplicate_rows": 0.2}, "healthy", None),  # data has copies
        ({"commonest_row": 0.2, "duplicate_rows": 0.2, "lone_rows": 0.8}, "healthy", None),  # and so empty texts
        ({"commonest_row": 0.3, "duplicate_rows": 0.3, "lone_rows": 0.7}, "degraded", "duplicates"),
        ({"duplicate_rows": 0.3}, "undetermined", None),  # equal inputs, or not
        ({"duplicate_rows": 0.6}, "collapsed", "duplicates"),
        ({"dead_dimensions": 0.05}, "degraded", "dimensional"),
        ({"dead_dimensions": 0.2}, "collapsed", "dimensional"),
        ({"dead_dimensions": 0.2, "negative_share": 0.0, "zero_values": 0.5}, "healthy", None),  # as a ReLU leaves some
        ({"dead_dimensions": 0.6, "negative_share": 0.0, "zero_values": 0.5}, "degraded", "dimensional"),
        ({"decay_exponent": 2.8, "head_gap": 23.0}, "degraded", "head-dominated"),  # a healthy rest
        ({"decay_exponent": 2.8, "head_gap": 23.0, "rank_share": 0.15}, "collapsed", "dimensional"),
        ({"label_gain": 0.0, "neighbor_labels": 0.1}, "healthy", None),  # random labels
        ({"duplicate_dimensions": 0.05}, "degraded", "dimensional"),
        ({"bimodality": 0.9}, "degraded", "modality gap"),
        ({"gap_gain": 0.2, "gap_separable": 1.0, "gap_distance": 0.8}, "degraded", "modality gap"),
        ({"gap_gain": 0.0, "gap_separable": 1.0, "gap_distance": 0.8}, "healthy", None),  # CLIP's usual gap
        ({"zero_rows": 0.2}, "healthy", None),  # the others are judged without them
        ({"zero_rows": 0.3}, "degraded", "single rows"),
        ({"near_empty_rows": 0.01}, "healthy", None),
        ({"energy_share": 0.4}, "degraded", "single rows"),
        ({"energy_share": 0.4, "far_spread": 0.1}, "degraded", "single rows"),
        ({"row_norm": 1e-5}, "degraded", "scale"),
        ({"row_norm": 1e-13}, "collapsed", "scale"),
        ({"class_directions": 0.3, "classes": 10}, "collapsed", "dimensional"),  # two clusters for ten classes
        ({"class_directions": 0.6, "classes": 10}, "degraded", "dimensional"),
        ({"class_directions": 0.8, "classes": 10}, "healthy", None),  # a classifier's directions are not equally large
        ({"hub_skewness": 5, "hub_excess": 3.2}, "healthy", None),  # at the threshold, whatever the seed
    ],
)
def test_each_rule_gives_its_verdict(values: dict[str, float], verdict: str, kind: str | None) -> None:
    seen = judged(values)
    assert (seen.state, seen.kind) == (verdict, kind)


def test_complete_collapse_silences_what_is_noise_then() -> None:
    seen = judged(
        {
            "relative_spread": 0.001,
            "mean_cosine": 1.0,
            "cosine_excess": 1.0,
            "hub_skewness": 9,
            "hub_excess": 8,
            "rank_share": 0.04,
        }
    )
    assert [finding.rule for finding in seen.findings] == ["complete collapse"]
    assert {name for name, _ in seen.silenced} == {"hubs", "cone", "dimensional collapse"}
    warned = judged({"relative_spread": 0.05, "rank_share": 0.04})  # a warning silences nothing
    assert [finding.rule for finding in warned.findings] == ["dimensional collapse", "complete collapse"]
    tight = judged({"neighbor_jump": 7.0, "rank_share": 0.04})  # nor explains a failure
    assert [finding.rule for finding in tight.findings] == ["dimensional collapse", "clusters"]


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0.05, 0.09, "fail"), (0.05, 0.2, "warn"), (0.2, 0.3, "unsure"), (0.05, 0.3, "unsure"), (0.3, 0.5, None)],
)
def test_a_threshold_is_passed_by_the_whole_interval(low: float, high: float, expected: str | None) -> None:
    middle = (low + high) / 2
    below, above = Graded("x", "below", 0.25, 0.1), Graded("x", "above", -0.25, -0.1)
    assert grade(Measured("x", middle, low, high), below) == expected
    assert grade(Measured("x", -middle, -high, -low), above) == expected


def test_an_interval_across_a_threshold_is_undetermined_and_says_how_many_rows_would_do() -> None:
    wide = Measured("decay_exponent", 1.6, 1.4, 1.8)
    seen = judged({"decay_exponent": wide})
    assert seen.state == "undetermined"
    assert "pass at least 1600 rows" in seen.sentence  # 0.4 / 2 is twice the distance of 0.1, so 4 times the rows
    at = judged({"decay_exponent": Measured("decay_exponent", 1.7, 1.6, 1.8)})
    assert "lies at the threshold" in at.sentence
    cone = judged({"cosine_excess": Measured("cosine_excess", 0.6, 0.58, 0.62)})  # at most a warning: no exit code
    assert (cone.state, [finding.severity for finding in cone.findings]) == ("healthy", ["note"])
    assert judged({"decay_exponent": wide, "dead_dimensions": 0.5}).state == "collapsed"  # what is sure counts
    norm = judged({"row_norm": Measured("row_norm", 4e-4, 0.0, 1e-3)}).findings[0]  # and nothing about half precision
    assert norm.sentence.startswith("norm of the rows is 0.0004; the interval 0 to 0.001 spans the threshold 0.0001")


def test_too_few_rows_are_said() -> None:
    assert fullrank.diagnose(gaussian(3, 8)).verdict == "undetermined"
    few = fullrank.diagnose(gaussian(20, 8))
    assert (few.verdict, "pass 32 or more" in few.sentence) == ("undetermined", True)
    assert fullrank.diagnose(offset(1e-3, 20, 8)).kind == "complete"  # a point is seen with few
    hidden = fullrank.diagnose(low_rank(32, 64, 256))
    assert (hidden.verdict, "pass at least 128" in hidden.sentence) == ("undetermined", True)
    hidden = fullrank.diagnose(low_rank(50, 140, 256))  # a rank below a quarter needs more rows
    assert (hidden.verdict, "pass at least 257" in hidden.sentence) == ("undetermined", True)
    assert fullrank.diagnose(low_rank(32, 300, 256)).kind == "dimensional"


def test_profiles_change_what_fails() -> None:
    cone = {"mean_cosine": 0.995, "cosine_excess": 0.995, "relative_spread": 0.12}
    assert judged(cone).state == "collapsed"
    assert judged(cone, "text").state == "healthy"  # a note
    assert [finding.severity for finding in judged(cone, "text").findings] == ["note"]
    assert judged({"mean_cosine": 0.95}, "contrastive").kind == "complete"
    clusters = {"neighbor_jump": 30.0}
    assert judged(clusters, "bio").state == "degraded"
    for name in PROFILES:
        assert judged({"relative_spread": 0.001}, name).state == "collapsed"


PLATEAUS: list[tuple[str, float, dict[str, Any]]] = [
    ("infonce", float(infonce(torch.ones(2, 64, 16))["loss"]), {"batch_size": 64}),
    ("nt_xent", float(nt_xent(torch.ones(2, 64, 16))["loss"]), {"batch_size": 64}),
    ("dcl", float(dcl(torch.ones(2, 64, 16))["loss"]), {"batch_size": 64}),
    ("vicreg", float(vicreg(torch.ones(2, 64, 16))["loss"]), {}),
    ("barlow_twins", float(barlow_twins(torch.ones(2, 64, 16))["loss"]), {"dims": 16}),
    ("w2", float(w2(torch.ones(2, 64, 16))["loss"]), {}),
    ("uniformity", float(uniformity(torch.ones(2, 64, 16))["loss"]), {}),
    ("dino", 8.3178, {"prototypes": 4096}),
    ("swav", math.log(300), {"prototypes": 300}),
    ("triplet", 0.2, {"margin": 0.2}),
    ("soft_margin", 0.693, {}),
    ("simsiam", -1.0, {}),
    ("clip", 4.852, {"batch_size": 128}),
]


@pytest.mark.parametrize(("loss", "value", "settings"), PLATEAUS, ids=[row[0] for row in PLATEAUS])
def test_the_plateau_is_the_loss_of_one_point(loss: str, value: float, settings: dict[str, Any]) -> None:
    assert "all embeddings are equal" in (at_plateau(LossValue(loss, value, **settings)) or "")
    assert at_plateau(LossValue(loss, value * 0.9 - 0.2, **settings)) is None


def test_one_prototype_and_divergence_are_seen() -> None:
    assert "same prototype" in (at_plateau(LossValue("dino", 0.001, prototypes=4096)) or "")
    assert "diverged" in (at_plateau(LossValue("dino", math.nan, prototypes=4096)) or "")


def test_the_local_batch_is_told_from_the_global_one() -> None:
    local = LossValue("infonce", math.log(64), batch_size=256, local_batch=64)
    assert "not gathered" in (not_gathered(local) or "")
    assert not_gathered(LossValue("infonce", math.log(256), batch_size=256, local_batch=64)) is None
    report = fullrank.diagnose(power_law(0.5, 200, 16), loss=("infonce", math.log(64)), batch_size=256, local_batch=64)
    assert (report.verdict, report.kind) == ("degraded", None)
    assert report.findings[0].rule == "negatives not gathered"


def test_causes_fit_the_loss_that_was_told() -> None:
    point = {"relative_spread": 0.001, "mean_cosine": 1.0}

    def causes(loss: str, **settings: float) -> str:
        known = Known(loss=LossValue(loss, 0.5, **settings))  # type: ignore[arg-type]
        found = healthy() | {name: Measured(name, value) for name, value in point.items()}
        seen = judge(found, PROFILES["generic"], n=400, dims=32, known=known)
        worst = next(one for one in seen.findings if one.rule == "complete collapse")
        return " ".join(cause.text for cause in worst.advice.causes)

    assert "negatives are easy" in causes("triplet", margin=0.2)
    assert "predictor" not in causes("triplet", margin=0.2)
    assert "predictor" in causes("byol")
    assert "negatives" not in causes("byol")


def test_a_cause_that_is_proven_comes_first_and_one_that_is_excluded_is_not_said() -> None:
    low = healthy() | {"rank_share": Measured("rank_share", 0.04)}
    without, projector = PROFILES["non-contrastive"], Known(of_run=True, numbers={"backbone_healthy": 1.0})
    first = judge(low, without, n=400, dims=32, known=projector).findings[0].advice.causes[0]
    assert first.text == "the low rank is confined to the projector's output"
    unknown = judge(low, without, n=400, dims=32).findings[0].advice
    assert first not in unknown.causes
    assert not any(remedy.code.startswith("--") for remedy in unknown.remedies)  # flags of a run of ours only


def test_what_a_profile_makes_a_note_of_silences_no_failure() -> None:
    two = {"neighbor_jump": 30.0, "class_directions": 0.3, "classes": 10}  # two clusters for ten
    seen = judged(two, "supervised")
    assert (seen.state, seen.kind) == ("collapsed", "dimensional")


STRONG: list[tuple[dict[str, float], str]] = [
    ({"neighbor_jump": 30.0}, "cluster"),
    ({"rank_share": 0.04}, "dimensional"),
    ({"signal_share": 0.05, "signal_rank": 2.0}, "dimensional"),
    ({"bimodality": 0.9}, "modality gap"),
]


@pytest.mark.parametrize(("values", "kind"), STRONG)
def test_what_training_on_classes_makes_as_well_is_undetermined_until_labels_are_told(
    values: dict[str, float], kind: str
) -> None:
    seen = judged(values, "supervised")
    assert seen.state == "undetermined"
    assert seen.sentence.startswith(f"Undetermined ({kind})")
    assert "--labels" in seen.sentence
    told = judged(values | {"classes": 10.0, "class_directions": 0.9}, "supervised")
    assert (told.state, [finding.severity for finding in told.findings]) == ("healthy", ["note"])
    assert judged(values | {"classes": 10.0, "class_directions": 0.1}, "supervised").kind == "dimensional"
    assert judged(values | {"dead_dimensions": 0.5}, "supervised").state == "degraded"  # what is sure counts


def test_a_weaker_note_of_a_profile_leaves_the_stronger_finding_to_be_undetermined() -> None:
    weak = {"neighbor_jump": 5.0}
    assert judged(weak, "supervised").state == "healthy"
    both = judged(weak | {"rank_share": 0.04}, "supervised")
    assert both.sentence.startswith("Undetermined (dimensional)")
    assert {finding.rule for finding in both.findings} == {"clusters", "dimensional collapse"}


def test_a_young_training_is_early_unless_it_fell_to_a_point() -> None:
    low = healthy() | {"rank_share": Measured("rank_share", 0.04)}
    young = Known(of_run=True, young="10 steps", numbers={"steps": 10.0, "spread_since_start": 1.2})
    assert judge(low, PROFILES["generic"], n=400, dims=32, known=young).state == "early"
    point = healthy() | {"relative_spread": Measured("relative_spread", 0.001)}
    assert judge(point, PROFILES["generic"], n=400, dims=32, known=young).state == "early"  # as it was at the start
    fell = Known(of_run=True, young="10 steps", numbers={"steps": 10.0, "spread_since_start": 0.1})
    assert judge(point, PROFILES["generic"], n=400, dims=32, known=fell).state == "collapsed"
    learns = Known(of_run=True, numbers={"steps": 1000.0, "knn_since_start": 0.1})
    assert judge(low, PROFILES["generic"], n=400, dims=32, known=learns).state == "degraded"
    forgets = Known(of_run=True, numbers={"steps": 1000.0, "knn_since_start": -0.1, "rank_since_start": 0.3})
    assert judge(low, PROFILES["generic"], n=400, dims=32, known=forgets).state == "collapsed"


def test_fewer_directions_than_classes_fail_no_embedding_of_a_run_whose_features_learned() -> None:
    few = healthy() | {name: Measured(name, value) for name, value in (("class_directions", 0.3), ("classes", 10.0))}
    learned, fell = (Known(of_run=True, numbers={"steps": 400, "knn_since_start": gain}) for gain in (0.18, -0.05))
    for known, state in ((learned, "degraded"), (fell, "collapsed")):
        assert judge(few, PROFILES["non-contrastive"], n=400, dims=32, known=known).state == state

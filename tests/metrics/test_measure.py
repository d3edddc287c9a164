"""The measurements agree with the metrics they are named after, carry intervals and nulls, and never fail on edges."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from fullrank import metrics
from fullrank.metrics.figures import figures
from fullrank.metrics.measure import RECORDS, Measured, measure, of_directions, of_hashes, of_moments
from fullrank.stats import distinct_rows, normalize
from fullrank.stats.sketch import merge_sketches, sketch
from tests.metrics.clouds import gaussian, low_rank, power_law

OF_ALL_ROWS = {
    "relative_spread": metrics.relative_spread,
    "mean_cosine": metrics.mean_cosine,
    "dimension_std": metrics.dimension_std,
    "effective_rank": metrics.effective_rank,
    "rankme": metrics.rankme,
    "participation_ratio": metrics.participation_ratio,
    "nesum": metrics.nesum,
    "stable_rank": metrics.stable_rank,
    "decay_exponent": metrics.decay_exponent,
    "head_weight": metrics.head_weight,
    "dims_for_variance": metrics.dims_for_variance,
    "spectrum_auc": metrics.spectrum_auc,
    "iso_score": metrics.iso_score,
    "self_cluster": metrics.self_cluster,
    "w2_uniformity": metrics.w2_uniformity,
    "dead_dimensions": metrics.dead_dimensions,
    "duplicate_dimensions": metrics.duplicate_dimensions,
    "duplicate_rows": metrics.duplicate_rows,
    "uniformity": metrics.uniformity,
    "relative_contrast": metrics.relative_contrast,
    "hub_skewness": metrics.hub_skewness,
    "two_nn": metrics.two_nn,
}


def of(z: Tensor) -> dict[str, Measured]:
    return measure(sketch([z]))


@pytest.mark.slow
def test_the_numbers_are_those_of_the_metrics() -> None:
    z = power_law(1.0, 300, 32) + 0.1
    found = of(z)
    corrected = []
    for name, metric in OF_ALL_ROWS.items():
        one = found[name]
        if RECORDS[name].interval == "jackknife":
            groups = sketch([z]).unit if RECORDS[name].of == "directions" else sketch([z]).raw
            corrected.append(name)
            expected = metrics.jackknife(metric, groups).corrected  # type: ignore[arg-type]
            assert one.value == pytest.approx(expected, rel=0.03, abs=0.005), (
                name
            )  # head_weight and decay by corrected ranks
        else:
            assert one.value == pytest.approx(metric(z), rel=1e-9, abs=1e-12), name
    assert len(corrected) == 12


def test_everything_measured_has_a_name_and_keeps_the_order_of_the_names() -> None:
    views = torch.stack([gaussian(80, 8), gaussian(80, 8, seed=1)])
    found = measure(sketch([views]), labels=torch.arange(80) % 2, modalities=True)
    assert list(found) == [name for name in RECORDS if name in found]
    missing = {"alpha_req", "alpha_req_fit", "far_spread", "share_behind", "other_copies"}
    # of 14 dimensions, three far rows, a huge dimension, copies
    assert set(RECORDS) - set(found) == missing


@pytest.mark.slow
def test_intervals_hold_the_value_of_the_distribution() -> None:
    spectrum = torch.arange(1, 33, dtype=torch.float64) ** -1.0
    truth = float(spectrum.sum() ** 2 / spectrum.square().sum())
    hits = 0
    for seed in range(10):
        rank = of(power_law(1.0, 400, 32, seed))["participation_ratio"]
        assert rank.low is not None
        assert rank.high is not None
        hits += rank.low < truth < rank.high
    assert hits >= 8  # nominal 95 %: fewer than 8 of 10 has a chance of 1 %


@pytest.mark.slow
def test_no_interval_where_the_bias_would_falsify_it() -> None:
    few, many = of(power_law(1.0, 100, 32)), of(power_law(1.0, 300, 32))
    assert few["effective_rank"].low is None  # 100 < 8 x 32
    assert few["participation_ratio"].low is not None
    assert many["effective_rank"].low is not None
    assert of(gaussian(4, 3))["participation_ratio"].low is None  # fewer than 5 groups of rows


@pytest.mark.slow
def test_pairs_have_an_interval_where_it_holds_and_else_say_that_they_have_none() -> None:
    views = torch.stack([gaussian(200, 16), gaussian(200, 16) + 0.5 * gaussian(200, 16, seed=1)])
    found = measure(sketch([views]))
    for name in ("uniformity", "hyperspherical_energy", "two_nn", "alignment"):
        one = found[name]
        assert one.low is not None
        assert one.high is not None
        assert one.low < one.value < one.high
    without = [one for one in found.values() if "no interval" in RECORDS[one.name].how]
    assert {"hub_skewness", "mle_dimension", "coherence"} <= {one.name for one in without}
    assert all(one.low is None for one in without)
    assert found["w2_uniformity"].low is not None  # 400 rows in 16 dimensions
    assert measure(sketch([views[:, :60]]))["w2_uniformity"].low is None
    assert measure(sketch([torch.ones(40, 3)]))["uniformity"].low == 0


def test_nulls_are_those_of_perfect_data() -> None:
    found = of(gaussian(400, 32))
    for name in ("effective_rank", "rankme_centered", "rank_share", "nesum", "participation_ratio", "w2_uniformity"):
        one = found[name]
        assert one.null is not None
        assert one.low is not None
        assert one.high is not None
        assert one.low <= one.null <= one.high, name


@pytest.mark.slow
def test_the_null_of_contrast_and_hubs_has_the_same_spectrum() -> None:
    found = of(power_law(1.0, 600, 64))  # a healthy spectrum has hubs by itself
    assert found["hub_skewness"].value > 1.5
    assert abs(found["hub_excess"].value) < 0.5
    assert found["neighbor_jump"].value < 1.5
    clusters = normalize(gaussian(8, 64))[torch.arange(400) % 8] + 0.002 * gaussian(400, 64)
    assert of(clusters)["neighbor_jump"].value > 10


@pytest.mark.slow
def test_a_jump_among_the_first_eigenvalues_is_seen() -> None:
    z = gaussian(300, 64)
    z[:, :3] *= 30
    assert of(z)["head_gap"].value == pytest.approx(900 / 2.1, rel=0.1)  # Marchenko-Pastur: the rest reaches 2.1
    assert of(z[:40])["head_gap"].value > 50  # with N < D too
    assert of(power_law(3.0, 300, 64))["head_gap"].value < 10
    assert of(torch.ones(20, 4))["head_gap"].value == of(low_rank(1, 50, 8))["head_gap"].value == 1.0


@pytest.mark.slow
def test_two_groups_are_seen_and_outliers_are_none() -> None:
    side = torch.where(torch.arange(400) % 2 == 0, 1.0, -1.0)[:, None]
    assert of(gaussian(400, 16) + 9 * side)["bimodality"].value > 0.9
    assert of(gaussian(400, 16))["bimodality"].value == pytest.approx(1 / 3, abs=0.1)
    outliers = gaussian(400, 16)
    outliers[:40] *= 10  # too many for single rows
    assert of(outliers)["bimodality"].value < 0.1


def test_rows_of_zeros_are_counted_and_the_rest_is_measured_without_them() -> None:
    z = gaussian(100, 8)
    z[:20] = 0
    found, without = of(z), of(z[20:])
    assert found["zero_rows"].value == 0.2
    for name in ("mean_cosine", "effective_rank", "relative_spread", "hub_skewness", "duplicate_rows"):
        one, other = found[name], without[name]
        groups = 0.0 if one.low is None or one.high is None else one.high - one.low  # rows are dealt by their number
        assert one.value == pytest.approx(other.value, abs=max(groups / 2, 1e-9)), name


def test_zeros_that_are_half_of_the_rows_are_a_collapse_and_stay() -> None:
    z = gaussian(100, 8)
    z[:60] = 0
    found = of(z)
    assert found["zero_rows"].value == 0.6
    assert found["duplicate_rows"].value == pytest.approx(0.59)
    assert "mean_cosine" not in found  # of rows without a direction


def test_copies_are_exact_for_few_rows_and_have_an_interval_for_many() -> None:
    z = torch.arange(3000)[:, None] % 2400
    exact = of_hashes(distinct_rows(z), 1)
    assert exact.value == pytest.approx(0.2)
    assert exact.low is None
    hits = 0
    for seed in range(50):
        found = of_hashes(distinct_rows(z, size=800, seed=seed), 1)
        assert found.low is not None
        assert found.high is not None
        assert found.high < found.low + 0.12
        hits += found.low < 0.2 < found.high
    assert hits >= 43  # nominal 95 %: fewer than 43 of 50 has a chance of 0.3 %
    unique = of_hashes(distinct_rows(torch.arange(3000)[:, None], size=800), 1)
    assert unique.low == 0 <= unique.value < 0.1


@pytest.mark.slow
def test_views_and_modalities_and_labels() -> None:
    one, other = gaussian(200, 16), gaussian(200, 16, seed=1)
    same = measure(sketch([torch.stack([one, one + 0.1 * other])]))
    unrelated = measure(sketch([torch.stack([one, other])]))
    assert same["view_retrieval"].value == 1.0
    assert unrelated["view_retrieval"].value < 0.05
    assert unrelated["alignment"].value == pytest.approx(2, abs=0.2)
    assert same["lidar"].value > unrelated["lidar"].value
    labels = torch.arange(200) % 4
    classes = measure(sketch([one + 5 * gaussian(4, 16, seed=2)[labels]]), labels=labels)
    chance = measure(sketch([one]), labels=labels)
    assert classes["label_gain"].value > 0.95
    assert abs(chance["label_gain"].value) < 0.1
    assert classes["nc1"].value < chance["nc1"].value / 5
    modalities = measure(sketch([torch.stack([one, torch.ones(200, 16)])]), modalities=True)
    assert (
        modalities["modality_spread"].value < 1e-6 < 0.8 < modalities["relative_spread"].value
    )  # the whole hides a point


@pytest.mark.slow
def test_a_merged_sketch_measures_the_same() -> None:
    z = power_law(1.0, 300, 16)
    parts = merge_sketches(sketch([z[200:]], start=200), sketch([z[:200]]))
    whole, merged = of(z), measure(parts)
    for name, one in whole.items():
        assert merged[name].value == pytest.approx(one.value, rel=1e-7, abs=1e-9), name


@pytest.mark.slow
@pytest.mark.parametrize("offset", [0.0, 30.0])
def test_fewer_rows_than_dimensions_measure_as_by_moments_of_dimensions(offset: float) -> None:
    z = power_law(1.0, 300, 400) + offset
    z[:, 7], z[:, 8] = -2 * z[:, 9], 5.0  # a copy, and a dimension that is dead
    few, many = sketch([z]), sketch([z], sample=299)  # which makes moments of dimensions, in as many groups
    assert (few.total.scatter.shape, many.total.scatter.shape) == ((301, 301), (400, 400))
    of_few, of_many = (of_moments(one) | of_directions(one) for one in (few, many))
    assert of_few.keys() == of_many.keys()
    for name, one in of_many.items():
        for part in ("value", "low", "high"):
            ours, theirs = getattr(of_few[name], part), getattr(one, part)
            assert ours == (theirs and pytest.approx(theirs, rel=1e-9, abs=1e-9)), (name, part)


EDGES = {
    "one row": torch.ones(1, 3),
    "two rows": torch.eye(2),
    "three rows": gaussian(3, 5),
    "one number": torch.zeros(1, 1),
    "zeros": torch.zeros(50, 4),
    "constant": torch.full((50, 4), 0.1),
    "one dimension": gaussian(50, 1),
    "huge": (gaussian(50, 4) * 1e36).float(),
    "tiny": (gaussian(50, 4) * 1e-36).float(),
    "bf16": gaussian(50, 4).bfloat16(),
    "all rows twice": gaussian(25, 4).repeat(2, 1),
}


@pytest.mark.parametrize("name", EDGES)
def test_edges_give_finite_numbers_and_figures(name: str) -> None:
    whole = sketch([EDGES[name]])
    found = measure(whole, labels=torch.arange(whole.n) % 2)
    assert [one.name for one in found.values() if not math.isfinite(one.value)] == []
    for figure in figures(whole).values():
        for values in figure.values():
            assert values is None or all(math.isfinite(value) for value in values)


def test_the_cosines_are_a_density_beside_that_of_uniform_directions() -> None:
    drawn = figures(sketch([gaussian(500, 8)]))["cosines"]
    width = 2 / len(drawn["density"])
    assert sum(drawn["density"]) * width == pytest.approx(1)
    assert sum(drawn["null"]) * width == pytest.approx(1)
    assert max(abs(a - b) for a, b in zip(drawn["density"], drawn["null"], strict=True)) < 0.06


@pytest.mark.parametrize("dims", [1, 48])
def test_no_value_leaves_its_interval_by_rounding(dims: int) -> None:
    z = torch.randn(5000, dims, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    even = torch.linalg.qr(z - z.mean(0))[0] * 100  # of full rank, but for rounding
    ends = [(one.low, one.value, one.high) for one in measure(sketch([even])).values() if one.low is not None]
    assert len(ends) >= 5
    assert [one for one in ends if list(one) != sorted(one)] == []  # type: ignore[type-var]

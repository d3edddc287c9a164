"""The contract of every listed metric, as `fullrank.testing` publishes it; it refuses metrics that are broken."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import replace
from typing import get_args

import pytest
from torch import Tensor

import fullrank.metrics as room
from fullrank.diagnosis import sameness
from fullrank.errors import UserError
from fullrank.metrics import MEASUREMENTS, Collapse, Measurement, summarize
from fullrank.metrics.rank import uncentered_rankme
from fullrank.stats import Moments, spectrum
from fullrank.testing import check_metric, laws_of_metrics, laws_of_pair_metrics
from fullrank.testing.metric_clouds import rows

OF_ROWS = [metric for metric in MEASUREMENTS if metric.of in ("moments", "directions", "counts", "rows")]
OF_PAIRS = [metric for metric in MEASUREMENTS if metric.of == "pair"]
NO_METRICS = {  # several numbers, or helpers
    *("hill_profile", "alpha_req", "modality_gap", "neural_collapse", "class_ranks"),
    *("gaussian_like", "uniform_energy", "isotropic_hill"),
    *("summarize", "summarize_moments", "summarize_neighbors", "properties", "isotropic_spectrum"),
    *("jackknife", "jackknife_all", "jackknife_difference", "moment_groups", "rows_needed"),
    *("jackknife_pairs", "jackknife_rows", "pair_estimates", "alignment_estimate"),
    *("between_class_distance", "within_class_distance", "separability", "silhouette"),
    *("misplaced", "turned"),
}
OF_A_COMPARISON = {"frechet_distance", "index_overlap", "matched_cosine", "matched_ranks", "mean_shift", "mmd"}
BY_NAME = {metric.name: metric for metric in MEASUREMENTS}


def faults(metrics: list[Measurement], law: str) -> list[str]:
    """What the contract says of those that break a law."""
    said = []
    for metric in metrics:
        try:
            check_metric(metric, law=law)
        except AssertionError as error:
            said.append(str(error))
    return said


@pytest.mark.parametrize("law", laws_of_metrics)
def test_every_metric_keeps(law: str) -> None:
    assert faults(OF_ROWS, law) == []


@pytest.mark.parametrize("law", laws_of_pair_metrics)
def test_every_metric_of_two_embeddings_keeps(law: str) -> None:
    assert faults(OF_PAIRS, law) == []


def test_every_public_function_is_listed_and_says_what_it_is_blind_to() -> None:
    public = {name for name in room.__all__ if inspect.isfunction(getattr(room, name))} - NO_METRICS
    own = {metric.name: metric for metric in MEASUREMENTS if getattr(room, metric.name, None) is metric.function}
    wrapped = {"sigreg"}  # measured with fewer slices
    assert public == {*own, *wrapped, *OF_A_COMPARISON}
    for name in (*own, *OF_A_COMPARISON):
        said = " ".join((getattr(room, name).__doc__ or "").split())
        assert "Blind to" in said or "not measure" in said, name


def test_every_number_that_compare_shows_is_of_a_public_function() -> None:
    source = inspect.getsource(sameness)
    imported = {line.strip(" ,") for line in source.split("from fullrank.metrics import (")[1].split(")")[0].split()}
    assert {name for name in imported if name} <= set(room.__all__)
    assert imported >= OF_A_COMPARISON


def test_every_record_has_a_name_of_its_own_and_says_what_its_numbers_are() -> None:
    assert len(BY_NAME) == len(MEASUREMENTS)
    for metric in MEASUREMENTS:
        assert metric.group is None or (metric.title and metric.conventions), metric.name
        assert metric.which is None or metric.which_are is not None, metric.name


def test_no_collapse_escapes_a_monitor_row() -> None:
    row = summarize(rows())
    watching = [metric for metric in OF_ROWS if metric.name in row and metric.grades]
    for kind in get_args(Collapse):
        assert sum(kind not in (metric.blind_to or ()) for metric in watching) >= 2


def padded_rankme(z: Tensor) -> float:
    """Gives total collapse the highest score: the constant is larger than what is left."""
    return uncentered_rankme(spectrum(z, centered=False), eps=0.02)


def forgets_the_mean(z: Tensor | Moments) -> float:
    return room.rankme(z, convention="paper" if isinstance(z, Tensor) else "centered")


def without_checks(z: Tensor) -> float:
    return 5.0


def broken(name: str, function: Callable[..., float]) -> Measurement:
    return replace(BY_NAME[name], function=function)


ERANK, SPREAD, W2 = BY_NAME["effective_rank"], BY_NAME["relative_spread"], BY_NAME["w2_uniformity"]


@pytest.mark.parametrize(
    ("law", "metric", "sentence"),
    [
        ("dimensional", broken("effective_rank", lambda z: -ERANK.function(z)), "which is not falling"),
        ("dimensional", replace(ERANK, direction="low"), "which is not rising"),
        ("complete", replace(ERANK, blind_to=frozenset()), "over 4 grades of complete collapse it is"),
        ("cone", replace(W2, blind_to=frozenset({"cone"})), "sees what it is said to be blind to"),
        ("cluster", broken("rankme", without_checks), "which is not falling"),
        ("collapsed", broken("rankme", padded_rankme), "256 equal rows give"),
        ("collapsed", broken("relative_spread", lambda z: float(z.std() / z.norm())), "equal rows give"),
        ("defined", broken("relative_spread", lambda z: float(z.double().std() / z.double().norm())), "it is nan"),
        ("defined", broken("effective_rank", lambda z: 2.0 * ERANK.function(z)), "beyond its range 1 to"),
        ("defined", broken("effective_rank", lambda z: z.double().sum()), "is a Tensor, and no float"),
        ("ideal", broken("w2_uniformity", lambda z: W2.function(z) + 0.1), "and the ideal is 0"),
        ("order and scale", broken("effective_rank", lambda z: ERANK.function(z[:100])), "in another order"),
        ("order and scale", broken("relative_spread", lambda z: float(z.double().std())), "a million times the rows"),
        ("axes", replace(BY_NAME["dead_dimensions"], rotates=True), "of the same rows rotated"),
        ("axes", replace(SPREAD, rotates=False), "said to depend on the axes"),
        ("moments", replace(BY_NAME["rankme"], function=forgets_the_mean), "and their moments"),
        ("null", replace(ERANK, expected=lambda _n, dims: float(dims)), "isotropic rows in 100 dimensions give"),
        ("refuses", broken("rankme", without_checks), "and no UserError"),
        ("alike", broken("cka", lambda _one, _two: 0.0), "and the ideal is 1"),
        ("unrelated", broken("cka", lambda _one, _two: 1.0), "unrelated rows give 1"),
        ("refuses", broken("knn_overlap", lambda _one, _two: 1.0), "and no UserError"),
    ],
)
def test_the_contract_refuses_broken_metrics_and_says_on_which_numbers(
    law: str, metric: Measurement, sentence: str
) -> None:
    with pytest.raises(AssertionError, match=f'^{metric.name} breaks the law "{law}"') as refused:
        check_metric(metric, law=law)
    assert sentence in str(refused.value)


def test_an_unknown_law_gets_the_closest_name() -> None:
    with pytest.raises(UserError, match="There is no law 'idea' of rankme: did you mean ideal"):
        check_metric(BY_NAME["rankme"], law="idea")

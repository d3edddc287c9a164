"""Room 1: one number about an embedding, what it means and what it cannot see."""

from __future__ import annotations

from fullrank.metrics.catalogue import METRICS, PAIR_METRICS, Collapse, Metric, PairMetric
from fullrank.metrics.dimensions import dead_dimensions, duplicate_dimensions
from fullrank.metrics.isotropic import isotropic_spectrum
from fullrank.metrics.properties import Properties, Property, properties
from fullrank.metrics.rank import (
    condition_number,
    dims_for_variance,
    effective_rank,
    participation_ratio,
    rankme,
    stable_rank,
    unbiased_participation_ratio,
)
from fullrank.metrics.separability import between_class_distance, separability, silhouette, within_class_distance
from fullrank.metrics.spread import dimension_std, mean_cosine, relative_spread
from fullrank.metrics.summary import summarize, summarize_moments
from fullrank.metrics.uncertainty import Estimate, jackknife, jackknife_all, moment_groups, rows_needed
from fullrank.metrics.uniformity import alignment, uniformity, w2_uniformity

__all__ = [
    "METRICS",
    "PAIR_METRICS",
    "Collapse",
    "Estimate",
    "Metric",
    "PairMetric",
    "Properties",
    "Property",
    "alignment",
    "between_class_distance",
    "condition_number",
    "dead_dimensions",
    "dimension_std",
    "dims_for_variance",
    "duplicate_dimensions",
    "effective_rank",
    "isotropic_spectrum",
    "jackknife",
    "jackknife_all",
    "mean_cosine",
    "moment_groups",
    "participation_ratio",
    "properties",
    "rankme",
    "relative_spread",
    "rows_needed",
    "separability",
    "silhouette",
    "stable_rank",
    "summarize",
    "summarize_moments",
    "unbiased_participation_ratio",
    "uniformity",
    "w2_uniformity",
    "within_class_distance",
]

"""One number about an embedding, what it means and what it cannot see."""

from __future__ import annotations

from fullrank.metrics.catalog import (
    DESCRIPTIONS,
    METRICS,
    PAIR_METRICS,
    Collapse,
    Description,
    Metric,
    PairMetric,
)
from fullrank.metrics.dimensions import dead_dimensions, dimension_gap, duplicate_dimensions, rogue_dimension
from fullrank.metrics.energy import hyperspherical_energy, koleo, uniform_energy
from fullrank.metrics.isotropic import isotropic_hill, isotropic_spectrum
from fullrank.metrics.labels import NeuralCollapse, class_ranks, neural_collapse
from fullrank.metrics.modality_gap import ModalityGap, modality_gap
from fullrank.metrics.neighbors import (
    antihub_share,
    duplicate_rows,
    gaussian_like,
    hub_skewness,
    mle_dimension,
    near_duplicate_rows,
    relative_contrast,
    summarize_neighbors,
    two_nn,
)
from fullrank.metrics.normality import sigreg
from fullrank.metrics.pair_uncertainty import alignment_estimate, pair_estimates
from fullrank.metrics.properties import Properties, Property, properties
from fullrank.metrics.rank import (
    condition_number,
    dims_for_variance,
    effective_rank,
    iso_score,
    nesum,
    participation_ratio,
    plugin_participation_ratio,
    rankme,
    stable_rank,
)
from fullrank.metrics.separability import between_class_distance, separability, silhouette, within_class_distance
from fullrank.metrics.shape import (
    PowerLaw,
    alpha_req,
    coherence,
    decay_exponent,
    head_weight,
    hill_profile,
    self_cluster,
    spectrum_auc,
)
from fullrank.metrics.spread import dimension_std, mean_cosine, norm_variation, relative_spread, row_norm, zero_rows
from fullrank.metrics.summary import summarize, summarize_moments
from fullrank.metrics.uncertainty import (
    Estimate,
    jackknife,
    jackknife_all,
    jackknife_difference,
    jackknife_pairs,
    jackknife_rows,
    moment_groups,
    rows_needed,
)
from fullrank.metrics.uniformity import alignment, uniformity, w2_uniformity
from fullrank.metrics.views import cka, knn_overlap, lidar, view_retrieval

__all__ = [
    "DESCRIPTIONS",
    "METRICS",
    "PAIR_METRICS",
    "Collapse",
    "Description",
    "Estimate",
    "Metric",
    "ModalityGap",
    "NeuralCollapse",
    "PairMetric",
    "PowerLaw",
    "Properties",
    "Property",
    "alignment",
    "alignment_estimate",
    "alpha_req",
    "antihub_share",
    "between_class_distance",
    "cka",
    "class_ranks",
    "coherence",
    "condition_number",
    "dead_dimensions",
    "decay_exponent",
    "dimension_gap",
    "dimension_std",
    "dims_for_variance",
    "duplicate_dimensions",
    "duplicate_rows",
    "effective_rank",
    "gaussian_like",
    "head_weight",
    "hill_profile",
    "hub_skewness",
    "hyperspherical_energy",
    "iso_score",
    "isotropic_hill",
    "isotropic_spectrum",
    "jackknife",
    "jackknife_all",
    "jackknife_difference",
    "jackknife_pairs",
    "jackknife_rows",
    "knn_overlap",
    "koleo",
    "lidar",
    "mean_cosine",
    "mle_dimension",
    "modality_gap",
    "moment_groups",
    "near_duplicate_rows",
    "nesum",
    "neural_collapse",
    "norm_variation",
    "pair_estimates",
    "participation_ratio",
    "plugin_participation_ratio",
    "properties",
    "rankme",
    "relative_contrast",
    "relative_spread",
    "rogue_dimension",
    "row_norm",
    "rows_needed",
    "self_cluster",
    "separability",
    "sigreg",
    "silhouette",
    "spectrum_auc",
    "stable_rank",
    "summarize",
    "summarize_moments",
    "summarize_neighbors",
    "two_nn",
    "uniform_energy",
    "uniformity",
    "view_retrieval",
    "w2_uniformity",
    "within_class_distance",
    "zero_rows",
]

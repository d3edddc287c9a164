"""Metrics of embeddings: each is one number, with what it means and what it cannot see.

Every metric takes a tensor, an array, lists of numbers, or a `Cloud`, whose own seed then counts; LiDAR takes a stack.
"""

from __future__ import annotations

from fullrank.metrics.classes import (
    CLASS_DIRECTIONS,
    CLASS_RANK,
    CLASS_SPREAD,
    CLASSES,
    LABEL_GAIN,
    NC1,
    NC2_ANGLES,
    NC2_NORMS,
    NEIGHBOR_LABELS,
)
from fullrank.metrics.cloud import Cloud
from fullrank.metrics.codebook import (
    CODE_USE,
    COMMONEST_ROW,
    DIFFERENT_ROWS,
    LONE_ROWS,
    OTHER_COPIES,
    code_use,
    commonest_row,
    different_rows,
    lone_rows,
)
from fullrank.metrics.coherence import COHERENCE, coherence
from fullrank.metrics.condition_number import CONDITION_NUMBER, condition_number
from fullrank.metrics.correspondence import (
    index_overlap,
    matched_cosine,
    matched_ranks,
    mean_shift,
    misplaced,
    turned,
)
from fullrank.metrics.dimensions import (
    DEAD_DIMENSIONS,
    DIMENSION_GAP,
    DUPLICATE_DIMENSIONS,
    ROGUE_DIMENSION,
    dead_dimensions,
    dimension_gap,
    duplicate_dimensions,
    rogue_dimension,
)
from fullrank.metrics.energy import HYPERSPHERICAL_ENERGY, KOLEO, hyperspherical_energy, koleo, uniform_energy
from fullrank.metrics.head import BIMODALITY, HEAD_ERROR, HEAD_GAP, SIDE_BIMODALITY, bimodality, head_gap
from fullrank.metrics.hubs import (
    ANTIHUB_EXCESS,
    ANTIHUB_SHARE,
    HUB_EXCESS,
    HUB_SKEWNESS,
    antihub_share,
    gaussian_like,
    hub_skewness,
)
from fullrank.metrics.isotropic import isotropic_hill, isotropic_spectrum
from fullrank.metrics.jump import NEIGHBOR_JUMP, neighbor_jump
from fullrank.metrics.labels import NeuralCollapse, class_ranks, neural_collapse
from fullrank.metrics.modality_gap import (
    GAP_DISTANCE,
    GAP_GAIN,
    GAP_RATIO,
    GAP_SEPARABLE,
    MODALITY_SPREAD,
    ModalityGap,
    modality_gap,
)
from fullrank.metrics.neighbor_agreement import NEIGHBOR_AGREEMENT, neighbor_agreement
from fullrank.metrics.neighbors import (
    DUPLICATE_ROWS,
    MLE_DIMENSION,
    NEAR_DUPLICATE_ROWS,
    RELATIVE_CONTRAST,
    TWO_NN,
    duplicate_rows,
    mle_dimension,
    near_duplicate_rows,
    relative_contrast,
    summarize_neighbors,
    two_nn,
)
from fullrank.metrics.normality import SIGREG, sigreg
from fullrank.metrics.outweighing import (
    OUTWEIGHING_SHARE,
    RANK_BEHIND,
    SHARE_BEHIND,
    outweighing_share,
    rank_behind,
)
from fullrank.metrics.pair_uncertainty import alignment_estimate, pair_estimates
from fullrank.metrics.participation import (
    ISO_SCORE,
    PARTICIPATION_RATIO,
    PLUGIN_PARTICIPATION_RATIO,
    iso_score,
    participation_ratio,
    plugin_participation_ratio,
)
from fullrank.metrics.power_law import ALPHA_REQ, ALPHA_REQ_FIT, PowerLaw, alpha_req
from fullrank.metrics.properties import Properties, Property, properties
from fullrank.metrics.rank import (
    DIMS_FOR_VARIANCE,
    EFFECTIVE_RANK,
    NESUM,
    RANK_SHARE,
    RANKME,
    RANKME_CENTERED,
    STABLE_RANK,
    dims_for_variance,
    effective_rank,
    nesum,
    rank_share,
    rankme,
    rankme_centered,
    stable_rank,
)
from fullrank.metrics.record import Collapse, Measurement
from fullrank.metrics.separability import between_class_distance, separability, silhouette, within_class_distance
from fullrank.metrics.shape import (
    DECAY_EXPONENT,
    HEAD_WEIGHT,
    SPECTRUM_AUC,
    decay_exponent,
    head_weight,
    hill_profile,
    spectrum_auc,
)
from fullrank.metrics.signal import SIGNAL_RANK, SIGNAL_SHARE, signal_rank, signal_share
from fullrank.metrics.single_rows import ENERGY_SHARE, FAR_SPREAD, NEAR_EMPTY_ROWS, ZERO_ROWS, zero_rows
from fullrank.metrics.spread import (
    COSINE_EXCESS,
    DIMENSION_STD,
    MEAN_COSINE,
    NEGATIVE_SHARE,
    NORM_VARIATION,
    RELATIVE_SPREAD,
    ROW_NORM,
    ZERO_VALUES,
    dimension_std,
    mean_cosine,
    negative_share,
    norm_variation,
    relative_spread,
    row_norm,
)
from fullrank.metrics.summary import summarize, summarize_moments
from fullrank.metrics.two_samples import Permuted, frechet_distance, mmd
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
from fullrank.metrics.uniformity import (
    ALIGNMENT,
    SELF_CLUSTER,
    UNIFORMITY,
    W2_UNIFORMITY,
    alignment,
    self_cluster,
    uniformity,
    w2_uniformity,
)
from fullrank.metrics.views import CKA, KNN_OVERLAP, LIDAR, VIEW_RETRIEVAL, cka, knn_overlap, lidar, view_retrieval

MEASUREMENTS: tuple[Measurement, ...] = (  # in the order of a report, and then those that no report shows
    *(RELATIVE_SPREAD, MEAN_COSINE, COSINE_EXCESS, NEGATIVE_SHARE, DIMENSION_STD, ZERO_ROWS, NEAR_EMPTY_ROWS),
    *(ZERO_VALUES, ENERGY_SHARE, FAR_SPREAD, ROW_NORM, NORM_VARIATION),
    *(EFFECTIVE_RANK, RANKME, RANKME_CENTERED, RANK_SHARE, PARTICIPATION_RATIO, NESUM, STABLE_RANK),
    *(SIGNAL_RANK, SIGNAL_SHARE),
    *(DECAY_EXPONENT, HEAD_WEIGHT, HEAD_GAP, HEAD_ERROR, DIMS_FOR_VARIANCE, SPECTRUM_AUC, ISO_SCORE, ALPHA_REQ),
    *(ALPHA_REQ_FIT, SELF_CLUSTER, W2_UNIFORMITY, BIMODALITY, SIDE_BIMODALITY),
    *(DEAD_DIMENSIONS, DUPLICATE_DIMENSIONS, ROGUE_DIMENSION, DIMENSION_GAP),
    *(OUTWEIGHING_SHARE, RANK_BEHIND, SHARE_BEHIND),
    *(UNIFORMITY, HYPERSPHERICAL_ENERGY, RELATIVE_CONTRAST, NEIGHBOR_JUMP, TWO_NN, MLE_DIMENSION),
    *(HUB_SKEWNESS, HUB_EXCESS, ANTIHUB_SHARE, ANTIHUB_EXCESS, DUPLICATE_ROWS, NEAR_DUPLICATE_ROWS, SIGREG, COHERENCE),
    *(DIFFERENT_ROWS, LONE_ROWS, COMMONEST_ROW, OTHER_COPIES, CODE_USE),
    NEIGHBOR_AGREEMENT,
    *(ALIGNMENT, VIEW_RETRIEVAL, KNN_OVERLAP, LIDAR, MODALITY_SPREAD, GAP_DISTANCE, GAP_RATIO, GAP_SEPARABLE),
    GAP_GAIN,
    *(NC1, NC2_NORMS, NC2_ANGLES, NEIGHBOR_LABELS, LABEL_GAIN, CLASSES, CLASS_DIRECTIONS, CLASS_RANK, CLASS_SPREAD),
    *(PLUGIN_PARTICIPATION_RATIO, CONDITION_NUMBER, KOLEO, CKA),
)

__all__ = [
    "MEASUREMENTS",
    "Cloud",
    "Collapse",
    "Estimate",
    "Measurement",
    "ModalityGap",
    "NeuralCollapse",
    "Permuted",
    "PowerLaw",
    "Properties",
    "Property",
    "alignment",
    "alignment_estimate",
    "alpha_req",
    "antihub_share",
    "between_class_distance",
    "bimodality",
    "cka",
    "class_ranks",
    "code_use",
    "coherence",
    "commonest_row",
    "condition_number",
    "dead_dimensions",
    "decay_exponent",
    "different_rows",
    "dimension_gap",
    "dimension_std",
    "dims_for_variance",
    "duplicate_dimensions",
    "duplicate_rows",
    "effective_rank",
    "frechet_distance",
    "gaussian_like",
    "head_gap",
    "head_weight",
    "hill_profile",
    "hub_skewness",
    "hyperspherical_energy",
    "index_overlap",
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
    "lone_rows",
    "matched_cosine",
    "matched_ranks",
    "mean_cosine",
    "mean_shift",
    "misplaced",
    "mle_dimension",
    "mmd",
    "modality_gap",
    "moment_groups",
    "near_duplicate_rows",
    "negative_share",
    "neighbor_agreement",
    "neighbor_jump",
    "nesum",
    "neural_collapse",
    "norm_variation",
    "outweighing_share",
    "pair_estimates",
    "participation_ratio",
    "plugin_participation_ratio",
    "properties",
    "rank_behind",
    "rank_share",
    "rankme",
    "rankme_centered",
    "relative_contrast",
    "relative_spread",
    "rogue_dimension",
    "row_norm",
    "rows_needed",
    "self_cluster",
    "separability",
    "signal_rank",
    "signal_share",
    "sigreg",
    "silhouette",
    "spectrum_auc",
    "stable_rank",
    "summarize",
    "summarize_moments",
    "summarize_neighbors",
    "turned",
    "two_nn",
    "uniform_energy",
    "uniformity",
    "view_retrieval",
    "w2_uniformity",
    "within_class_distance",
    "zero_rows",
]

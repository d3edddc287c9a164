"""The measurements of a diagnosis by name: what each is called, how it was computed and what is healthy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from fullrank.metrics import METRICS

Direction = Literal["high", "low", "none"]


@dataclass(frozen=True)
class Name:
    """One measurement: its title, the group it is shown in, how it was computed, which way and value is healthy.

    healthy is a number, or None where none is; where `times_dims`, a share of the dimensions.
    """

    title: str
    group: str
    conventions: str
    direction: Direction
    healthy: float | None = None
    blind_to: tuple[str, ...] = ()
    times_dims: bool = False


_OF_COVARIANCE = "centered, not normalized, divisor N, no eps"
_OF_UNIT = "rows scaled to length 1"
_OF_PAIRS = "Euclidean, not normalized, without copies of rows"
_NO_INTERVAL = "no interval: rows share neighbors"
_OF_COPIES = "equal in every value, first view; exact to 2^20 different rows, estimated beyond (then with an interval)"
_OVER_NULL = f"null: Gaussian, same spectrum; {_NO_INTERVAL}"
_AT_THIS_N = "interval of samples of this size"
_LISTED = {metric.name: metric for metric in METRICS}


def _listed(name: str, title: str, group: str, conventions: str) -> Name:
    """A metric of the catalog, which knows its direction, its ideal and what it is blind to."""
    metric = _LISTED[name]
    direction: Direction = "high" if metric.higher_is_healthier else "low"
    blind_to = tuple(sorted(metric.blind_to))
    return Name(title, group, conventions, direction, metric.ideal, blind_to, metric.times_dims)


_SPREAD = {
    "relative_spread": _listed("relative_spread", "relative spread", "spread", "about the origin, divisor N"),
    "mean_cosine": _listed("mean_cosine", "mean cosine", "spread", f"{_OF_UNIT}, all pairs, unbiased"),
    "cosine_excess": Name(
        "mean cosine beyond that of the signs", "spread", "0: 2 / pi if no value is negative, else 0; 1: 1", "low", 0.0
    ),
    "negative_share": Name("negative values", "spread", "share of all values", "none"),
    "dimension_std": _listed("dimension_std", "SimSiam std x sqrt(D)", "spread", f"{_OF_UNIT}, divisor N"),
    "zero_rows": Name("rows of zeros", "spread", "share of all rows", "low", 0.0),
    "near_empty_rows": Name(
        "near-empty rows", "spread", "share of all rows, left out: below a thousandth of the median norm", "low", 0.0
    ),
    "energy_share": Name(
        "energy of exploded rows", "spread", "share of the sum of squared norms, of single rows left out", "low", 0.0
    ),
    "row_norm": Name("norm of the rows", "spread", "root mean square, in the unit of the rows as they came", "none"),
    "norm_variation": Name("variation of the norms", "spread", "standard deviation over mean", "none"),
}
_SPECTRUM = {
    "effective_rank": _listed("effective_rank", "effective rank D1", "spectrum", f"of eigenvalues, {_OF_COVARIANCE}"),
    "rankme": _listed("rankme", "RankMe", "spectrum", "of singular values, uncentered, eps 1e-7 (Garrido et al.)"),
    "rankme_centered": Name(
        *("RankMe, centered", "spectrum", f"of singular values, {_OF_COVARIANCE}", "high", 1.0),
        ("complete", "cone"),
        times_dims=True,
    ),
    "rank_share": Name(
        *("centered RankMe of what is possible", "spectrum", "over min(N - 1, D)", "high", 1.0),
        ("complete", "cone"),
    ),
    "participation_ratio": _listed(
        *("participation_ratio", "participation ratio D2", "spectrum"),
        "unbiased in N (Himeno & Yamada), centered, not normalized",
    ),
    "nesum": _listed("nesum", "NESum", "spectrum", f"of eigenvalues, {_OF_COVARIANCE}"),
    "stable_rank": _listed("stable_rank", "stable rank", "spectrum", "uncentered, not normalized"),
    "decay_exponent": _listed(
        *("decay_exponent", "power-law exponent of the participation ratio", "spectrum"),
        "of the unbiased participation ratio; free of the width",
    ),
    "head_weight": Name(
        *("weight of the head of the spectrum", "spectrum", "difference of two power-law exponents; N >= 2 D"),
        *("none", None, ("complete", "cone")),
    ),
    "head_gap": Name(
        *("largest jump among the first eigenvalues", "spectrum", "ratio of neighbors, of the first four", "low"),
        *(None, ("complete", "cone", "dimensional")),
    ),
    "head_error": Name(
        *("standard error of the largest eigenvalue", "spectrum", "share of it, by the kurtosis along it", "low"),
    ),
    "dims_for_variance": _listed("dims_for_variance", "dimensions for 90 % of variance", "spectrum", _OF_COVARIANCE),
    "spectrum_auc": _listed("spectrum_auc", "area under cumulative variance", "spectrum", _OF_COVARIANCE),
    "iso_score": _listed("iso_score", "IsoScore", "spectrum", f"plug-in, {_OF_COVARIANCE}"),
    "alpha_req": Name("alpha-ReQ", "spectrum", "eigenvalues 11 to 100, weights 1/j", "none", 1.0, ("complete", "cone")),
    "alpha_req_fit": Name("fit of alpha-ReQ", "spectrum", "share of the log variance explained", "none"),
    "self_cluster": _listed("self_cluster", "SelfCluster", "spectrum", f"{_OF_UNIT}, uncentered, unbiased"),
    "w2_uniformity": _listed("w2_uniformity", "W2 uniformity", "spectrum", f"{_OF_UNIT}, divisor N"),
    "bimodality": Name("two groups along the first direction", "spectrum", "1 / kurtosis; a normal gives 1/3", "none"),
}
_DIMENSIONS = {
    "dead_dimensions": _listed("dead_dimensions", "dead dimensions", "dimensions", "variance <= 1e-6 of the largest"),
    "duplicate_dimensions": _listed("duplicate_dimensions", "copied dimensions", "dimensions", "|correlation| > 0.999"),
    "rogue_dimension": Name(
        *("largest variance of a dimension over the mean", "dimensions", _OF_COVARIANCE, "low", 1.0)
    ),
    "dimension_gap": Name(
        *("largest jump among the first variances", "dimensions", "ratio of neighbors, of the first four", "low"),
    ),
}
_PAIRS = {
    "uniformity": _listed("uniformity", "uniformity", "pairs", f"{_OF_UNIT}, t = 2, all pairs"),
    "hyperspherical_energy": _listed("hyperspherical_energy", "energy", "pairs", f"{_OF_UNIT}, power 2, chords"),
    "relative_contrast": _listed(
        *("relative_contrast", "relative contrast", "pairs"),
        f"{_OF_PAIRS}; no interval: the median of all pairs, without each group of rows, takes too long",
    ),
    "contrast_excess": Name("relative contrast over its null", "pairs", _OVER_NULL, "low", 1.0),
    "two_nn": Name("intrinsic dimension, TwoNN", "pairs", f"{_OF_PAIRS}, 10 % left out; {_AT_THIS_N}", "none"),
    "mle_dimension": Name("intrinsic dimension, MLE", "pairs", f"{_OF_PAIRS}, k = 10; {_NO_INTERVAL}", "none"),
    "hub_skewness": Name("hubness", "pairs", f"cosine, k = 10; {_OVER_NULL}", "low"),
    "hub_excess": Name("hubness above its null", "pairs", _OVER_NULL, "low", 0.0),
    "antihub_share": Name("rows that are nobody's neighbor", "pairs", f"cosine, k = 10; {_NO_INTERVAL}", "low"),
    "antihub_excess": Name("rows that are nobody's above its null", "pairs", _OVER_NULL, "low", 0.0),
    "duplicate_rows": Name("rows that repeat another", "pairs", _OF_COPIES, "low", 0.0),
    "near_duplicate_rows": Name(
        "rows with a near copy", "pairs", f"cosine > 0.99, uncentered; {_NO_INTERVAL}", "low", 0.0
    ),
    "sigreg": Name("SIGReg, standardized", "pairs", "128 slices, [0, 3] x 17 knots; no interval: biased", "none", 0.5),
    "coherence": Name("coherence", "pairs", "uncentered; no interval: a maximum", "none", 1.0),
}
_VIEWS = {
    "alignment": Name("alignment of two views", "views", f"{_OF_UNIT}, squared distance", "low", 0.0, ("all",)),
    "view_retrieval": Name(
        "views found again", "views", f"cosine, nearest row; {_NO_INTERVAL}", "high", 1.0, ("dimensional", "cluster")
    ),
    "knn_overlap": Name(
        "shared neighbors of two views", "views", f"cosine, k = 10; {_NO_INTERVAL}", "high", 1.0, ("all",)
    ),
    "lidar": Name("LiDAR", "views", "ridge 1e-4 of the mean variance (ours)", "high", None, ("complete", "cone")),
    "tower_spread": Name("spread of the narrower tower", "towers", "relative spread of each", "high", 1.0),
    "gap_distance": Name("distance of the towers' means", "towers", _OF_UNIT, "none"),
    "gap_ratio": Name("gap over spread", "towers", _OF_UNIT, "none"),
    "gap_separable": Name("rows nearer to their own tower", "towers", f"{_OF_UNIT}, held-out half", "none", 0.5),
    "gap_gain": Name("retrieval gained by centering each tower", "towers", "cosine", "low", 0.0),
}
_LABELS = {
    "nc1": Name("NC1, variability within classes", "labels", "over between classes, pseudo-inverse", "none"),
    "nc2_norms": Name("NC2, unequal norms of class means", "labels", "standard deviation over mean", "none"),
    "nc2_angles": Name("NC2, distance from a simplex", "labels", "mean |cosine + 1 / (C - 1)|", "none"),
    "neighbor_labels": Name("neighbors of the same class", "labels", "cosine, k = 10", "high", 1.0),
    "label_gain": Name("neighbors of the same class above chance", "labels", "0 chance, 1 all", "high", 1.0),
    "class_directions": Name(
        *("effective rank over classes less 1", "labels", "at most 1", "high", 1.0),
    ),
    "class_rank": Name("least rank of a class over the median", "labels", "unbiased participation ratio", "high", 1.0),
    "class_spread": Name("least spread of a class over the median", "labels", "relative spread", "high", 1.0),
}

NAMES: dict[str, Name] = _SPREAD | _SPECTRUM | _DIMENSIONS | _PAIRS | _VIEWS | _LABELS

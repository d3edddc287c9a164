"""All numbers of one monitor row."""

from __future__ import annotations

import math

from torch import Tensor

from fullrank.metrics._embeddings import eigenvalues, embeddings
from fullrank.metrics.dimensions import (
    dead_dimensions,
    dimension_gap,
    duplicate_dimensions,
    largest_jump,
    rogue_dimension,
)
from fullrank.metrics.rank import components, participation_ratio, unbiased_of_rows, uncentered_rankme
from fullrank.metrics.spread import dimension_std, mean_cosine, norm_variation, relative_spread, row_norm, zero_rows
from fullrank.metrics.uniformity import alignment, uniformity, w2_uniformity
from fullrank.stats import Moments, decay, hill


def summarize(z: Tensor, *, alignment_pair: tuple[Tensor, Tensor] | None = None) -> dict[str, float]:
    """The numbers that describe embeddings z (N, D), each decomposition done once; JSON-ready, never NaN.

    The names are those of a diagnosis. "participation_ratio" is the unbiased one, "rankme" the paper's,
    "dims_for_variance" at 0.90, and "head_weight" is there from N = 2 D on. With an `alignment_pair` of two
    views (M, D) there is "alignment" too. Read spread and rank together: neither sees what the other sees.

    >>> import torch
    >>> row = summarize(torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]]))
    >>> row["relative_spread"], round(row["effective_rank"], 6), row["n"], row["dims"]
    (1.0, 2.0, 4, 2)
    """
    x = embeddings(z)
    spectrum, raw = eigenvalues(x), eigenvalues(x, center=False)
    row: dict[str, float] = {
        "relative_spread": relative_spread(x),
        "mean_cosine": mean_cosine(x),
        "negative_share": float((x < 0).double().mean()),
        "dimension_std": dimension_std(x),
        "zero_rows": zero_rows(z),
        "row_norm": row_norm(z),
        "norm_variation": norm_variation(x),
        "effective_rank": float(hill(spectrum, 1)),
        "rankme": uncentered_rankme(raw),
        "rankme_centered": float(hill(spectrum.sqrt(), 1)),
        "participation_ratio": unbiased_of_rows(x, spectrum),
        "stable_rank": float(hill(raw, math.inf)),
        "dims_for_variance": components(spectrum, 0.90),
        "head_gap": largest_jump(spectrum),
        "w2_uniformity": w2_uniformity(x),
        "uniformity": uniformity(x),
        "dead_dimensions": dead_dimensions(x),
        "duplicate_dimensions": duplicate_dimensions(x),
        "rogue_dimension": rogue_dimension(x),
        "dimension_gap": dimension_gap(x),
    }
    row |= shape_of_ranks(row["rankme_centered"], row["participation_ratio"], *x.shape) | {
        "n": len(x),
        "dims": x.shape[1],
    }
    if alignment_pair is not None:
        row["alignment"] = alignment(*alignment_pair)
    return row


def shape_of_ranks(
    rankme_centered: float | None, participation_ratio: float, n: float, dims: float
) -> dict[str, float]:
    """What two ranks say of the shape of the spectrum of n rows in `dims` dimensions, free of the width.

    "rank_share" and "decay_exponent", and "head_weight" from N = 2 D on; only the second without a centered RankMe.

    >>> shape_of_ranks(8.0, 16.0, 400, 16)["rank_share"]
    0.5
    """
    found = {"decay_exponent": decay(participation_ratio, 2, dims)}
    if rankme_centered is None:
        return found
    possible = max(min(n - 1, dims), 1)
    found["rank_share"] = rankme_centered / possible
    if n >= 2 * dims:
        found["head_weight"] = found["decay_exponent"] - 2 * decay(rankme_centered, 1, possible)
    return found


def summarize_moments(z: Moments) -> dict[str, float]:
    """The smooth numbers that moments determine, with one decomposition of the covariance and one uncentered.

    The keys are those of `summarize`, but "rankme_centered" and "nesum" too. For streams, and for `jackknife_all`.

    >>> import torch
    >>> from fullrank.stats import moments
    >>> round(summarize_moments(moments(torch.eye(3)))["rankme_centered"], 6)
    2.0
    """
    spectrum, raw = eigenvalues(z), eigenvalues(z, center=False)
    return {
        "relative_spread": relative_spread(z),
        "effective_rank": float(hill(spectrum, 1)),
        "rankme": uncentered_rankme(raw),
        "rankme_centered": float(hill(spectrum.sqrt(), 1)),
        "participation_ratio": participation_ratio(z),
        "stable_rank": float(hill(raw, math.inf)),
        "nesum": float(hill(spectrum, math.inf)),
    }

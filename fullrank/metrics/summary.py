"""All numbers of one monitor row."""

from __future__ import annotations

import math

from torch import Tensor

from fullrank.metrics._embeddings import eigenvalues, embeddings
from fullrank.metrics.dimensions import dead_dimensions
from fullrank.metrics.rank import components, participation_ratio, unbiased_of_rows, uncentered_rankme
from fullrank.metrics.spread import dimension_std, mean_cosine, relative_spread
from fullrank.metrics.uniformity import alignment, uniformity, w2_uniformity
from fullrank.stats import Moments, hill


def summarize(z: Tensor, *, alignment_pair: tuple[Tensor, Tensor] | None = None) -> dict[str, float]:
    """The numbers that describe embeddings z (N, D), each decomposition done once; JSON-ready, never NaN.

    "participation_ratio" is the unbiased one and "rankme" the paper's; "std" is `dimension_std`, "w2"
    `w2_uniformity`, "dead" `dead_dimensions`, "dims90" `dims_for_variance` at 0.90. With an `alignment_pair` of two
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
        "std": dimension_std(x),
        "effective_rank": float(hill(spectrum, 1)),
        "rankme": uncentered_rankme(raw),
        "participation_ratio": unbiased_of_rows(x, spectrum),
        "stable_rank": float(hill(raw, math.inf)),
        "w2": w2_uniformity(x),
        "uniformity": uniformity(x),
        "dims90": components(spectrum, 0.90),
        "dead": dead_dimensions(x),
        "n": x.shape[0],
        "dims": x.shape[1],
    }
    if alignment_pair is not None:
        row["alignment"] = alignment(*alignment_pair)
    return row


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

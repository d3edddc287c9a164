"""What every public loss promises under the laws of contract.py: exceptions with their reasons, weights, plateaus."""

from __future__ import annotations

import math
from functools import partial

import torch
from torch import Tensor, nn

from fullrank.losses import LOSSES, STATEFUL_LOSSES, Terms, dcl, hill_entropy, intl, intl_beta, mec
from tests.losses.contract import Loss
from tests.losses.sliced import sigreg_of_a_point, visreg_of_a_point


def fresh(stateful: type[nn.Module], z: Tensor) -> Terms:
    """The first step of a loss that has a state, of which only z is trained."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        terms: Terms = stateful(z.shape[-1], len(z)).requires_grad_(False)(z)
    return terms


def swav_of_a_point(point: Tensor) -> float:
    """All codes are equal shares of all prototypes; these are the first that the seed of `fresh` draws."""
    draws = torch.randn(300, len(point), generator=torch.Generator().manual_seed(0))
    cosines = torch.nn.functional.cosine_similarity(draws.to(point.dtype), point, dim=1)
    return -float(torch.log_softmax(cosines / 0.1, 0).mean())


NAMED: dict[str, Loss] = {
    **{loss.__name__: loss for loss in LOSSES},
    **{stateful.__name__: partial(fresh, stateful) for stateful in STATEFUL_LOSSES},
    "intl_batch": partial(intl, axis="batch"),
    "dclw": partial(dcl, sigma=0.5),
    "hill_entropy_uncentered": partial(hill_entropy, centered=False),
    "mec_series": partial(mec, order=4, eps=8 / 32),
}

# The laws a loss does not hold, and why. A loss that is not named holds all of them.
NO_SPREAD = {
    "alignment": "one point is its optimum: it is the other half of a loss",
}
AGREE = {
    "spectral_transformation": "whitened views that agree are at the optimum, whatever their rank",
    "w_mse": "whitened views that agree are at the optimum, whatever their rank",
}
NO_SHAPE = NO_SPREAD | AGREE  # few dimensions or clusters are free; trained end to end, noise between views forbids it
AT_REST = NO_SHAPE | {"zero_cl": "whitened views that agree move only when a dimension is quite gone"}
FEW_SAMPLES = {  # of exceptions for a batch of fewer samples than features
    "ssl_hsic": "around one point, noise of a participation ratio of 10 is all but held back by the bottleneck's 9",
}
SLICED = AT_REST | dict.fromkeys(("sigreg", "visreg"), "first the mean, then what drawn slices show: live dimensions")
NEUTRAL_AT_ONE_POINT = SLICED | {
    "intl_batch": "blind to offset and scale, so the gradient can change shape but not size",
    "hill_entropy": "centered and free of scale: the noise around one point has the rank of a cloud",
    "SwAV": "the step goes to where prototypes are, for all samples and for each: the spread grows, but slower",
    "vibcreg": "whitened, so free of offset and scale: the noise around one point is a cloud",
}
NO_REVIVAL = SLICED | {
    "vicreg": "missing directions feel only the variance of single features, which mixes them with live ones",
    "barlow_twins": "missing directions feel only the correlation of single features",
    "SwAV": "missing directions feel only what its prototypes, untrained, have there",
    "frossl": "the push on a direction fades with its variance, and the scaling of features mixes directions",
}
NO_PAIRS = {
    "uniformity": "each view alone",
    "w2": "all views are one batch",
    "hill_entropy": "each view alone",
    "hill_entropy_uncentered": "each view alone",
    "koleo": "each view alone",
}
KEEPS_THE_BASIS = {
    "vicreg": "variance and covariance of single features",
    "vibcreg": "variance and correlation of single features",
    "barlow_twins": "correlation of single features",
    "intl": "centers every sample over its features",
    "intl_batch": "the trace loss looks at single features",
    "w_mse": "a Cholesky factor takes the features in their order",
    "zero_cl": "centers every sample over its features",
    "frossl": "scales single features",
    "SwAV": "the prototypes stay where they are",
    "sigreg": "the slices are drawn",
    "visreg": "the slices are drawn, and the scale is that of single features",
}
NOT_BY_PAIRS = {
    "nt_xent": "every view of the other samples is a negative",
    "w2": "all views are one batch",
    "intl": "pairs with the anchor, view 0, only",
    "intl_batch": "pairs with the anchor, view 0, only",
    "coding_rate": "similarity to the mean view",
    "dcl": "every view of the other samples is a negative",
    "dclw": "every view of the other samples is a negative",
    "frossl": "sums over views, and similarity to the mean view",
    "mmcr": "the centroid of all views",
    "TiCo": "pairs with the anchor, view 0, only",
    "ssl_hsic": "the bottleneck is one of all views",
    "sigreg": "similarity to the mean view",
    "visreg": "similarity to the mean view",
}
ANCHORED = {
    "intl": "view 0 is the anchor",
    "intl_batch": "view 0 is the anchor",
    "TiCo": "view 0 is the anchor",
}
STOPS_GRADIENT = {
    "visreg": "the shape does not pull at the scale",
    "SwAV": "codes are targets",
}
BOUNDED_NORM = {"spectral_contrastive": "norms above the radius of the ball are seen as the radius"}
GROWS_WITH_NORM = {"vicreg": "covariances are squared, so norms beyond 1e9 do not fit float32"}

# "loss" is the weighted sum of the terms; the weights, as documented, of those that do not count once.
WEIGHTS = {
    "vicreg": {"invariance": 25.0, "variance": 25.0, "covariance": 1.0},
    "CorInfoMax": {"invariance": 500.0},
    "vibcreg": {"invariance": 25.0, "variance": 25.0, "covariance": 200.0},
    "barlow_twins": {"on_diagonal": 1.0, "off_diagonal": 0.0051},
    "intl": {"trace": intl_beta(12)},
    "intl_batch": {"trace": intl_beta(6)},
    "coding_rate": {"similarity": 200.0},
    "ssl_hsic": {"bottleneck": 3.0},
    "TiCo": {"covariance": 8.0},
    "vne": {"similarity": 4.16},
    "sigreg": {"invariance": 0.95, "normality": 0.05},
    "visreg": {"invariance": 0.1, "center": 0.9, "scale": 0.9, "shape": 0.9},
}

N, D, POINT = 8, 4, torch.tensor([1.0, 2.0, 3.0, 4.0], dtype=torch.float64)
PLATEAU = {  # the value when all samples are one point, V = 2: metrics_and_losses 3.2
    "alignment": 0.0,
    "uniformity": 0.0,
    "w2": math.sqrt(2),
    "infonce": math.log(N),
    "nt_xent": math.log(2 * N - 1),
    "vicreg": 24.75,
    "vibcreg": 24.75,
    "barlow_twins": float(D),
    "intl": 2 * 0.01 * N * (1 - 1 / N) ** 2,  # one direction among the samples keeps variance 1
    "intl_batch": 2 + 2 * 0.01 * D,
    "CorInfoMax": -2 * math.log(0.01 + 1e-8) - 2 / D * math.log1p(0.0099),  # what is left of R, and of the mean, once
    "log_determinant_mutual_information": 0.0,
    "spectral_transformation": 2.0,
    "w_mse": 2.0,
    "zero_cl": -1 / (D - 1),  # one direction among the samples is whitened
    "coding_rate": -200 - math.log1p(D / 0.2) / 2,
    "dcl": math.log(2 * N - 2),
    "dclw": math.log(2 * N - 2),
    "frossl": 0.0,
    "hill_entropy": 0.0,
    "hill_entropy_uncentered": 0.0,
    "koleo": 8 * math.log(10),
    "mec": -math.log(33) / 32,
    "matrix_ssl": math.log(2) - math.log(33) / 32,
    "mec_series": -(4 - 4**2 / 2 + 4**3 / 3 - 4**4 / 4) / 4,
    "mmcr": -math.sqrt(N),
    "spectral_contrastive": -1.0,
    "ssl_hsic": 0.0,
    "SwAV": swav_of_a_point(POINT),
    "TiCo": 8 * 0.1,
    "vne": -4.16,
    "sigreg": sigreg_of_a_point(N, POINT),
    "visreg": visreg_of_a_point(N, POINT),
}

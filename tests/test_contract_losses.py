"""Every public loss under every law; what a loss does not promise is declared here, with the reason, and shown."""

from __future__ import annotations

import importlib
import math
import pkgutil
import re
from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor, nn

import fullrank.losses
from fullrank.errors import UserError
from fullrank.losses import LOSSES, PAIR_LOSSES, STATEFUL_LOSSES, Terms, dcl, hill_entropy, intl, intl_beta, mec
from tests.losses import contract
from tests.losses.contract import Loss, aligned, noise, value
from tests.losses.sliced import sigreg_of_a_point, visreg_of_a_point


def fresh(stateful: type[nn.Module], z: Tensor) -> Terms:
    """The first step of a loss that has a state."""
    terms: Terms = stateful(z.shape[-1], len(z))(z)
    return terms


NAMED: dict[str, Loss] = {
    **{loss.__name__: loss for loss in LOSSES},
    **{stateful.__name__: partial(fresh, stateful) for stateful in STATEFUL_LOSSES},
    "intl_batch": partial(intl, axis="batch"),
    "dclw": partial(dcl, sigma=0.5),
    "hill_entropy_uncentred": partial(hill_entropy, centred=False),
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
SLICED = AT_REST | dict.fromkeys(("sigreg", "visreg"), "first the mean, then what drawn slices show: live dimensions")
NEUTRAL_AT_ONE_POINT = SLICED | {
    "intl_batch": "blind to offset and scale, so the gradient can change shape but not size",
    "hill_entropy": "centred and free of scale: the noise around one point has the rank of a cloud",
}
NO_REVIVAL = SLICED | {
    "vicreg": "missing directions feel only the variance of single features, which mixes them with live ones",
    "barlow_twins": "missing directions feel only the correlation of single features",
    "frossl": "the push on a direction fades with its variance, and the scaling of features mixes directions",
}
NO_PAIRS = {
    "uniformity": "each view alone",
    "w2": "all views are one batch",
    "hill_entropy": "each view alone",
    "hill_entropy_uncentred": "each view alone",
    "koleo": "each view alone",
}
KEEPS_THE_BASIS = {
    "vicreg": "variance and covariance of single features",
    "barlow_twins": "correlation of single features",
    "intl": "centres every sample over its features",
    "intl_batch": "the trace loss looks at single features",
    "w_mse": "a Cholesky factor takes the features in their order",
    "zero_cl": "centres every sample over its features",
    "frossl": "scales single features",
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
    "sigreg": "similarity to the mean view",
    "visreg": "similarity to the mean view",
}
ANCHORED = {
    "intl": "view 0 is the anchor",
    "intl_batch": "view 0 is the anchor",
    "TiCo": "view 0 is the anchor",
}
STOPS_GRADIENT = {"visreg": "the shape does not pull at the scale"}
BOUNDED_NORM = {"spectral_contrastive": "norms above the radius of the ball are seen as the radius"}
GROWS_WITH_NORM = {"vicreg": "covariances are squared, so norms beyond 1e9 do not fit float32"}

# "loss" is the weighted sum of the terms; the weights, as documented, of those that do not count once.
WEIGHTS = {
    "vicreg": {"invariance": 25.0, "variance": 25.0, "covariance": 1.0},
    "CorInfoMax": {"invariance": 500.0},
    "barlow_twins": {"on_diagonal": 1.0, "off_diagonal": 0.0051},
    "intl": {"trace": intl_beta(12)},
    "intl_batch": {"trace": intl_beta(6)},
    "coding_rate": {"similarity": 200.0},
    "TiCo": {"covariance": 8.0},
    "vne": {"similarity": 4.16},
    "sigreg": {"invariance": 0.95, "normality": 0.05},
    "visreg": {"invariance": 0.1, "centre": 0.9, "scale": 0.9, "shape": 0.9},
}

N, D, POINT = 8, 4, torch.tensor([1.0, 2.0, 3.0, 4.0], dtype=torch.float64)
PLATEAU = {  # the value when all samples are one point, V = 2: metrics_and_losses 3.2
    "alignment": 0.0,
    "uniformity": 0.0,
    "w2": math.sqrt(2),
    "infonce": math.log(N),
    "nt_xent": math.log(2 * N - 1),
    "vicreg": 24.75,
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
    "hill_entropy_uncentred": 0.0,
    "koleo": 8 * math.log(10),
    "mec": -math.log(33) / 32,
    "mec_series": -(4 - 4**2 / 2 + 4**3 / 3 - 4**4 / 4) / 4,
    "mmcr": -math.sqrt(N),
    "spectral_contrastive": -1.0,
    "TiCo": 8 * 0.1,
    "vne": -4.16,
    "sigreg": sigreg_of_a_point(N, POINT),
    "visreg": visreg_of_a_point(N, POINT),
}

PUBLIC: list[Callable[..., object]] = [*LOSSES, *STATEFUL_LOSSES]
NO_LOSS_OF_Z = {"terms", "pairs", "slices", "energy"}  # three are shared parts, the energy is one of weights
every_loss = pytest.mark.parametrize("name", NAMED)
every_shape = pytest.mark.parametrize(("n", "d"), [(64, 16), (16, 32)])


def holds(law: Callable[..., None], name: str, exceptions: dict[str, str], *args: object) -> None:
    """The law holds for the loss, or the loss is declared as an exception and really is one."""
    if name in exceptions:
        with pytest.raises(AssertionError):
            law(NAMED[name], *args)
    else:
        law(NAMED[name], *args)


def test_every_loss_file_is_under_contract() -> None:
    files = {module.name for module in pkgutil.iter_modules(fullrank.losses.__path__)} - NO_LOSS_OF_Z
    assert files == {loss.__module__.rpartition(".")[2] for loss in (*PUBLIC, *PAIR_LOSSES)}
    assert {loss.__name__ for loss in (*PUBLIC, *PAIR_LOSSES)} <= set(fullrank.losses.__all__)
    for name in files:
        header = importlib.import_module(f"fullrank.losses.{name}").__doc__ or ""
        assert re.search(r"arXiv:|ICLR 20", header.splitlines()[0])


@pytest.mark.parametrize("loss", PUBLIC)
def test_the_docstring_says_what_it_cannot_see_and_shows_a_value(loss: Callable[..., object]) -> None:
    assert "lind to" in (loss.__doc__ or "")
    assert ">>>" in (loss.__doc__ or "")


@every_loss
def test_every_exception_names_a_loss(name: str) -> None:
    declared = NEUTRAL_AT_ONE_POINT | NO_REVIVAL | NO_PAIRS | KEEPS_THE_BASIS | NOT_BY_PAIRS | ANCHORED | STOPS_GRADIENT
    assert set(declared) | set(PLATEAU) <= set(NAMED)
    assert name in PLATEAU


@every_loss
@every_shape
@pytest.mark.parametrize("collapse", contract.COLLAPSES)
def test_spread_beats_collapse(name: str, n: int, d: int, collapse: Callable[[Tensor], Tensor]) -> None:
    exceptions = NO_SPREAD if collapse is contract.one_point else NO_SHAPE
    holds(contract.check_ordering, name, exceptions, n, d, collapse)


@every_loss
def test_shrinking_costs_or_is_not_seen(name: str) -> None:
    holds(contract.check_norm_collapse, name, BOUNDED_NORM)


@every_loss
@every_shape
def test_a_step_from_almost_one_point_spreads(name: str, n: int, d: int) -> None:
    holds(contract.check_step_from_one_point, name, NEUTRAL_AT_ONE_POINT, n, d)


@every_loss
@every_shape
def test_a_step_from_almost_rank_4_raises_the_effective_rank(name: str, n: int, d: int) -> None:
    holds(contract.check_step_raises_rank, name, AT_REST, n, d)


@every_loss
def test_missing_dimensions_are_revived(name: str) -> None:
    holds(contract.check_revival, name, NO_REVIVAL)


@every_loss
def test_mixed_up_pairs_cost(name: str) -> None:
    holds(contract.check_pairing, name, NO_PAIRS)


@every_loss
def test_one_point_has_the_documented_value(name: str) -> None:
    assert value(NAMED[name], aligned(POINT.expand(N, D))) == pytest.approx(PLATEAU[name], abs=1e-7)


@every_loss
def test_the_log_is_the_objective(name: str) -> None:
    contract.check_log_is_objective(NAMED[name], WEIGHTS.get(name, {}))


@every_loss
@pytest.mark.parametrize(("views", "n", "d"), [(2, 6, 3), (2, 4, 6), (3, 3, 2)])
def test_gradient(name: str, views: int, n: int, d: int) -> None:
    holds(contract.check_gradient, name, STOPS_GRADIENT, views, n, d)


@every_loss
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_and_autocast_equal_float32(name: str, dtype: torch.dtype) -> None:
    contract.check_half_precision(NAMED[name], dtype)


@every_loss
def test_double_precision_stays(name: str) -> None:
    contract.check_double_precision(NAMED[name])


@every_loss
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("fill", [0.0, 1.0, 0.1, 1000.3])
@pytest.mark.parametrize(("n", "d"), [(2, 5), (8, 4), (4, 8)])
def test_constants_are_finite(name: str, n: int, d: int, fill: float, dtype: torch.dtype) -> None:
    contract.check_finite(NAMED[name], torch.full((2, n, d), fill, dtype=dtype))


@every_loss
@pytest.mark.parametrize(("n", "d"), [(2, 2), (2, 5), (8, 4), (4, 8)])
@pytest.mark.parametrize("scale", [1e-30, 1e-15, 1.0, 1e4, 1e15])
def test_extreme_norms_are_finite(name: str, n: int, d: int, scale: float) -> None:
    big = name in GROWS_WITH_NORM and scale > 1e9
    contract.check_finite(NAMED[name], (scale * noise(3, n, d)).to(torch.float64 if big else torch.float32))


@every_loss
def test_dead_features_and_duplicate_samples_are_finite(name: str) -> None:
    z = noise(2, 8, 6).float()
    z[:, :, 2] = 0.0
    z[:, 3] = z[:, 4]
    z[:, 5] = 0.0
    contract.check_finite(NAMED[name], z)


@every_loss
def test_nan_is_not_hidden(name: str) -> None:
    contract.check_nan_is_not_hidden(NAMED[name])


@every_loss
def test_the_order_of_samples_is_free(name: str) -> None:
    contract.check_permutation(NAMED[name])


@every_loss
def test_the_order_of_views_is_free(name: str) -> None:
    holds(contract.check_view_order, name, ANCHORED)


@every_loss
def test_rotations_are_free(name: str) -> None:
    holds(contract.check_rotation, name, KEEPS_THE_BASIS)


@every_loss
def test_many_views_are_the_mean_over_pairs(name: str) -> None:
    holds(contract.check_views_by_pairs, name, NOT_BY_PAIRS)


@every_loss
@pytest.mark.parametrize("z", [torch.zeros(4, 3), torch.zeros(2, 4, 3, dtype=torch.long), torch.zeros(2, 0, 3)])
def test_wrong_input_is_explained(name: str, z: Tensor) -> None:
    with pytest.raises(UserError, match="pass"):
        NAMED[name](z)

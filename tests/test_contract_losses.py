"""Every public loss under every law; what a loss does not promise is declared, with the reason, and shown."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Callable
from typing import cast

import pytest
import torch
from torch import Tensor

import fullrank.losses
from fullrank.errors import UserError
from fullrank.losses import LOSSES, PAIR_LOSSES, STATEFUL_LOSSES, SwAV, Terms
from fullrank.losses.declaration import LAWS, Point, declaration
from tests.losses import contract
from tests.losses.contract import noise
from tests.losses.declared import DECLARED, NAMED, VARIANTS

PUBLIC: list[Callable[..., object]] = [*LOSSES, *STATEFUL_LOSSES]
NO_LOSS_OF_Z = {
    "terms",
    "pairs",
    "module",
    "declaration",
    "energy",
}  # shared parts, and one of weights
POINT = torch.tensor([1.0, 2.0, 3.0, 4.0, -2.0, 0.5], dtype=torch.float64)
every_loss = pytest.mark.parametrize("name", NAMED)
every_shape = pytest.mark.parametrize(("n", "d"), [(64, 16), (16, 32)])


def holds(check: Callable[..., None], name: str, laws: set[str], *args: object) -> None:
    """The loss holds the laws, or it declares that it breaks one of them and really does."""
    if laws & set(DECLARED[name].breaks):
        with pytest.raises(AssertionError):
            check(NAMED[name], *args)
    else:
        check(NAMED[name], *args)


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


def test_every_exception_names_a_law() -> None:
    assert set(NAMED) == set(DECLARED)
    for name, declared in DECLARED.items():
        assert set(declared.breaks) <= set(LAWS), name
        assert all(declared.breaks.values()), name


def test_every_law_is_broken_by_a_loss_that_says_so() -> None:
    """Or its name is a leftover."""
    assert {law for declared in DECLARED.values() for law in declared.breaks} == set(LAWS)


@every_loss
@every_shape
@pytest.mark.parametrize("collapse", contract.COLLAPSES)
def test_spread_beats_collapse(name: str, n: int, d: int, collapse: Callable[[Tensor], Tensor]) -> None:
    law = "point" if collapse is contract.one_point else "shape"
    holds(contract.check_ordering, name, {law}, n, d, collapse)


@every_loss
def test_shrinking_costs_or_is_not_seen(name: str) -> None:
    holds(contract.check_norm_collapse, name, {"norm"})


@every_loss
@every_shape
def test_a_step_from_almost_one_point_spreads(name: str, n: int, d: int) -> None:
    laws = {"escape", "escape of few samples"} if n < d else {"escape"}
    holds(contract.check_step_from_one_point, name, laws, n, d)


@every_loss
@every_shape
def test_a_step_from_almost_rank_4_raises_the_effective_rank(name: str, n: int, d: int) -> None:
    holds(contract.check_step_raises_rank, name, {"rank"}, n, d)


@every_loss
def test_missing_dimensions_are_revived(name: str) -> None:
    holds(contract.check_revival, name, {"revival"})


@every_loss
def test_mixed_up_pairs_cost(name: str) -> None:
    holds(contract.check_pairing, name, {"pairing"})


def at_one_point(loss: Callable[..., object], plateau: Point, *, samples: int, features: int) -> float:
    """The loss of two views at one point, zeros if it says so; one with a state has seen that point for long."""
    made, state = POINT[:features].expand(2, samples, features), isinstance(loss, type)
    z = torch.zeros_like(made) if plateau.at_zero else made
    called = cast(Callable[..., Terms], loss(features) if state else loss)
    inputs = (z, z) if loss in PAIR_LOSSES else (z,)
    for _ in range(270 if state else 0):  # so that a memory of 0.9 is forgotten, and a queue of 4096 is full
        called(*inputs)
    return float(called(*inputs)["loss"].detach())


@pytest.mark.parametrize("features", [4, 6])
@pytest.mark.parametrize("samples", [8, 20])
def test_one_point_has_the_declared_value(samples: int, features: int) -> None:
    for loss in (*PUBLIC, *PAIR_LOSSES, *(NAMED[name] for name in VARIANTS)):
        name = next((name for name in VARIANTS if NAMED[name] is loss), "")
        plateau = VARIANTS[name].point if name else declaration(loss).point
        prototypes = 300 if loss is SwAV else features  # DINO is given logits
        settings = {"batch_size": samples, "dims": features, "prototypes": prototypes}
        expected = pytest.approx(plateau(settings), rel=1e-6, abs=1e-7)
        assert at_one_point(loss, plateau, samples=samples, features=features) == expected, name or loss


@every_loss
def test_the_log_is_the_objective(name: str) -> None:
    contract.check_log_is_objective(NAMED[name], DECLARED[name].weights)


@every_loss
@pytest.mark.parametrize(("views", "n", "d"), [(2, 6, 3), (2, 4, 6), (3, 3, 2)])
def test_gradient(name: str, views: int, n: int, d: int) -> None:
    holds(contract.check_gradient, name, {"gradient"}, views, n, d)


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
    big = "large norms" in DECLARED[name].breaks and scale > 1e9
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
    holds(contract.check_view_order, name, {"order of views"})


@every_loss
def test_rotations_are_free(name: str) -> None:
    holds(contract.check_rotation, name, {"rotation"})


@every_loss
def test_many_views_are_the_mean_over_pairs(name: str) -> None:
    holds(contract.check_views_by_pairs, name, {"mean over pairs"})


@every_loss
@pytest.mark.parametrize("z", [torch.zeros(4, 3), torch.zeros(2, 4, 3, dtype=torch.long), torch.zeros(2, 0, 3)])
def test_wrong_input_is_explained(name: str, z: Tensor) -> None:
    with pytest.raises(UserError, match="pass"):
        NAMED[name](z)

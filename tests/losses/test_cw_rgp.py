from __future__ import annotations

import re
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor

from fullrank.errors import UserError
from fullrank.losses import CWRGP, cw_rgp, spectral_transformation
from fullrank.testing.clouds import noise
from fullrank.testing.derivative_laws import check_gradient
from fullrank.testing.loss_values import value
from tests.losses.reference import check_reference
from tests.losses.test_spectral import rank_after_training

ROOT = Path(__file__).parents[2]


def plain(z: Tensor, groups: int) -> Tensor:
    """The whole batch, two views: sample by sample and group by group, with the same draws."""
    generator = torch.Generator().manual_seed(0)
    samples, features = z.shape[1:]
    rows = torch.randperm(samples, generator=generator)
    units = []
    for view in z:
        x = view[rows] - view[rows].mean(1, keepdim=True)
        white = torch.zeros_like(x)
        for group in torch.randperm(features, generator=generator).tensor_split(groups):
            part = x[:, group]
            values, vectors = torch.linalg.eigh(part @ part.T / (len(group) - 1))
            mixing = vectors @ torch.diag(values**-0.5) @ vectors.T
            white = white.index_copy(1, group, mixing @ part)
        units.append(white / white.norm(dim=1, keepdim=True))
    distance: Tensor = (units[0] - units[1]).square().sum(1).mean()
    return distance


@pytest.mark.parametrize(("n", "d", "groups"), [(4, 16, 2), (3, 20, 4), (6, 12, 1), (3, 14, 3)])
def test_equals_the_plain_formula(n: int, d: int, groups: int) -> None:
    loss = partial(cw_rgp, groups=groups)
    check_reference(loss, partial(plain, groups=groups), 2 * noise(2, n, d) + 1)


def test_one_group_is_the_whitening_spectral_transformation_of_the_samples() -> None:
    channel = partial(spectral_transformation, axis="channel")
    for n, d in ((4, 12), (12, 4)):
        z = noise(2, n, d)
        assert value(partial(cw_rgp, groups=1), z) == pytest.approx(value(channel, z), rel=1e-9)


def test_the_scale_and_offset_of_a_view_are_free_and_a_mixing_of_its_samples_is_not() -> None:
    z, one = noise(4, 64), partial(cw_rgp, groups=1)
    assert value(one, torch.stack([z, 3 * z + 2])) == pytest.approx(0.0, abs=1e-9)
    assert value(one, torch.stack([z, noise(4, 4, seed=5) @ z])) > 0.1


@pytest.mark.slow
def test_groups_that_do_not_divide_the_features_differ_by_one() -> None:
    for groups in (3, 7, 100):
        check_gradient(partial(cw_rgp, groups=groups), 2, 3, 7)


def test_each_step_draws_new_groups_and_a_seed_gives_them_again() -> None:
    z, objective = noise(2, 8, 32), CWRGP()
    first, second = objective(z)["loss"], objective(z)["loss"]
    assert float(first) != float(second)
    assert [float(first), float(second)] == [value(partial(cw_rgp, seed=seed), z) for seed in (0, 1)]


def test_sub_batches_and_iterations_are_averaged() -> None:
    z = noise(2, 12, 32)
    assert value(partial(cw_rgp, size=4), z) != value(partial(cw_rgp, size=12), z)
    assert value(partial(cw_rgp, size=12), z) == value(cw_rgp, z)
    assert value(partial(cw_rgp, iterations=2), z) != value(cw_rgp, z)
    with pytest.raises(UserError, match="cw_rgp got size=1: pass a whole number of at least 2"):
        cw_rgp(z, size=1)


@pytest.mark.slow
def test_noise_between_the_views_keeps_the_rank_up() -> None:
    whitened = partial(cw_rgp, size=16, groups=2)
    centered = partial(spectral_transformation, g=torch.ones_like)
    assert rank_after_training(whitened, seed=0) > rank_after_training(centered, seed=0) + 2


def test_the_walk_that_the_architecture_shows_is_the_real_one() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    (diff,) = [block for block in re.findall(r"```diff\n(.*?)```", page, flags=re.DOTALL) if "cw_rgp.py" in block]
    shown: dict[str, list[str]] = {}
    for line in diff.splitlines():
        if line.startswith(("--- a/", "+++ b/")):
            file = line[6:]
            shown[file] = []
        elif line.startswith("+"):
            shown[file].append(line[1:])
    assert list(shown) == ["fullrank/losses/__init__.py", "fullrank/losses/cw_rgp.py", "fullrank/recipes/cw_rgp.py"]
    for file, lines in shown.items():
        real = iter((ROOT / file).read_text(encoding="utf-8").splitlines())
        assert [line for line in lines if line not in real] == [], file  # each is there, in this order
